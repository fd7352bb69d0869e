// NodeLoop: the loop of one simulated process on the cluster's ManualLoop. It can be frozen (SIGSTOP: nothing
// runs, everything waits) and dies with its process: what it was asked to run never runs afterwards.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <utility>

#include "tests/sim/manual_loop.h"

namespace ringmaster {

class NodeLoop final : public Loop {
 public:
  // `rate`: of this machine's clocks against true time.
  explicit NodeLoop(ManualLoop& base, double rate = 1) : base_(base), rate_(rate) {}

  MonoTime now() const override {
    return MonoTime{} + Duration{static_cast<std::int64_t>(
                            static_cast<double>(base_.now().time_since_epoch().count()) * rate_)};
  }
  WallTime wall_now() const override { return base_.wall_now(); }
  void post(Callback fn) override { base_.post(wrap(0, std::move(fn))); }
  TimerId after(Duration delay, Callback fn) override {
    const TimerId mine = ++last_timer_;
    // Rounded up: when it fires, this clock has reached it.
    const Duration true_delay{static_cast<std::int64_t>(static_cast<double>(delay.count()) / rate_) +
                              (rate_ == 1 ? 0 : 1)};
    timers_[mine] = base_.after(true_delay, wrap(mine, std::move(fn)));
    return mine;
  }
  void cancel(TimerId id) override {
    const auto it = timers_.find(id);
    if (it == timers_.end()) return;
    base_.cancel(it->second);
    std::erase_if(held_, [id](const auto& held) { return held.first == id; });
    timers_.erase(it);
  }
  std::uint64_t random() override { return base_.random(); }

  void freeze() { frozen_ = true; }
  void thaw() {
    frozen_ = false;
    for (std::size_t i = 0; i < held_.size(); ++i) {
      base_.post([this, alive = std::weak_ptr<int>(alive_)] {
        if (!alive.expired()) run_held();
      });
    }
  }
  bool frozen() const { return frozen_; }

 private:
  // In order, each when its turn comes: an earlier one may cancel a later one.
  void run_held() {
    if (frozen_ || held_.empty()) return;
    auto [id, fn] = std::move(held_.front());
    held_.pop_front();
    timers_.erase(id);
    fn();
  }

  Callback wrap(TimerId id, Callback fn) {
    return [this, id, alive = std::weak_ptr<int>(alive_), fn = std::move(fn)]() mutable {
      if (alive.expired()) return;
      if (frozen_ || !held_.empty()) {  // what was held runs first
        held_.emplace_back(id, std::move(fn));
        if (!frozen_)
          base_.post([this, alive] {
            if (!alive.expired()) run_held();
          });
      } else {
        timers_.erase(id);
        fn();
      }
    };
  }

  ManualLoop& base_;
  const double rate_;
  bool frozen_ = false;
  std::deque<std::pair<TimerId, Callback>> held_;
  std::map<TimerId, TimerId> timers_;  // ours to the base loop's
  TimerId last_timer_ = 0;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace ringmaster
