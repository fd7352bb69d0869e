// Coroutine<T>: what a coroutine handler returns, and what it may be made of. Lazy: it runs when it is
// awaited, in its awaiter's stead; an exception goes to the awaiter. Moved, not copied; awaited once.
// Destroying one that has not ended destroys what it is made of. It has no threads of its own: it goes on
// wherever what it awaits resumes it, and everything in attempt.h and completion.h resumes on the worker's
// loop. Arguments are better taken by value: a reference dangles when what it names ends before the coroutine
// does.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace ringmaster::sdk {

template <class T = void>
class Coroutine;

namespace detail {

class CoroutinePromise {
 public:
  std::suspend_always initial_suspend() const noexcept { return {}; }
  auto final_suspend() const noexcept {
    struct Continue {
      bool await_ready() const noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<>) const noexcept { return next; }
      void await_resume() const noexcept {}
      std::coroutine_handle<> next;
    };
    return Continue{next_};
  }
  void unhandled_exception() noexcept { error_ = std::current_exception(); }
  void set_next(std::coroutine_handle<> next) noexcept { next_ = next; }

 protected:
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::coroutine_handle<> next_ = std::noop_coroutine();
  std::exception_ptr error_;
};

template <class T>
class ValuePromise : public CoroutinePromise {
 public:
  Coroutine<T> get_return_object() noexcept;
  template <class V = T>
  void return_value(V&& value) {
    value_.emplace(std::forward<V>(value));
  }
  T take() {
    rethrow();
    return std::move(*value_);
  }

 private:
  std::optional<T> value_;
};

class VoidPromise : public CoroutinePromise {
 public:
  Coroutine<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() const { rethrow(); }
};

}  // namespace detail

template <class T>
class [[nodiscard]] Coroutine {
 public:
  using value_type = T;
  using promise_type = std::conditional_t<std::is_void_v<T>, detail::VoidPromise, detail::ValuePromise<T>>;

  explicit Coroutine(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
  Coroutine(Coroutine&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Coroutine& operator=(Coroutine&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Coroutine() {
    if (handle_) handle_.destroy();
  }

  auto operator co_await() && noexcept {
    struct Await {
      bool await_ready() const noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) const noexcept {
        handle.promise().set_next(awaiting);
        return handle;
      }
      T await_resume() const { return handle.promise().take(); }
      std::coroutine_handle<promise_type> handle;
    };
    return Await{handle_};
  }

 private:
  std::coroutine_handle<promise_type> handle_;
};

namespace detail {

template <class T>
Coroutine<T> ValuePromise<T>::get_return_object() noexcept {
  return Coroutine<T>(std::coroutine_handle<ValuePromise>::from_promise(*this));
}
inline Coroutine<void> VoidPromise::get_return_object() noexcept {
  return Coroutine<void>(std::coroutine_handle<VoidPromise>::from_promise(*this));
}

}  // namespace detail

}  // namespace ringmaster::sdk
