#include "master/waiters.h"

#include <utility>

namespace ringmaster {

Waiters::WaiterId Waiters::add(const std::vector<TaskId>& ids, Duration wait, Done done) {
  const WaiterId id = ++last_;
  Waiter& waiter = waiters_[id];
  waiter.left = ids.size();
  waiter.ids = ids;
  waiter.done = std::move(done);
  waiter.timer = std::make_unique<Timer>(loop_);
  waiter.timer->start(ids.empty() ? Duration{0} : wait, [this, id] { give_up(id); });
  for (const TaskId task : ids) by_task_.emplace(task, id);
  return id;
}

void Waiters::ended(const FinishedTask& task) {
  if (by_task_.empty()) return;
  const auto [begin, end] = by_task_.equal_range(task.id);
  std::vector<WaiterId> complete;
  for (auto it = begin; it != end; ++it) {
    Waiter& waiter = waiters_.find(it->second)->second;
    waiter.finished.push_back(task);
    if (--waiter.left == 0) complete.push_back(it->second);
  }
  by_task_.erase(begin, end);
  for (const WaiterId id : complete) give_up(id);
}

std::size_t Waiters::erase(TaskId task, WaiterId waiter) {
  const auto [begin, end] = by_task_.equal_range(task);
  std::size_t erased = 0;
  for (auto it = begin; it != end;) {
    if (it->second == waiter) {
      it = by_task_.erase(it);
      ++erased;
    } else {
      ++it;
    }
  }
  return erased;
}

void Waiters::forget(WaiterId id, TaskId task) {
  const auto it = waiters_.find(id);
  if (it == waiters_.end()) return;
  it->second.left -= erase(task, id);
  if (it->second.left == 0) give_up(id);
}

void Waiters::give_up(WaiterId id) {
  auto node = waiters_.extract(id);
  if (node.empty()) return;
  Waiter& waiter = node.mapped();
  for (const TaskId task : waiter.ids) erase(task, id);
  waiter.done(std::move(waiter.finished));
}

}  // namespace ringmaster
