// Attempt: what a handler gets of the attempt that it runs, and its way to talk to the worker.
//
// Threads: everything but the awaitables may be used from any thread while the handler runs; awaitables
// belong to coroutine handlers, on the worker's loop. Lifetime: until the handler has returned; keep no
// reference.
#pragma once

#include <chrono>
#include <compare>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>

#include "ringmaster/coroutine.h"
#include "ringmaster/export.h"
#include "ringmaster/task.h"

namespace ringmaster::sdk {

// A failed attempt, returned. What a handler throws is one too, with what() as its message.
struct Failure {
  std::string message;
  bool permanent = false;  // a retry cannot help: the task ends at once, whatever its retry policy
};
template <class T = void>
using HandlerResult = std::expected<T, Failure>;

// Thrown: the same as a permanent Failure.
class RINGMASTER_SDK PermanentFailure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
  ~PermanentFailure() override;
};

// Strictly increasing for the attempts of one task. Give it to whatever the handler writes to, and let that
// refuse a lower one: an attempt that was given up elsewhere may still be at work.
struct Fence {
  std::int64_t epoch = 0;
  int attempt = 0;
  auto operator<=>(const Fence&) const = default;
  std::string text() const { return std::to_string(epoch) + "." + std::to_string(attempt); }
};

enum class StopReason : std::uint8_t {
  none,
  cancelled,  // somebody cancelled the task, or it is being given to another worker
  timed_out,  // the attempt's time-out has passed
  draining,   // the worker stops, and its drain_timeout has passed
};

class HandlerAttempt;  // the SDK's own
class HandlerWake;

// Awaited: true when the time has passed, false at once when the attempt is asked to stop.
class [[nodiscard]] RINGMASTER_SDK Sleep {
 public:
  Sleep(std::shared_ptr<HandlerAttempt> attempt, std::optional<Duration> time);
  Sleep(const Sleep&) = delete;
  Sleep& operator=(const Sleep&) = delete;
  ~Sleep();
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting);
  bool await_resume() const noexcept;

 private:
  std::shared_ptr<HandlerAttempt> attempt_;
  std::optional<Duration> time_;
  std::shared_ptr<HandlerWake> wake_;
  bool suspended_ = false;
};

// Awaited: runs the work on one of the worker's threads, then goes on.
class [[nodiscard]] RINGMASTER_SDK OnThread {
 public:
  OnThread(std::shared_ptr<HandlerAttempt> attempt, std::move_only_function<void()> work);
  OnThread(const OnThread&) = delete;
  OnThread& operator=(const OnThread&) = delete;
  ~OnThread();
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting);
  void await_resume() const noexcept {}

 private:
  std::shared_ptr<HandlerAttempt> attempt_;
  std::move_only_function<void()> work_;
};

class RINGMASTER_SDK Attempt {
 public:
  explicit Attempt(std::shared_ptr<HandlerAttempt> attempt);
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;
  ~Attempt();

  TaskId task() const;
  int number() const;  // from 1
  Fence fence() const;
  const std::string& kind() const;
  const std::string& spec() const;  // JSON
  const std::string& group() const;
  const std::string& name_space() const;
  const std::string& traceparent() const;
  Duration timeout() const;  // 0: none

  // Asked to stop: return soon. Nobody can force it. What is returned then counts only when the reason is
  // `draining`; otherwise the attempt ends as cancelled or timed out once the handler has returned.
  std::stop_token stop_token() const;
  StopReason stop_reason() const;
  // The worker is stopping and waits for this attempt until its drain_timeout; a good moment to release()
  // what would take longer. stop_token() follows later.
  std::stop_token drain_token() const;

  // How far it is, for those who look at the task: 0 to 1, and a short text. Cheap: of many in a row the last
  // one counts.
  void progress(double fraction, std::string message = {});
  // Kept with the attempt's result, its last 16 KiB.
  void set_output(std::string text);
  // Gives the attempt back: whatever the handler returns or throws afterwards, no attempt is counted and the
  // task runs again, whatever its policy: at once and elsewhere if this worker is stopping, else after its
  // back-off. A cancel or a time-out is stronger.
  void release();

  // For coroutine handlers.
  Sleep sleep_for(Duration time) { return Sleep(attempt_, time); }
  Sleep stopped() { return Sleep(attempt_, std::nullopt); }  // false, when it is asked to stop
  // Runs `work` on a thread and goes on, on the loop, with what it returned or threw.
  template <class F>
  Coroutine<std::invoke_result_t<F&>> run_blocking(F work) {
    using R = std::invoke_result_t<F&>;
    std::exception_ptr error;
    if constexpr (std::is_void_v<R>) {
      auto guarded = [&work, &error] {
        try {
          work();
        } catch (...) {
          error = std::current_exception();
        }
      };
      co_await OnThread(attempt_, std::move(guarded));
      if (error) std::rethrow_exception(error);
    } else {
      std::optional<R> value;
      auto guarded = [&work, &error, &value] {
        try {
          value.emplace(work());
        } catch (...) {
          error = std::current_exception();
        }
      };
      co_await OnThread(attempt_, std::move(guarded));
      if (error) std::rethrow_exception(error);
      co_return std::move(*value);
    }
  }

  const std::shared_ptr<HandlerAttempt>& handle() const { return attempt_; }  // for completion.h

 private:
  std::shared_ptr<HandlerAttempt> attempt_;
};

}  // namespace ringmaster::sdk
