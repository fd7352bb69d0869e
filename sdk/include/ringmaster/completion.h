// Completion<T>: one value from elsewhere, for a coroutine handler that waits for it: from a callback, from
// another thread. Copies share it; the first set() or fail() counts, from any thread, and the coroutine goes
// on on the worker's loop. Setting it when nobody waits any more, or when the worker is gone, does nothing.
// An attempt that is asked to stop does not end the wait by itself: a std::stop_callback may set it.
#pragma once

#include <coroutine>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "ringmaster/attempt.h"

namespace ringmaster::sdk {

// Resumes coroutines of one attempt on its worker's loop, from any thread.
RINGMASTER_SDK void resume_on_loop(const std::shared_ptr<HandlerAttempt>& attempt,
                                   std::coroutine_handle<> waiting);

template <class T>
class Completion {
  struct State;

 public:
  explicit Completion(const Attempt& attempt) : state_(std::make_shared<State>(attempt.handle())) {}

  void set(T value) const {
    state_->settle([&] { state_->value.emplace(std::move(value)); });
  }
  void fail(std::exception_ptr error) const {
    state_->settle([&] { state_->error = std::move(error); });
  }

  // One coroutine waits, once.
  auto operator co_await() const {
    struct Await {
      explicit Await(std::shared_ptr<State> of) : state(std::move(of)) {}
      Await(const Await&) = delete;
      Await& operator=(const Await&) = delete;
      ~Await() { state->forget(); }
      bool await_ready() const noexcept { return false; }
      bool await_suspend(std::coroutine_handle<> waiting) const { return state->wait(waiting); }
      T await_resume() const { return state->take(); }
      std::shared_ptr<State> state;
    };
    return Await(state_);
  }

 private:
  struct State {
    explicit State(std::shared_ptr<HandlerAttempt> of) : attempt(std::move(of)) {}

    template <class F>
    void settle(F fill) {
      std::coroutine_handle<> resumed;
      {
        const std::lock_guard lock(mutex);
        if (std::exchange(done, true)) return;
        fill();
        resumed = std::exchange(waiting, nullptr);
      }
      if (resumed) resume_on_loop(attempt, resumed);
    }
    bool wait(std::coroutine_handle<> handle) {
      const std::lock_guard lock(mutex);
      if (!done) waiting = handle;
      return !done;
    }
    void forget() {
      const std::lock_guard lock(mutex);
      waiting = nullptr;
    }
    T take() {
      if (error) std::rethrow_exception(error);
      return std::move(*value);
    }

    std::shared_ptr<HandlerAttempt> attempt;
    std::mutex mutex;
    bool done = false;
    std::coroutine_handle<> waiting;
    std::optional<T> value;
    std::exception_ptr error;
  };
  std::shared_ptr<State> state_;
};

}  // namespace ringmaster::sdk
