#include "sdk/handler_attempt.h"

#include <algorithm>
#include <utility>

#include "base/task.h"

namespace ringmaster::sdk {
namespace {

constexpr Duration kLongestSleep = std::chrono::days(365);
constexpr Duration kProgressEvery = std::chrono::milliseconds(200);

}  // namespace

// ---- from any thread ----------------------------------------------------------------------------

void HandlerAttempt::progress(double fraction, std::string message) {
  {
    const std::lock_guard lock(mutex_);
    progress_ = Progress{fraction, std::move(message)};
    if (std::exchange(progress_posted_, true)) return;
  }
  post([self = shared_from_this()] { self->tell_progress(); });
}

void HandlerAttempt::set_output(std::string text) {
  if (text.size() > kMaxOutputTail) text.erase(0, text.size() - kMaxOutputTail);
  const std::lock_guard lock(mutex_);
  output_ = std::move(text);
}

std::string HandlerAttempt::take_output() {
  const std::lock_guard lock(mutex_);
  return std::move(output_);
}

void HandlerAttempt::resume_on_loop(std::coroutine_handle<> waiting) {
  post([waiting] { waiting.resume(); });
}

// ---- on the loop's thread -----------------------------------------------------------------------

// The first of a while is told at once, the last one after a pause.
void HandlerAttempt::tell_progress() {
  std::optional<Progress> latest;
  {
    const std::lock_guard lock(mutex_);
    latest = std::exchange(progress_, std::nullopt);
    progress_posted_ = latest.has_value();
  }
  if (!latest || !on_progress_) return;
  on_progress_(*std::move(latest));
  loop_->loop()->after(kProgressEvery, [self = shared_from_this()] {
    if (self->on_progress_) self->tell_progress();
  });
}

void HandlerAttempt::request_stop(StopReason reason) {
  const StopReason before = reason_;
  if (before == StopReason::none || before == StopReason::draining) reason_ = reason;
  stop_.request_stop();
  while (!sleepers_.empty()) resume(*sleepers_.begin(), false);
}

void HandlerAttempt::sleep(std::shared_ptr<HandlerWake> wake, std::optional<Duration> time) {
  if (!wake->waiting) return;
  if (stop_.stop_requested()) return resume(wake, false);
  if (time && *time <= Duration::zero()) return resume(wake, true);
  sleepers_.insert(wake);
  if (!time) return;
  wake->timer = loop_->loop()->after(std::min(*time, kLongestSleep), [self = shared_from_this(), wake] {
    wake->timer = 0;
    self->resume(wake, true);
  });
}

void HandlerAttempt::forget(const std::shared_ptr<HandlerWake>& wake) {
  wake->waiting = nullptr;
  sleepers_.erase(wake);
  const TimerId timer = std::exchange(wake->timer, 0);
  if (timer != 0 && loop_->loop() != nullptr) loop_->loop()->cancel(timer);
}

// Never inside the caller: the coroutine may do anything, its end included.
void HandlerAttempt::resume(const std::shared_ptr<HandlerWake>& wake, bool elapsed) {
  const auto kept = wake;
  const auto waiting = kept->waiting;
  forget(kept);
  kept->waiting = waiting;
  kept->elapsed = elapsed;
  post([kept] {
    if (kept->waiting) std::exchange(kept->waiting, nullptr).resume();
  });
}

}  // namespace ringmaster::sdk
