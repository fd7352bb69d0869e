// HttpSession: one HTTP/1.1 connection. Reads a request, has it answered, writes the reply, and so on while
// the client keeps the connection.
//
// Guarantees: every wait has a deadline; header and body are bounded before they are stored; one request at a
// time is in work, what a client pipelines beyond it stays in the socket; after a refusal that ends the
// connection the rest of the request is drained (bounded), so that the client gets to read the reply. Thread:
// the loop's. Lives as long as its operations; abandon() cuts it off from everything but its socket.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "base/api.h"
#include "base/asio_loop.h"
#include "master/http_api.h"
#include "master/http_log_follower.h"
#include "master/metrics.h"

namespace ringmaster {

struct HttpOptions {
  std::size_t max_connections = 10'000;  // one more is answered with 503
  std::size_t max_header_bytes = 16 * 1024;
  std::size_t max_body_bytes = 4 * 1024 * 1024;
  Duration idle_timeout = std::chrono::seconds(75);  // between requests
  Duration header_timeout =
      std::chrono::seconds(10);  // for a whole header, and for a new connection's first byte
  Duration body_timeout = std::chrono::seconds(30);
  Duration answer_timeout = std::chrono::seconds(30);  // of the service, beyond a long poll's wait
  Duration write_timeout = std::chrono::seconds(30);
  Duration linger_timeout = std::chrono::seconds(2);
  LogFollowOptions follow;
};

class HttpSession;

// What all sessions of one server share; owned by the server.
struct HttpEdge {
  AsioLoop& loop;
  ApiService& service;
  Metrics& metrics;
  const HttpOptions options;
  bool stopping = false;
  std::function<void(HttpSession&)> ended;  // the session is through: forget it
  // Idempotency keys of submissions that the service has not answered yet.
  std::shared_ptr<std::set<std::string>> keys_in_flight = std::make_shared<std::set<std::string>>();
};

class HttpSession : public std::enable_shared_from_this<HttpSession> {
 public:
  HttpSession(HttpEdge& edge, boost::asio::ip::tcp::socket socket);
  HttpSession(const HttpSession&) = delete;
  HttpSession& operator=(const HttpSession&) = delete;

  void start();
  void refuse_connection();  // instead of start(): 503, the server is full
  void close_if_idle();      // for an orderly stop: a request in work is still answered
  void abandon();            // the server goes: nothing of it is touched any more

 private:
  enum class Phase : std::uint8_t { idle, reading, answering, writing, following, lingering, ended };
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using Response = boost::beast::http::response<boost::beast::http::string_body>;
  using ErrorCodeOf = boost::system::error_code;

  void enter(Phase phase, Duration deadline);
  void on_deadline();
  void wait_for_request();
  void read_header();
  void on_header();
  std::optional<HttpProblem> check_header();  // finds the route; what is wrong before the body is read
  void send_continue();
  void read_body();
  void on_read_failed(const ErrorCodeOf& error);
  void handle();
  void ask_service();
  void follow();
  void on_followed(bool whole);
  void on_answer(std::uint64_t number, const Result<ApiReply>& answer);
  void refuse(const HttpProblem& problem, bool close);
  Response head_of(const HttpReply& reply, bool close) const;
  void write(HttpReply reply);
  void count(unsigned status);
  void linger();
  void drain();
  void end();

  HttpEdge* edge_;  // null once abandoned
  boost::asio::ip::tcp::socket socket_;
  Phase phase_ = Phase::idle;
  bool timed_out_ = false;
  bool keep_alive_ = false;
  bool head_ = false;
  std::uint64_t number_ = 0;  // of the request in work: a late answer to an earlier one is dropped
  MonoTime began_{};
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::optional<HttpRoute> route_;
  HttpCall call_;
  std::unique_ptr<HttpLogFollower> follower_;
  std::optional<Response> response_;
  std::array<char, 4096> scratch_{};  // drained bytes
  std::size_t drained_ = 0;
  Timer deadline_;
};

}  // namespace ringmaster
