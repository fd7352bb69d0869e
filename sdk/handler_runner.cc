#include "sdk/handler_runner.h"

#include <algorithm>
#include <coroutine>
#include <exception>
#include <system_error>
#include <utility>

#include "sdk/handler_result.h"

namespace ringmaster::sdk {

class HandlerRunner::Frame {
 public:
  struct promise_type {
    Frame get_return_object() { return Frame(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }  // drive() catches what handlers throw
  };

  explicit Frame(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  Frame(Frame&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Frame& operator=(Frame&&) = delete;
  ~Frame() {
    if (handle_) handle_.destroy();
  }
  void resume() const { handle_.resume(); }

 private:
  std::coroutine_handle<promise_type> handle_;
};

HandlerRunner::HandlerRunner(Loop& loop, const Handlers& handlers, std::uint32_t threads)
    : loop_(loop), handlers_(handlers), to_loop_(std::make_shared<HandlerLoop>(loop, threads)) {}

HandlerRunner::~HandlerRunner() {
  for (auto& [task, running] : running_) {
    running.attempt->end();
    stop(running, StopReason::draining);
  }
  to_loop_->join_threads();
  running_.clear();
  to_loop_->close();
}

void HandlerRunner::start(Dispatch attempt) {
  const Token token = attempt.token;
  const auto found = handlers_.find(attempt.kind);
  if (found == handlers_.end()) {
    return refuse(token, "unknown kind '" + attempt.kind + "': this worker runs " + known_kinds());
  }
  if (attempt.on_worker_lost == ringmaster::OnWorkerLost::rerun_after_lease) {
    return refuse(token, "kind " + attempt.kind +
                             " cannot keep a lease: nobody can end a handler while its process is "
                             "frozen; set on_worker_lost to rerun or fail");
  }
  auto told = [this, token](Progress progress) {
    handler_->on_attempt_progress(token, {progress.fraction, std::move(progress.message), loop_.wall_now()});
  };
  auto shared = std::make_shared<HandlerAttempt>(std::move(attempt), to_loop_, std::move(told));
  if (draining_) shared->begin_drain();
  Running& running = running_.emplace(token.task, Running{})->second;
  running.attempt = shared;
  running.timeout = std::make_unique<Timer>(loop_);
  if (const auto* blocking = std::get_if<BlockingHandler>(&found->second)) {
    run_on_thread(*blocking, std::move(shared));
  } else {
    run_on_loop(std::get<CoroutineHandler>(found->second), std::move(shared));
  }
}

void HandlerRunner::kill(Token token) {
  const auto entry = find(token);
  if (entry != running_.end()) stop(entry->second, StopReason::cancelled);
}

void HandlerRunner::begin_drain() {
  draining_ = true;
  for (auto& [task, running] : running_) {
    HandlerAttempt& attempt = *running.attempt;
    attempt.begin_drain();
    if (end_unbegun(attempt)) attempt.release();
  }
}

void HandlerRunner::stop_all() {
  begin_drain();
  for (auto& [task, running] : running_) stop(running, StopReason::draining);
}

// ---- running ------------------------------------------------------------------------------------

HandlerRunner::Attempts::iterator HandlerRunner::find(Token token) {
  const auto [begin, end] = running_.equal_range(token.task);
  const auto entry =
      std::find_if(begin, end, [&](const auto& of) { return of.second.attempt->dispatch.token == token; });
  return entry == end ? running_.end() : entry;
}

void HandlerRunner::run_on_thread(const BlockingHandler& handler, std::shared_ptr<HandlerAttempt> attempt) {
  const Token token = attempt->dispatch.token;
  auto work = [this, &handler, attempt, token] {
    if (!attempt->claim()) return;
    attempt->post([this, token] { begin(token); });
    HandlerResult<> returned;
    try {
      Attempt view(attempt);
      returned = handler(view);
    } catch (...) {
      returned = std::unexpected(detail::failure_in_flight());
    }
    end_later(*attempt, std::move(returned));
  };
  try {
    to_loop_->run_on_thread(std::move(work));
  } catch (const std::system_error& error) {
    end_later(*attempt, std::unexpected(Failure{std::string("no thread can be made: ") + error.what()}));
  }
}

void HandlerRunner::run_on_loop(const CoroutineHandler& handler, std::shared_ptr<HandlerAttempt> attempt) {
  const Token token = attempt->dispatch.token;
  find(token)->second.frame = std::make_unique<Frame>(drive(handler, attempt));
  attempt->post([this, attempt, token] {
    if (attempt->claim() && begin(token)) find(token)->second.frame->resume();
  });
}

HandlerRunner::Frame HandlerRunner::drive(const CoroutineHandler& handler,
                                          std::shared_ptr<HandlerAttempt> attempt) {
  HandlerResult<> returned;
  {
    Attempt view(attempt);
    try {
      auto coroutine = handler(view);
      returned = co_await std::move(coroutine);
    } catch (...) {
      returned = std::unexpected(detail::failure_in_flight());
    }
  }
  const StopReason asked = attempt->stop_reason();
  co_await Sleep(attempt, Duration::zero());  // to the loop, whatever thread the handler ended on
  end_later(*attempt, std::move(returned), asked);
}

// From any thread. What it is asked from now on comes too late.
void HandlerRunner::end_later(HandlerAttempt& attempt, HandlerResult<> returned) {
  end_later(attempt, std::move(returned), attempt.stop_reason());
}
void HandlerRunner::end_later(HandlerAttempt& attempt, HandlerResult<> returned, StopReason asked) {
  attempt.post([this, token = attempt.dispatch.token, asked, returned = std::move(returned)]() mutable {
    end(token, std::move(returned), asked);
  });
}

// Whoever hears of the start may stop the attempt, or destroy this.
bool HandlerRunner::begin(Token token) {
  const auto entry = find(token);
  if (entry == running_.end()) return false;
  Running& running = entry->second;
  running.started_at = loop_.wall_now();
  if (const Duration timeout = running.attempt->dispatch.timeout; timeout > Duration::zero()) {
    running.timeout->start(timeout, [this, token] {
      const auto late = find(token);
      if (late != running_.end()) stop(late->second, StopReason::timed_out);
    });
  }
  const auto to_loop = to_loop_;
  handler_->on_attempt_started(token, running.started_at);
  return to_loop->loop() != nullptr && find(token) != running_.end();
}

bool HandlerRunner::end_unbegun(HandlerAttempt& attempt) {
  if (!attempt.claim()) return false;
  end_later(attempt, {});
  return true;
}

void HandlerRunner::stop(Running& running, StopReason reason) {
  HandlerAttempt& attempt = *running.attempt;
  attempt.request_stop(reason);
  if (end_unbegun(attempt) && reason == StopReason::draining) attempt.release();
}

void HandlerRunner::when_idle(Callback idle) {
  idle_ = std::move(idle);
  to_loop_->post(to_loop_, [this] { check_idle(); });
}

void HandlerRunner::check_idle() {
  if (running_.empty() && idle_) std::exchange(idle_, nullptr)();
}

void HandlerRunner::end(Token token, HandlerResult<> returned, StopReason asked) {
  const auto entry = find(token);
  if (entry == running_.end()) return;
  const auto node = running_.extract(entry);
  const Running& running = node.mapped();
  HandlerAttempt& attempt = *running.attempt;
  attempt.end();
  HandlerEnd end{std::move(returned), asked, attempt.released(), attempt.take_output()};
  auto result = result_of(std::move(end), attempt.dispatch.timeout);
  result.finished_at = loop_.wall_now();
  result.started_at = running.started_at == WallTime{} ? result.finished_at : running.started_at;
  const auto to_loop = to_loop_;
  handler_->on_attempt_finished(token, std::move(result));
  if (to_loop->loop() != nullptr) check_idle();
}

void HandlerRunner::refuse(Token token, std::string why) {
  AttemptResult result;
  result.outcome = ringmaster::Outcome::failed;
  result.permanent = true;
  result.started_at = result.finished_at = loop_.wall_now();
  result.message = std::move(why);
  to_loop_->post(to_loop_, [this, token, result = std::move(result)]() mutable {
    handler_->on_attempt_finished(token, std::move(result));
  });
}

std::string HandlerRunner::known_kinds() const {
  std::string names;
  for (const auto& [kind, handler] : handlers_) names += (names.empty() ? "" : ", ") + kind;
  return names.empty() ? "none" : names;
}

}  // namespace ringmaster::sdk
