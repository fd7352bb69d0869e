// NodeLoop: the loop of one simulated process on the cluster's ManualLoop. It can be frozen (SIGSTOP: nothing runs,
// everything waits) and dies with its process: what it was asked to run never runs afterwards.
#pragma once

#include <deque>
#include <memory>
#include <utility>

#include "tests/sim/manual_loop.h"

namespace ringmaster {

class NodeLoop final : public Loop {
 public:
  explicit NodeLoop(ManualLoop& base) : base_(base) {}

  MonoTime now() const override { return base_.now(); }
  WallTime wall_now() const override { return base_.wall_now(); }
  void post(Callback fn) override { base_.post(wrap(std::move(fn))); }
  TimerId after(Duration delay, Callback fn) override { return base_.after(delay, wrap(std::move(fn))); }
  void cancel(TimerId id) override { base_.cancel(id); }
  std::uint64_t random() override { return base_.random(); }

  void freeze() { frozen_ = true; }
  void thaw() {
    frozen_ = false;
    for (Callback& fn : std::exchange(held_, {})) base_.post(wrap(std::move(fn)));
  }
  bool frozen() const { return frozen_; }

 private:
  Callback wrap(Callback fn) {
    return [this, alive = std::weak_ptr<int>(alive_), fn = std::move(fn)]() mutable {
      if (alive.expired()) return;
      if (frozen_) {
        held_.push_back(std::move(fn));
      } else {
        fn();
      }
    };
  }

  ManualLoop& base_;
  bool frozen_ = false;
  std::deque<Callback> held_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace ringmaster
