// LedLoop: a loop that is run by whoever waits for it. A thread that blocks until an answer comes leads: it
// runs the loop meanwhile, so that the answer wakes the one who wants it, and nobody else before. While none
// waits, a thread of the loop's own leads. One leads at a time, and all that runs on the loop runs there.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/asio_loop.h"

namespace ringmaster {

class LedLoop {
 public:
  // What one thread waits for, on its stack.
  class Wait {
    friend LedLoop;
    std::condition_variable woken_;
    bool over_ = false;
  };

  LedLoop() = default;
  ~LedLoop() { join(); }
  LedLoop(const LedLoop&) = delete;
  LedLoop& operator=(const LedLoop&) = delete;

  AsioLoop& loop() { return loop_; }
  // Once all that lives on the loop is made.
  void start() {
    own_ = std::thread([this] { lead_when_alone(); });
  }

  // From any thread: `fn` runs on the loop, and what it began is served at once, until end_service() has been
  // called as often.
  void post_service(Callback fn);
  void end_service();  // on the loop
  // Runs `begin` on the loop; returns once end() has been called for `wait`.
  void run_until_over(Wait& wait, Callback begin);
  void end(Wait& wait);  // on the loop

  // Runs `last` on the loop; nothing runs there any more. Nobody may be waiting.
  void finish(Callback last);

 private:
  using Clock = std::chrono::steady_clock;
  enum class Leader { nobody, own, caller };

  void lead_when_alone();
  void lead(std::unique_lock<std::mutex>& lock, const Wait& wait);
  void step_down();
  void pass_on();
  void join();

  AsioLoop loop_;
  std::mutex mutex_;  // guards all below; the loop itself is its leader's
  std::condition_variable alone_;
  Leader leader_ = Leader::nobody;
  Clock::time_point changed_at_{};  // when it last became what it is
  std::deque<Wait*> waiting_;       // for their answer, or to lead
  std::size_t services_ = 0;
  bool asleep_ = false;  // the own thread wants to be told when a caller has left
  bool finished_ = false;
  std::thread own_;
};

}  // namespace ringmaster
