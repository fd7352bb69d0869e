// HttpExchange: one request over a connection of its own, and the answer to it. Redirects are not followed.
//
// Guarantees: told once how it ended, never inside a call; the answer's header and body are bounded; of the
// body only the tail is kept in memory, the beginning goes to the log. A server that vanishes is noticed
// within some minutes even without a time-out. Thread: the loop's. Lives as long as its operations (a look-up
// cannot be interrupted); stop() cuts it off from everything but its socket, and must come before the loop
// ends.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "base/asio_loop.h"
#include "worker/http_result.h"
#include "worker/output_log.h"

namespace ringmaster {

// TLS 1.2 or later; certificates are verified against the system's store.
std::shared_ptr<boost::asio::ssl::context> make_tls_context();

struct HttpOrder {
  HttpServerName server;
  boost::beast::http::request<boost::beast::http::string_body> request;
  Duration connect_timeout{0};
  Duration timeout{0};  // of the whole; 0 = none
  std::uint64_t max_body_bytes = 0;
  std::string log_path;
  std::uint64_t log_limit = 0;
  std::vector<std::string> secrets;  // values that the tail must not hold
};

class HttpExchange : public std::enable_shared_from_this<HttpExchange> {
 public:
  using Done = std::move_only_function<void(HttpEnd)>;

  // `tls` is used for https only.
  HttpExchange(AsioLoop& loop, HttpOrder order, std::shared_ptr<boost::asio::ssl::context> tls);
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;

  void start(Done done);
  // Closes the connection; `done` is not called any more.
  HttpEnd stop();

 private:
  using ErrorCodeOf = boost::system::error_code;
  using Tcp = boost::asio::ip::tcp;
  using Parser = boost::beast::http::response_parser<boost::beast::http::buffer_body>;

  void look_up();
  void connect(const Tcp::resolver::results_type& endpoints);
  void on_connected();
  void secure();
  void on_secured(const ErrorCodeOf& error);
  void send();
  void read_header();
  void on_header(const ErrorCodeOf& error);
  void read_body();
  void on_body(ErrorCodeOf error);
  void fail(const ErrorCodeOf& error) { end(HttpEnd::Cause::failed, error); }
  void end(HttpEnd::Cause cause, const ErrorCodeOf& error = {});
  HttpEnd close(HttpEnd::Cause cause);

  HttpOrder order_;
  std::shared_ptr<boost::asio::ssl::context> context_;
  Done done_;
  bool ended_ = false;
  HttpPhase phase_ = HttpPhase::looking_up;
  int status_ = 0;
  int interim_answers_ = 0;
  std::string certificate_error_;
  Tcp::resolver resolver_;
  Tcp::socket socket_;
  std::optional<boost::asio::ssl::stream<Tcp::socket&>> tls_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::array<char, 16 * 1024> chunk_;  // of the body
  OutputLog log_;
  Timer deadline_, connect_deadline_;
};

}  // namespace ringmaster
