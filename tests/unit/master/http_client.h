// A blocking HTTP/1.1 client for tests, and a server on a loop of its own with a service that tests script.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include "base/asio_loop.h"
#include "master/http_server.h"

namespace ringmaster {

inline constexpr std::chrono::seconds kHttpTestDeadline{20};

struct HttpAnswer {
  unsigned status = 0;  // 0: the connection ended without an answer
  std::string body;
  boost::beast::http::fields fields;

  std::string header(const std::string& name) const {
    const auto value = fields[name];
    return {value.data(), value.size()};
  }
  boost::json::object json() const { return boost::json::parse(body).as_object(); }
};

// One connection. Every read gives up after kHttpTestDeadline.
class HttpTestClient {
 public:
  explicit HttpTestClient(const std::string& address) : socket_(context_) {
    const std::size_t colon = address.rfind(':');
    const auto port = static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1)));
    socket_.connect({boost::asio::ip::make_address(address.substr(0, colon)), port});
  }

  // False: the server has closed meanwhile.
  bool send(const std::string& bytes) {
    boost::system::error_code error;
    boost::asio::write(socket_, boost::asio::buffer(bytes), error);
    return !error;
  }
  void finish_sending() { socket_.shutdown(boost::asio::ip::tcp::socket::shutdown_send); }

  HttpAnswer read(bool head = false) {
    namespace http = boost::beast::http;
    http::response_parser<http::string_body> parser;
    parser.body_limit(boost::none);
    parser.skip(head);
    boost::system::error_code result = boost::asio::error::would_block;
    http::async_read(socket_, buffer_, parser,
                     [&](boost::system::error_code error, std::size_t) { result = error; });
    run();
    if (result) return {};
    HttpAnswer answer{parser.get().result_int(), parser.get().body(), parser.get().base()};
    return answer;
  }

  HttpAnswer ask(const std::string& method, const std::string& target, const std::string& body = {},
                 const std::string& headers = {}) {
    std::string text = method + " " + target + " HTTP/1.1\r\nHost: test\r\n" + headers;
    if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    send(text + "\r\n" + body);
    return read(method == "HEAD");
  }
  HttpAnswer get(const std::string& target) { return ask("GET", target); }
  HttpAnswer post(const std::string& body, const std::string& type = "application/json") {
    return ask("POST", "/v1/tasks", body, "Content-Type: " + type + "\r\n");
  }

  // True: the server ended the connection, with nothing more to read.
  bool closed() {
    char byte = 0;
    boost::system::error_code result;
    boost::asio::async_read(socket_, boost::asio::buffer(&byte, 1),
                            [&](boost::system::error_code error, std::size_t) { result = error; });
    run();
    return result == boost::asio::error::eof || result == boost::asio::error::connection_reset;
  }

 private:
  void run() {
    context_.restart();
    context_.run_for(kHttpTestDeadline);
    if (context_.stopped()) return;
    socket_.close();
    context_.run();
  }

  boost::asio::io_context context_;
  boost::asio::ip::tcp::socket socket_;
  boost::beast::flat_buffer buffer_;
};

// Answers from a script, in order; keeps requests that have none until the test takes them.
class ScriptedService final : public ApiService {
 public:
  void call(ApiRequest request, ApiResponder respond) override {
    const std::lock_guard lock(mutex_);
    requests_.push_back(std::move(request));
    if (!answers_.empty()) {
      respond(std::move(answers_.front()));
      answers_.pop_front();
    } else {
      open_.push_back(std::move(respond));
    }
    changed_.notify_all();
  }

  void answer_next(Result<ApiReply> answer) {
    const std::lock_guard lock(mutex_);
    answers_.push_back(std::move(answer));
  }
  template <class Request>
  Request last() {
    const std::lock_guard lock(mutex_);
    return std::get<Request>(requests_.back());
  }
  std::size_t asked() {
    const std::lock_guard lock(mutex_);
    return requests_.size();
  }
  // The responder of the oldest request without an answer; waits for one.
  ApiResponder take_open() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, kHttpTestDeadline, [&] { return !open_.empty(); })) return nullptr;
    ApiResponder respond = std::move(open_.front());
    open_.pop_front();
    return respond;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<ApiRequest> requests_;
  std::deque<Result<ApiReply>> answers_;
  std::deque<ApiResponder> open_;
};

class HttpServerTest : public testing::Test {
 protected:
  HttpServerTest() { options_.linger_timeout = std::chrono::milliseconds(500); }
  ~HttpServerTest() override {
    if (!thread_.joinable()) return;
    on_loop([&] { server_.reset(); });
    loop_.stop();
    thread_.join();
  }

  void start() {
    server_ = std::make_unique<HttpServer>(loop_, service_, options_, metrics_);
    const auto listening = server_->listen("127.0.0.1:0");
    ASSERT_TRUE(listening) << listening.error().message;
    address_ = server_->bound_address();
    thread_ = std::thread([this] { loop_.run(); });
  }
  HttpTestClient connect() { return HttpTestClient(address_); }

  // Runs `fn` on the server's thread and waits for it.
  template <class F>
  void on_loop(F fn) {
    std::promise<void> done;
    loop_.post([&] {
      fn();
      done.set_value();
    });
    done.get_future().wait();
  }
  void answer_later(ApiResponder respond, Result<ApiReply> answer) {
    on_loop([&] { respond(std::move(answer)); });
  }

  HttpOptions options_;
  AsioLoop loop_;
  Metrics metrics_;
  ScriptedService service_;
  std::unique_ptr<HttpServer> server_;
  std::string address_;
  std::thread thread_;
};

}  // namespace ringmaster
