// ManualLoop: a Loop whose time moves only when told. Posts run first in, first out; timers in order of due
// time, and of their making when due together; random numbers come from a seed. Same calls, same run. One
// thread only, post() included.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "base/loop.h"

namespace ringmaster {

class ManualLoop final : public Loop {
 public:
  explicit ManualLoop(std::uint64_t seed = 1) : random_state_(seed) {}

  MonoTime now() const override { return now_; }
  WallTime wall_now() const override { return wall_start_ + now_.time_since_epoch() + wall_skew_; }
  void post(Callback fn) override { posts_.push_back(std::move(fn)); }

  TimerId after(Duration delay, Callback fn) override {
    const TimerId id = ++last_timer_;
    const MonoTime due = now_ + std::max(delay, Duration::zero());
    timers_.emplace(std::pair{due, id}, std::move(fn));
    due_.emplace(id, due);
    return id;
  }

  void cancel(TimerId id) override {
    const auto found = due_.find(id);
    if (found == due_.end()) return;
    timers_.erase({found->second, id});
    due_.erase(found);
  }

  // splitmix64: https://prng.di.unimi.it/splitmix64.c
  std::uint64_t random() override {
    std::uint64_t z = (random_state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }

  // Runs the oldest post, or else the first timer that is due now. False: nothing can run before time moves.
  bool run_one() {
    if (!posts_.empty()) {
      Callback fn = std::move(posts_.front());
      posts_.pop_front();
      fn();
      return true;
    }
    if (timers_.empty() || timers_.begin()->first.first > now_) return false;
    auto node = timers_.extract(timers_.begin());
    due_.erase(node.key().second);
    node.mapped()();
    return true;
  }

  // Everything that can run without time moving, at most `bound` callbacks. Returns how many ran.
  std::size_t run_ready(std::size_t bound = 1'000'000) {
    std::size_t ran = 0;
    while (ran < bound && run_one()) ++ran;
    return ran;
  }

  // When the first timer is due; none if there is none.
  std::optional<MonoTime> next_due() const {
    if (timers_.empty()) return std::nullopt;
    return timers_.begin()->first.first;
  }
  bool has_posts() const { return !posts_.empty(); }

  // Time goes by: each timer runs at its own instant.
  void advance(Duration by) {
    const MonoTime end = now_ + by;
    run_ready();
    while (!timers_.empty() && timers_.begin()->first.first <= end) {
      now_ = std::max(now_, timers_.begin()->first.first);
      run_ready();
    }
    now_ = end;
  }

  // Lets time pass until `done` holds; false: it did not within `limit`, or nothing is left to run.
  bool run_until(const std::function<bool()>& done, Duration limit) {
    const MonoTime end = now_ + limit;
    while (!done()) {
      if (run_one()) continue;
      if (timers_.empty() || timers_.begin()->first.first > end) return false;
      now_ = timers_.begin()->first.first;
    }
    return true;
  }

  // The wall clock jumps; the monotonic one does not notice.
  void skew_wall_clock(Duration by) { wall_skew_ += by; }

 private:
  MonoTime now_{};
  WallTime wall_start_ = from_unix_micros(1'767'225'600'000'000);  // 2026-01-01T00:00:00Z
  Duration wall_skew_{0};
  std::uint64_t random_state_;
  TimerId last_timer_ = 0;
  std::deque<Callback> posts_;
  std::map<std::pair<MonoTime, TimerId>, Callback> timers_;
  std::map<TimerId, MonoTime> due_;
};

}  // namespace ringmaster
