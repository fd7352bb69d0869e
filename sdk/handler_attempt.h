// HandlerAttempt: one attempt that a handler runs, as handler, thread and loop share it. Each member says
// whose it is.
#pragma once

#include <atomic>
#include <coroutine>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>

#include "base/messages.h"
#include "ringmaster/attempt.h"
#include "sdk/handler_loop.h"

namespace ringmaster::sdk {

// One coroutine that sleeps. The loop's.
class HandlerWake {
 public:
  std::coroutine_handle<> waiting;  // null once it does not wait any more
  TimerId timer = 0;
  bool elapsed = false;
};

class HandlerAttempt : public std::enable_shared_from_this<HandlerAttempt> {
 public:
  // `on_progress` is called on the loop's thread, with the latest of what was said.
  HandlerAttempt(Dispatch order, std::shared_ptr<HandlerLoop> loop,
                 std::move_only_function<void(Progress)> on_progress)
      : dispatch(std::move(order)), loop_(std::move(loop)), on_progress_(std::move(on_progress)) {}

  const Dispatch dispatch;

  // ---- from any thread
  std::stop_token stop_token() const { return stop_.get_token(); }
  std::stop_token drain_token() const { return drain_.get_token(); }
  StopReason stop_reason() const { return reason_; }
  void release() { released_ = true; }
  bool released() const { return released_; }
  void progress(double fraction, std::string message);
  void set_output(std::string text);
  std::string take_output();
  void post(Callback fn) { loop_->post(loop_, std::move(fn)); }
  void run_on_thread(Work work) { loop_->run_on_thread(std::move(work)); }
  void resume_on_loop(std::coroutine_handle<> waiting);
  // True for the first one only: a thread that begins it, or a stop that came before.
  bool claim() { return !claimed_.exchange(true); }

  // ---- on the loop's thread
  // A cancel or a time-out replaces `draining`, and not the other way round.
  void request_stop(StopReason reason);
  void begin_drain() { drain_.request_stop(); }
  void sleep(std::shared_ptr<HandlerWake> wake, std::optional<Duration> time);
  void forget(const std::shared_ptr<HandlerWake>& wake);
  void end() { on_progress_ = nullptr; }  // nothing is told of it any more

 private:
  void resume(const std::shared_ptr<HandlerWake>& wake, bool elapsed);
  void tell_progress();

  const std::shared_ptr<HandlerLoop> loop_;
  std::stop_source stop_, drain_;
  std::atomic<StopReason> reason_ = StopReason::none;
  std::atomic<bool> released_ = false;
  std::atomic<bool> claimed_ = false;

  std::mutex mutex_;  // of these three
  std::optional<Progress> progress_;
  bool progress_posted_ = false;
  std::string output_;

  std::move_only_function<void(Progress)> on_progress_;  // the loop's
  std::set<std::shared_ptr<HandlerWake>> sleepers_;      // the loop's
};

}  // namespace ringmaster::sdk
