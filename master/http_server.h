// HttpServer: the HTTP/JSON side of a master (docs/api.md): tasks, workers, masters, cluster, health and
// metrics.
//
// Guarantees: at most max_connections are served at a time, one more is answered with 503; every request that
// was read is answered once, a submission only after the service has said that it is committed. Thread: the
// loop's, for every call. Destroy it before the loop, the service and the metrics.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include <boost/asio/ip/tcp.hpp>

#include "master/http_session.h"

namespace ringmaster {

class HttpServer {
 public:
  HttpServer(AsioLoop& loop, ApiService& service, HttpOptions options, Metrics& metrics);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // `127.0.0.1:7480`, `[::1]:7480`; port 0 takes a free one. Errors: invalid_argument, unavailable (port in
  // use).
  Result<> listen(const std::string& address);
  std::string bound_address() const;  // with the real port; empty before listen

  // Orderly: no new connections, idle ones end now, requests in work are answered with `Connection: close`.
  void stop();
  std::size_t connections() const { return sessions_.size(); }

 private:
  void accept();
  void on_accepted(boost::asio::ip::tcp::socket socket);
  void forget(HttpSession& session);

  HttpEdge edge_;
  Gauge& open_connections_;
  Counter& refused_connections_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::map<HttpSession*, std::shared_ptr<HttpSession>> sessions_;
  Timer accept_again_;
  // Handlers that outlive the server see that this has expired.
  std::shared_ptr<HttpServer*> self_ = std::make_shared<HttpServer*>(this);
};

}  // namespace ringmaster
