#include "ringmaster/attempt.h"

#include <utility>

#include "ringmaster/completion.h"
#include "ringmaster/worker.h"
#include "sdk/handler_attempt.h"

namespace ringmaster::sdk {

PermanentFailure::~PermanentFailure() = default;

// ---- awaitables ---------------------------------------------------------------------------------

Sleep::Sleep(std::shared_ptr<HandlerAttempt> attempt, std::optional<Duration> time)
    : attempt_(std::move(attempt)), time_(time), wake_(std::make_shared<HandlerWake>()) {}
// Never awaited, it is known to nobody, and this may be any thread.
Sleep::~Sleep() {
  if (!suspended_) return;
  attempt_->forget(wake_);
}
void Sleep::await_suspend(std::coroutine_handle<> waiting) {
  suspended_ = true;
  wake_->waiting = waiting;
  const auto attempt = attempt_;  // it may go on elsewhere, and be gone, before post() returns
  attempt->post([attempt, wake = wake_, time = time_] { attempt->sleep(wake, time); });
}
bool Sleep::await_resume() const noexcept {
  return wake_->elapsed;
}

OnThread::OnThread(std::shared_ptr<HandlerAttempt> attempt, std::move_only_function<void()> work)
    : attempt_(std::move(attempt)), work_(std::move(work)) {}
OnThread::~OnThread() = default;
void OnThread::await_suspend(std::coroutine_handle<> waiting) {
  const auto attempt = attempt_;
  attempt->run_on_thread([attempt, work = std::move(work_), waiting]() mutable {
    work();
    work = nullptr;  // what it holds goes before the coroutine goes on
    attempt->resume_on_loop(waiting);
  });
}

void resume_on_loop(const std::shared_ptr<HandlerAttempt>& attempt, std::coroutine_handle<> waiting) {
  attempt->resume_on_loop(waiting);
}

// ---- attempt ------------------------------------------------------------------------------------

Attempt::Attempt(std::shared_ptr<HandlerAttempt> attempt) : attempt_(std::move(attempt)) {}
Attempt::~Attempt() = default;

TaskId Attempt::task() const {
  return TaskId::from_number(attempt_->dispatch.token.task.value);
}
int Attempt::number() const {
  return attempt_->dispatch.token.attempt;
}
Fence Attempt::fence() const {
  return {attempt_->dispatch.token.epoch, attempt_->dispatch.token.attempt};
}
const std::string& Attempt::kind() const {
  return attempt_->dispatch.kind;
}
const std::string& Attempt::spec() const {
  return attempt_->dispatch.spec;
}
const std::string& Attempt::group() const {
  return attempt_->dispatch.group;
}
const std::string& Attempt::name_space() const {
  return attempt_->dispatch.ns;
}
const std::string& Attempt::traceparent() const {
  return attempt_->dispatch.traceparent;
}
Duration Attempt::timeout() const {
  return attempt_->dispatch.timeout;
}

std::stop_token Attempt::stop_token() const {
  return attempt_->stop_token();
}
StopReason Attempt::stop_reason() const {
  return attempt_->stop_reason();
}
std::stop_token Attempt::drain_token() const {
  return attempt_->drain_token();
}

void Attempt::progress(double fraction, std::string message) {
  attempt_->progress(fraction, std::move(message));
}
void Attempt::set_output(std::string text) {
  attempt_->set_output(std::move(text));
}
void Attempt::release() {
  attempt_->release();
}

// ---- what worker.h makes of handlers ------------------------------------------------------------

namespace detail {

HandlerResult<> store_result(Attempt& attempt, std::string encoded) {
  if (encoded.size() > kMaxOutputTail) {
    return std::unexpected(Failure{"the handler's result has " + std::to_string(encoded.size()) + " bytes, " +
                                       std::to_string(kMaxOutputTail) +
                                       " are allowed: store it elsewhere and return where it is",
                                   true});
  }
  attempt.set_output(std::move(encoded));
  return {};
}

Failure failure_in_flight() {
  try {
    throw;
  } catch (const PermanentFailure& error) {
    return {error.what(), true};
  } catch (const std::exception& error) {
    return {error.what(), false};
  } catch (...) {
    return {"the handler threw something that is no std::exception", false};
  }
}

Failure unreadable_payload() {
  return {"spec: " + failure_in_flight().message, true};
}

}  // namespace detail

}  // namespace ringmaster::sdk
