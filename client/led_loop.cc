#include "client/led_loop.h"

#include <algorithm>
#include <utility>

namespace ringmaster {

namespace {
// A thread that calls once will call again: the own thread does not take over in between.
constexpr auto kLinger = std::chrono::milliseconds(2);
}  // namespace

void LedLoop::post_service(Callback fn) {
  loop_.post(std::move(fn));
  const std::lock_guard lock(mutex_);
  ++services_;
  if (leader_ == Leader::nobody) alone_.notify_one();
}

void LedLoop::end_service() {
  const std::lock_guard lock(mutex_);
  --services_;
}

void LedLoop::run_until_over(Wait& wait, Callback begin) {
  std::unique_lock lock(mutex_);
  if (leader_ == Leader::nobody) {
    leader_ = Leader::caller;
    changed_at_ = Clock::now();
    lock.unlock();
    begin();
    lock.lock();
    return lead(lock, wait);
  }
  waiting_.push_back(&wait);  // the own thread steps down when it sees it
  lock.unlock();
  loop_.post(std::move(begin));
  lock.lock();
  wait.woken_.wait(lock, [&] { return wait.over_ || leader_ == Leader::nobody; });
  std::erase(waiting_, &wait);
  if (!wait.over_) {
    leader_ = Leader::caller;
    changed_at_ = Clock::now();
    return lead(lock, wait);
  }
  if (leader_ == Leader::nobody) pass_on();  // it was asked to lead, and has its answer already
}

void LedLoop::lead(std::unique_lock<std::mutex>& lock, const Wait& wait) {
  while (!wait.over_) {
    lock.unlock();
    loop_.run_one();
    lock.lock();
  }
  step_down();
}

void LedLoop::step_down() {
  leader_ = Leader::nobody;
  changed_at_ = Clock::now();
  pass_on();
}

void LedLoop::pass_on() {
  if (!waiting_.empty()) return waiting_.front()->woken_.notify_one();
  if (asleep_ || services_ > 0) alone_.notify_one();
}

void LedLoop::end(Wait& wait) {
  const std::lock_guard lock(mutex_);
  wait.over_ = true;
  wait.woken_.notify_one();
}

void LedLoop::lead_when_alone() {
  std::unique_lock lock(mutex_);
  while (!finished_) {
    const bool lately = Clock::now() - changed_at_ < kLinger;
    if (leader_ == Leader::caller && !lately) {
      asleep_ = true;
      alone_.wait(lock);
      asleep_ = false;
    } else if (leader_ == Leader::caller || !waiting_.empty() || (lately && services_ == 0)) {
      alone_.wait_for(lock, kLinger);
    } else {
      leader_ = Leader::own;
      while (waiting_.empty() && !finished_) {
        lock.unlock();
        loop_.run_one();
        lock.lock();
      }
      step_down();
    }
  }
}

void LedLoop::finish(Callback last) {
  Wait wait;
  run_until_over(wait, [&] {
    last();
    end(wait);
  });
  join();
}

void LedLoop::join() {
  if (!own_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    finished_ = true;
  }
  alone_.notify_one();
  loop_.post([] {});
  own_.join();
}

}  // namespace ringmaster
