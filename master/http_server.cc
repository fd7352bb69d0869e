#include "master/http_server.h"

#include <charconv>
#include <utility>
#include <vector>

#include <boost/asio/ip/address.hpp>
#include <glog/logging.h>

namespace ringmaster {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

// Connections beyond the bound that may be told so at a time; more are just closed.
constexpr std::size_t kMaxRefusing = 256;
constexpr double kLogEvery = 5;  // seconds
constexpr Duration kAcceptPause = std::chrono::milliseconds(100);

Result<tcp::endpoint> parse_endpoint(const std::string& address) {
  const auto bad = [&] {
    return fail(ErrorCode::invalid_argument,
                "\"" + address + "\" is not an address to listen on: write 127.0.0.1:7480 or [::1]:7480.",
                "http_listen");
  };
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0) return bad();
  std::string host = address.substr(0, colon);
  if (host == "localhost") host = "127.0.0.1";
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  std::uint16_t port = 0;
  const char* end = address.data() + address.size();
  const auto read = std::from_chars(address.data() + colon + 1, end, port);
  if (read.ec != std::errc{} || read.ptr != end) return bad();
  boost::system::error_code error;
  const auto ip = asio::ip::make_address(host, error);
  if (error) return bad();
  return tcp::endpoint{ip, port};
}

std::string text_of(const tcp::endpoint& endpoint) {
  const std::string host = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(endpoint.port());
}

}  // namespace

HttpServer::HttpServer(AsioLoop& loop, ApiService& service, HttpOptions options, Metrics& metrics)
    : edge_{loop, service, metrics, options, false, [this](HttpSession& session) { forget(session); }},
      open_connections_(metrics.gauge("ringmaster_http_connections", "HTTP connections open now.")),
      refused_connections_(
          metrics.counter("ringmaster_http_connections_refused_total", "HTTP connections beyond the bound.")),
      acceptor_(loop.context()),
      accept_again_(loop) {}

HttpServer::~HttpServer() {
  for (auto& [session, owner] : sessions_) session->abandon();
}

Result<> HttpServer::listen(const std::string& address) {
  const auto endpoint = parse_endpoint(address);
  if (!endpoint) return std::unexpected(endpoint.error());
  boost::system::error_code error;
  acceptor_.open(endpoint->protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(*endpoint, error);
  if (!error) acceptor_.listen(tcp::acceptor::max_listen_connections, error);
  if (error) {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    return fail(ErrorCode::unavailable, "Cannot listen on " + address + ": " + error.message() + ".",
                "http_listen");
  }
  accept();
  return {};
}

std::string HttpServer::bound_address() const {
  boost::system::error_code error;
  const tcp::endpoint endpoint = acceptor_.local_endpoint(error);
  return error ? std::string{} : text_of(endpoint);
}

void HttpServer::stop() {
  edge_.stopping = true;
  accept_again_.stop();
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  std::vector<std::shared_ptr<HttpSession>> open;  // ending one changes the map
  for (const auto& [session, owner] : sessions_) open.push_back(owner);
  for (const auto& session : open) session->close_if_idle();
}

void HttpServer::accept() {
  auto done = [weak = std::weak_ptr(self_)](const boost::system::error_code& error, tcp::socket socket) {
    const auto self = weak.lock();
    if (self == nullptr || (*self)->edge_.stopping) return;
    HttpServer& server = **self;
    if (error) {
      // Out of descriptors: those that close in the meantime make room.
      LOG_EVERY_T(WARNING, kLogEvery) << "cannot accept an HTTP connection: " << error.message()
                                      << "; if this lasts, raise the limit of open files";
      return server.accept_again_.start(kAcceptPause, [&server] { server.accept(); });
    }
    server.on_accepted(std::move(socket));
    server.accept();
  };
  acceptor_.async_accept(std::move(done));
}

void HttpServer::on_accepted(tcp::socket socket) {
  const bool full = sessions_.size() >= edge_.options.max_connections;
  if (full) refused_connections_.add();
  if (sessions_.size() >= edge_.options.max_connections + kMaxRefusing) return;
  boost::system::error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  auto session = std::make_shared<HttpSession>(edge_, std::move(socket));
  sessions_.emplace(session.get(), session);
  open_connections_.set(static_cast<double>(sessions_.size()));
  full ? session->refuse_connection() : session->start();
}

void HttpServer::forget(HttpSession& session) {
  sessions_.erase(&session);
  open_connections_.set(static_cast<double>(sessions_.size()));
}

}  // namespace ringmaster
