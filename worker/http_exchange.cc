#include "worker/http_exchange.h"

#include <utility>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <glog/logging.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

namespace ringmaster {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;

constexpr std::uint32_t kMaxHeaderBytes = 32 * 1024;  // a field of 64 KiB makes the library throw
constexpr std::size_t kReadChunk = 16 * 1024;
constexpr int kMaxInterimAnswers = 16;    // 100 Continue, 103 Early Hints
constexpr int kSwitchingProtocols = 101;  // ends the exchange, though nobody asked for it
constexpr int kProbeAfterSeconds = 60, kProbeEverySeconds = 15;
constexpr unsigned kSilenceLimitMs = 120'000;

bool is_address(const std::string& host) {
  boost::system::error_code error;
  asio::ip::make_address(host, error);
  return !error;
}

// Without a time-out, a server that vanished would otherwise hold its attempt for ever.
void notice_silence(tcp::socket& socket) {
  boost::system::error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  const int descriptor = socket.native_handle();
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, &kProbeAfterSeconds, sizeof kProbeAfterSeconds);
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, &kProbeEverySeconds, sizeof kProbeEverySeconds);
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, &kSilenceLimitMs, sizeof kSilenceLimitMs);
}

// Whom the certificate must be for. SNI is for names only.
bool expect_peer(SSL* ssl, const std::string& host) {
  X509_VERIFY_PARAM* const wanted = ::SSL_get0_param(ssl);
  if (is_address(host)) return ::X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) == 1;
  return ::SSL_set_tlsext_host_name(ssl, host.c_str()) == 1 &&
         ::X509_VERIFY_PARAM_set1_host(wanted, host.data(), host.size()) == 1;
}

template <class Plain, class Secured, class Use>
void use_stream(Plain& plain, Secured& secured, Use use) {
  secured ? use(*secured) : use(plain);
}

}  // namespace

std::shared_ptr<asio::ssl::context> make_tls_context() {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  ::SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  boost::system::error_code error;
  context->set_verify_mode(asio::ssl::verify_peer, error);
  CHECK(!error) << error.message();
  context->set_default_verify_paths(error);
  LOG_IF(ERROR, error) << "no https: cannot read the system's CA certificates: " << error.message();
  return context;
}

HttpExchange::HttpExchange(AsioLoop& loop, HttpOrder order, std::shared_ptr<asio::ssl::context> tls)
    : order_(std::move(order)),
      context_(std::move(tls)),
      resolver_(loop.context()),
      socket_(loop.context()),
      buffer_(kMaxHeaderBytes + kReadChunk),
      log_(order_.log_path, order_.log_limit),
      deadline_(loop),
      connect_deadline_(loop) {
  buffer_.reserve(kReadChunk);  // reads are as long as it is
}

void HttpExchange::start(Done done) {
  done_ = std::move(done);
  if (order_.timeout > Duration::zero())
    deadline_.start(order_.timeout, [this] { end(HttpEnd::Cause::timed_out); });
  connect_deadline_.start(order_.connect_timeout, [this] { end(HttpEnd::Cause::connect_timed_out); });
  look_up();
}

HttpEnd HttpExchange::stop() {
  done_ = nullptr;
  return close(HttpEnd::Cause::stopped);
}

// ---- to the server ----------------------------------------------------------------------------------------

// An address needs no look-up: those have one thread, and a slow one keeps the others waiting.
void HttpExchange::look_up() {
  const auto& [secure, host, port] = order_.server;
  boost::system::error_code not_an_address;
  const auto address = asio::ip::make_address(host, not_an_address);
  if (!not_an_address)
    return connect(tcp::resolver::results_type::create(tcp::endpoint(address, port), host, {}));
  auto found = [self = shared_from_this()](const ErrorCodeOf& error,
                                           const tcp::resolver::results_type& endpoints) {
    if (self->ended_) return;
    error ? self->fail(error) : self->connect(endpoints);
  };
  const auto flags = tcp::resolver::numeric_service | tcp::resolver::address_configured;
  resolver_.async_resolve(host, std::to_string(port), flags, std::move(found));
}

void HttpExchange::connect(const tcp::resolver::results_type& endpoints) {
  phase_ = HttpPhase::connecting;
  auto connected = [self = shared_from_this()](const ErrorCodeOf& error, const tcp::endpoint&) {
    if (self->ended_) return;
    error ? self->fail(error) : self->on_connected();
  };
  asio::async_connect(socket_, endpoints, std::move(connected));
}

void HttpExchange::on_connected() {
  notice_silence(socket_);
  order_.server.tls ? secure() : send();
}

void HttpExchange::secure() {
  phase_ = HttpPhase::securing;
  tls_.emplace(socket_, *context_);
  if (!expect_peer(tls_->native_handle(), order_.server.host))
    return fail(make_error_code(boost::system::errc::invalid_argument));
  auto secured = [self = shared_from_this()](const ErrorCodeOf& error) {
    if (!self->ended_) self->on_secured(error);
  };
  tls_->async_handshake(asio::ssl::stream_base::client, std::move(secured));
}

void HttpExchange::on_secured(const ErrorCodeOf& error) {
  if (!error) return send();
  const long verdict = ::SSL_get_verify_result(tls_->native_handle());
  if (verdict != X509_V_OK) certificate_error_ = ::X509_verify_cert_error_string(verdict);
  fail(error);
}

// ---- request and answer -----------------------------------------------------------------------------------

// A server may answer, and refuse, before it has read the whole request: both directions go on at once.
void HttpExchange::send() {
  connect_deadline_.stop();
  phase_ = HttpPhase::waiting;
  // A connection that breaks while it is written is the reader's to report.
  auto sent = [self = shared_from_this()](const ErrorCodeOf&, std::size_t) {};
  use_stream(socket_, tls_, [&](auto& to) { http::async_write(to, order_.request, std::move(sent)); });
  read_header();
}

void HttpExchange::read_header() {
  parser_.emplace();
  parser_->header_limit(kMaxHeaderBytes);
  parser_->body_limit(order_.max_body_bytes);
  parser_->skip(order_.request.method() == http::verb::head);
  auto done = [self = shared_from_this()](const ErrorCodeOf& error, std::size_t) {
    if (!self->ended_) self->on_header(error);
  };
  use_stream(socket_, tls_,
             [&](auto& from) { http::async_read_header(from, buffer_, *parser_, std::move(done)); });
}

void HttpExchange::on_header(const ErrorCodeOf& error) {
  const bool too_long = error == http::error::body_limit;  // as its Content-Length says
  if (error && !too_long) return fail(error);
  const auto status = static_cast<int>(parser_->get().result_int());
  const bool interim = status < 200 && status != kSwitchingProtocols;
  if (interim && ++interim_answers_ <= kMaxInterimAnswers) return read_header();
  if (interim) return fail(make_error_code(http::error::bad_status));
  phase_ = HttpPhase::receiving;
  status_ = status;
  if (too_long) return fail(error);
  read_body();
}

void HttpExchange::read_body() {
  if (parser_->is_done()) return end(HttpEnd::Cause::answered);
  parser_->get().body().data = chunk_.data();
  parser_->get().body().size = chunk_.size();
  auto done = [self = shared_from_this()](const ErrorCodeOf& error, std::size_t) {
    if (!self->ended_) self->on_body(error);
  };
  use_stream(socket_, tls_,
             [&](auto& from) { http::async_read_some(from, buffer_, *parser_, std::move(done)); });
}

// The log is a file, in the page cache: a chunk of it holds the loop up no longer than a chunk of the spool.
void HttpExchange::on_body(ErrorCodeOf error) {
  if (error == http::error::need_buffer) error = {};
  log_.append({chunk_.data(), chunk_.size() - parser_->get().body().size});
  if (error) return fail(error);
  read_body();
}

// ---- the end ----------------------------------------------------------------------------------------------

void HttpExchange::end(HttpEnd::Cause cause, const ErrorCodeOf& error) {
  const auto self = shared_from_this();
  auto end = close(cause);
  end.error = error;
  std::exchange(done_, nullptr)(std::move(end));
}

HttpEnd HttpExchange::close(HttpEnd::Cause cause) {
  ended_ = true;
  deadline_.stop();
  connect_deadline_.stop();
  resolver_.cancel();
  ErrorCodeOf ignored;
  socket_.close(ignored);
  return {cause, phase_, status_, {}, certificate_error_, log_.take_tail(order_.secrets), log_.error()};
}

}  // namespace ringmaster
