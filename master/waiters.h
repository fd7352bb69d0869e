// Waiters: long polls. Each waits for some tasks to reach a terminal state, or for its time to run out. Lives
// on the loop's thread; whoever is destroyed with pending waiters answers none of them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/api.h"
#include "base/loop.h"
#include "master/scheduler_core.h"

namespace ringmaster {

class Waiters {
 public:
  using WaiterId = std::uint64_t;
  // Called once, with what ended while it waited.
  using Done = std::move_only_function<void(std::vector<FinishedTask>)>;

  explicit Waiters(Loop& loop) : loop_(loop) {}

  WaiterId add(const std::vector<TaskId>& ids, Duration wait, Done done);
  void ended(const FinishedTask& task);       // calls `done` of those that have nothing left to wait for
  void forget(WaiterId waiter, TaskId task);  // there is no such task: nothing to wait for
  void give_up(WaiterId waiter);              // calls `done` now
  std::size_t size() const { return waiters_.size(); }

 private:
  struct Waiter {
    std::size_t left = 0;
    std::vector<FinishedTask> finished;
    Done done;
    std::vector<TaskId> ids;
    std::unique_ptr<Timer> timer;
  };
  std::size_t erase(TaskId task, WaiterId waiter);

  Loop& loop_;
  std::map<WaiterId, Waiter> waiters_;
  std::unordered_multimap<TaskId, WaiterId> by_task_;
  WaiterId last_ = 0;
};

}  // namespace ringmaster
