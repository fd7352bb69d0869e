// TCP: the only place that knows sockets. A stream, a listener, and one try to connect. Sockets are
// close-on-exec, have no Nagle delay, and give up on unacknowledged bytes after `user_timeout`. All on the
// loop's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/asio_loop.h"
#include "base/result.h"
#include "base/time.h"
#include "rpc/links.h"
#include "rpc/stream.h"

namespace ringmaster {

// Accepts until it is destroyed. Running out of descriptors or memory makes it pause, not fail.
class TcpListener {
 public:
  using OnAccept = std::move_only_function<void(std::unique_ptr<Stream>)>;

  // `address`: "host:port", "[v6]:port"; port 0 picks one. Errors: invalid_argument (not an address),
  // unavailable (cannot listen there).
  static Result<std::unique_ptr<TcpListener>> listen(AsioLoop& loop, const std::string& address,
                                                     Duration user_timeout, OnAccept on_accept);
  ~TcpListener();
  // With the port that was picked.
  const std::string& address() const;
  bool loopback() const;

 private:
  struct State;
  explicit TcpListener(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

// One try to connect. The handler runs once, unless cancel() or destruction came first.
class TcpConnect {
 public:
  struct Failure {
    DialError error;
    std::string reason;
  };
  using Outcome = std::expected<std::unique_ptr<Stream>, Failure>;
  using Handler = std::move_only_function<void(Outcome)>;

  TcpConnect(AsioLoop& loop, const std::string& address, Duration timeout, Duration user_timeout,
             Handler handler);
  ~TcpConnect();
  TcpConnect(const TcpConnect&) = delete;
  TcpConnect& operator=(const TcpConnect&) = delete;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace ringmaster
