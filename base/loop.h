// Loop: the single thread that a shell lives on, with its clock, timers and random numbers. Real (AsioLoop)
// and simulated (tests/sim) loops implement it; code that sees only a Loop runs in both.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "base/time.h"

namespace ringmaster {

using Callback = std::move_only_function<void()>;
using TimerId = std::uint64_t;  // 0 = none

class Loop {
 public:
  virtual ~Loop() = default;
  virtual MonoTime now() const = 0;
  virtual WallTime wall_now() const = 0;
  // Runs `fn` on the loop's thread, never inside this call. The only member that other threads may call.
  virtual void post(Callback fn) = 0;
  virtual TimerId after(Duration delay, Callback fn) = 0;
  virtual void cancel(TimerId id) = 0;  // a timer that has fired or is unknown is ignored
  virtual std::uint64_t random() = 0;   // uniform 64 bits
};

// A timer that dies with its owner: cancelled on destruction and on every new start.
class Timer {
 public:
  explicit Timer(Loop& loop) : loop_(loop) {}
  ~Timer() { stop(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void start(Duration delay, Callback fn) {
    stop();
    id_ = loop_.after(delay, [this, fn = std::move(fn)]() mutable {
      id_ = 0;
      auto run = std::move(fn);  // fn may restart or destroy this timer
      run();
    });
  }
  void stop() {
    if (id_ != 0) loop_.cancel(std::exchange(id_, 0));
  }
  bool running() const { return id_ != 0; }

 private:
  Loop& loop_;
  TimerId id_ = 0;
};

}  // namespace ringmaster
