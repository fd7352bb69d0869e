// The frame of a daemon: its loop, its signals and its end. SIGTERM or SIGINT asks for an orderly stop, a
// second one ends it at once; SIGHUP lets it read its settings again. One thread: run()'s.
#pragma once

#include <functional>

#include <boost/asio/signal_set.hpp>

#include "base/asio_loop.h"
#include "base/result.h"

namespace ringmaster {

class Daemon {
 public:
  // Said once, with the exit code.
  using Ended = std::function<void(int code)>;

  virtual ~Daemon() = default;
  virtual Result<> start() = 0;  // errors: what a person can mend
  virtual void stop() = 0;       // the first time orderly, the second time at once
};

class DaemonFrame {
 public:
  DaemonFrame();
  AsioLoop& loop() { return loop_; }
  Daemon::Ended ended() {
    return [this](int code) {
      exit_code_ = code;
      loop_.stop();
    };
  }
  // Until the daemon, which has been started, says that it has ended; its exit code.
  int run(Daemon& daemon, std::function<void()> reload);

 private:
  void wait_for_signal(Daemon& daemon);

  AsioLoop loop_;
  boost::asio::signal_set signals_{loop_.context(), SIGTERM, SIGINT, SIGHUP};
  std::function<void()> reload_;
  int exit_code_ = 0;
};

}  // namespace ringmaster
