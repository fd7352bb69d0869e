// Dialler: keeps trying to reach one peer, with jittered exponential back-off, until it has a channel or is
// destroyed. On the loop's thread; no callback runs inside a call.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/asio_loop.h"
#include "base/backoff.h"
#include "rpc/handshake.h"
#include "rpc/opening.h"
#include "rpc/tcp_stream.h"

namespace ringmaster {

class Dialler {
 public:
  struct Options {
    Duration connect_timeout, handshake_timeout, user_timeout, backoff_initial, backoff_max;
  };
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual Identity identity() const = 0;
    virtual const std::string& secret() const = 0;
    virtual void on_dialled(const Handshake::Target& target, Opening::Opened opened) = 0;
    // A next try is already scheduled. May destroy the dialler.
    virtual void on_failed(const Handshake::Target& target, DialError error, const std::string& reason) = 0;
  };

  Dialler(AsioLoop& loop, const Options& options, Handshake::Target target, Owner& owner);
  ~Dialler();

  // Tries at once. A try under way, to another address, is dropped.
  void dial(const std::string& address);
  // The same, but a channel is up: only when that one goes down.
  void prepare(const std::string& address) { address_ = address; }
  const std::string& address() const { return address_; }
  // A channel to the peer is up, however it came about: no more tries.
  void rest();
  // It is gone: try again, after the back-off.
  void resume();
  bool trying() const { return connect_ || opening_; }

 private:
  void try_once();
  void try_after(Duration wait);
  void stop_trying();
  void connected(TcpConnect::Outcome outcome);
  void opened(std::expected<Opening::Opened, Opening::Failure> outcome);
  void failed(DialError error, const std::string& reason);

  AsioLoop& loop_;
  const Options options_;
  const Handshake::Target target_;
  Owner& owner_;
  std::string address_;
  ReconnectBackoff backoff_;
  bool refused_ = false;  // the last try
  std::unique_ptr<TcpConnect> connect_;
  std::shared_ptr<Opening> opening_;
  Timer wait_;
};

}  // namespace ringmaster
