// What the tests of kind `http` share: a real server on loopback that answers what it is told, byte for byte,
// and a runner on the same loop with everything it reported.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>

#include "tests/unit/worker/runner_fixture.h"
#include "worker/http_runner.h"

namespace ringmaster {

// `HTTP/1.1 <head>` with its Content-Length; `head` may hold further lines.
inline std::string http_answer(const std::string& head, const std::string& body = {}) {
  return "HTTP/1.1 " + head + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

class HttpTestServer {
 public:
  using Request = boost::beast::http::request<boost::beast::http::string_body>;

  // With `tls` it serves https.
  explicit HttpTestServer(AsioLoop& loop, boost::asio::ssl::context* tls = nullptr)
      : loop_(loop), acceptor_(loop.context(), {boost::asio::ip::address_v4::loopback(), 0}), tls_(tls) {
    accept();
  }
  HttpTestServer(const HttpTestServer&) = delete;
  HttpTestServer& operator=(const HttpTestServer&) = delete;

  std::string port() const { return std::to_string(acceptor_.local_endpoint().port()); }
  std::string address() const { return "127.0.0.1:" + port(); }
  std::string url(const std::string& target = "/") const {
    return (tls_ != nullptr ? "https://" : "http://") + address() + target;
  }

  std::string answer;        // to every request; empty: none, ever
  bool closes = true;        // after its answer; false: it waits for the client to do so
  bool says_goodbye = true;  // https: closes as TLS wants it
  std::vector<Request> requests;
  std::vector<std::string> sni;  // of the handshakes that were completed
  int accepted = 0, closed_by_client = 0;

 private:
  using Tcp = boost::asio::ip::tcp;
  using ErrorCodeOf = boost::system::error_code;

  struct Connection {
    explicit Connection(Tcp::socket accepted_socket) : socket(std::move(accepted_socket)) {}
    template <class Use>
    void use_stream(Use use) {
      tls ? use(*tls) : use(socket);
    }
    Tcp::socket socket;
    std::optional<boost::asio::ssl::stream<Tcp::socket&>> tls;
    boost::beast::flat_buffer buffer;
    Request request;
    std::string answer;
  };
  using Shared = std::shared_ptr<Connection>;

  void accept() {
    acceptor_.async_accept([this](const ErrorCodeOf& error, Tcp::socket socket) {
      if (error) return;
      ++accepted;
      auto connection = std::make_shared<Connection>(std::move(socket));
      tls_ != nullptr ? secure(std::move(connection)) : read(std::move(connection));
      accept();
    });
  }

  void secure(Shared connection) {
    connection->tls.emplace(connection->socket, *tls_);
    connection->tls->async_handshake(
        boost::asio::ssl::stream_base::server, [this, connection](const ErrorCodeOf& error) {
          if (error) return;
          const char* const name =
              ::SSL_get_servername(connection->tls->native_handle(), TLSEXT_NAMETYPE_host_name);
          sni.emplace_back(name != nullptr ? name : "");
          read(connection);
        });
  }

  void read(Shared connection) {
    auto done = [this, connection](const ErrorCodeOf& error, std::size_t) {
      if (error) {
        ++closed_by_client;
        return;
      }
      requests.push_back(connection->request);
      connection->answer = answer;
      connection->answer.empty() ? wait_for_end(connection) : write(connection);
    };
    connection->use_stream([&](auto& stream) {
      boost::beast::http::async_read(stream, connection->buffer, connection->request, std::move(done));
    });
  }

  void write(Shared connection) {
    auto done = [this, connection](const ErrorCodeOf& error, std::size_t) {
      if (error || !closes) return wait_for_end(connection);
      if (connection->tls && says_goodbye)
        return connection->tls->async_shutdown([connection](const ErrorCodeOf&) {});
      connection->socket.shutdown(Tcp::socket::shutdown_send, ignored_);
      wait_for_end(connection);
    };
    connection->use_stream([&](auto& stream) {
      boost::asio::async_write(stream, boost::asio::buffer(connection->answer), std::move(done));
    });
  }

  void wait_for_end(Shared connection) {
    auto done = [this, connection](const ErrorCodeOf& error, std::size_t size) {
      connection->buffer.consume(size);
      if (!error) return wait_for_end(connection);
      ++closed_by_client;
    };
    connection->socket.async_read_some(connection->buffer.prepare(4096), std::move(done));
  }

  AsioLoop& loop_;
  Tcp::acceptor acceptor_;
  boost::asio::ssl::context* tls_;
  ErrorCodeOf ignored_;
};

class HttpRunnerTest : public testing::Test {
 protected:
  ~HttpRunnerTest() override { runner_.reset(); }

  void make_runner() {
    options_.log_dir = directory_.path();
    runner_ = std::make_unique<HttpRunner>(loop_, options_);
    runner_->set_handler(handler_);
  }

  bool run_until(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (!done()) {
      if (std::chrono::steady_clock::now() >= end) return false;
      loop_.context().run_one_for(std::chrono::milliseconds(50));
    }
    return true;
  }
  // Everything that is ready now, and what follows from it.
  void run_ready() {
    while (loop_.context().poll() > 0) {
    }
  }

  void start(Token token, std::string spec, Duration timeout = Duration::zero(),
             OnWorkerLost policy = OnWorkerLost::rerun) {
    if (!runner_) make_runner();
    Dispatch attempt;
    attempt.on_worker_lost = policy;
    attempt.token = token;
    attempt.kind = "http";
    attempt.spec = std::move(spec);
    attempt.timeout = timeout;
    attempt.traceparent = traceparent_;
    runner_->start(std::move(attempt));
  }
  // Fails the test and answers an empty result when it does not end.
  AttemptResult result_of(Token token) {
    const bool ended = run_until([&] { return handler_.result_of(token) != nullptr; });
    EXPECT_TRUE(ended) << "the attempt does not end";
    return ended ? *handler_.result_of(token) : AttemptResult{};
  }
  AttemptResult run(const std::string& spec, Duration timeout = Duration::zero()) {
    const Token token = token_of(++last_);
    start(token, spec, timeout);
    return result_of(token);
  }
  // `fields` is the rest of the spec: `,"method":"POST"`.
  static std::string spec_of(const std::string& url, const std::string& fields = {}) {
    return R"({"url":")" + url + "\"" + fields + "}";
  }
  std::string log_of(Token token) const {
    return directory_.path() + "/" + to_string(token.task) + "." + std::to_string(token.attempt) + ".log";
  }

  TempDirectory directory_;
  AsioLoop loop_;
  RecordingHandler handler_;
  HttpRunnerOptions options_;
  std::string traceparent_;
  std::unique_ptr<HttpRunner> runner_;

 private:
  std::int64_t last_ = 1'000'000;
};

// With a server for http.
class HttpRunnerPlain : public HttpRunnerTest {
 protected:
  AttemptResult get(const std::string& fields = {}, Duration timeout = Duration::zero()) {
    return run(spec_of(server_.url(), fields), timeout);
  }
  AttemptResult get_answered(std::string answer, const std::string& fields = {}) {
    server_.answer = std::move(answer);
    return get(fields);
  }
  void expect_failed(const AttemptResult& result, int status, const std::string& message) {
    EXPECT_EQ(result.outcome, Outcome::failed);
    EXPECT_EQ(result.exit_code, status);
    EXPECT_EQ(result.message, message);
    EXPECT_FALSE(result.permanent);
  }
  // Until a request waits at the server for its answer.
  void start_and_reach_server(Token token, Duration timeout = Duration::zero()) {
    const auto before = server_.requests.size();
    start(token, spec_of(server_.url()), timeout);
    ASSERT_TRUE(run_until([&] { return server_.requests.size() > before; }));
  }
  std::string header(const char* name) { return std::string(server_.requests.at(0)[name]); }

  HttpTestServer server_{loop_};
};

}  // namespace ringmaster
