#include "ringmaster/coroutine.h"

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <gmock/gmock.h>

namespace ringmaster::sdk {
namespace {

// Runs a coroutine that waits for nothing to its end.
struct Started {
  struct promise_type {
    Started get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const { throw; }
  };
};

// Suspends its coroutine, which the test resumes.
struct Pause {
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) const noexcept { *waiting = handle; }
  void await_resume() const noexcept {}
  std::coroutine_handle<>* waiting;
};

Coroutine<int> twice(int value) {
  co_return 2 * value;
}
Coroutine<> append(std::vector<std::string>* log, std::string text) {
  log->push_back(std::move(text));
  co_return;
}
Coroutine<int> fails() {
  throw std::runtime_error("inner");
  co_return 0;
}
Coroutine<int> paused(std::coroutine_handle<>* waiting, std::shared_ptr<int> held) {
  co_await Pause{waiting};
  co_return *held;
}

TEST(Coroutines, RunWhenTheyAreAwaitedAndNotBefore) {
  std::vector<std::string> log;
  auto run = [](std::vector<std::string>* to) -> Started {
    auto inner = append(to, "inner");
    to->push_back("outer");
    co_await std::move(inner);
    to->push_back("after");
  };
  run(&log);
  EXPECT_THAT(log, testing::ElementsAre("outer", "inner", "after"));
}

TEST(Coroutines, GiveTheirValueToWhoAwaitsThem) {
  int value = 0;
  auto run = [](int* to) -> Started { *to = co_await twice(co_await twice(3)); };
  run(&value);
  EXPECT_EQ(value, 12);
}

TEST(Coroutines, MoveOnlyValuesPass) {
  int value = 0;
  auto make = []() -> Coroutine<std::unique_ptr<int>> { co_return std::make_unique<int>(5); };
  auto run = [](decltype(make)* made, int* to) -> Started {
    const auto held = co_await (*made)();
    *to = *held;
  };
  run(&make, &value);
  EXPECT_EQ(value, 5);
}

TEST(Coroutines, AnExceptionGoesToWhoAwaitsThem) {
  std::string caught;
  auto run = [](std::string* to) -> Started {
    try {
      co_await fails();
    } catch (const std::runtime_error& error) {
      *to = error.what();
    }
  };
  run(&caught);
  EXPECT_EQ(caught, "inner");
}

TEST(Coroutines, GoOnWhereTheyWereSuspended) {
  std::coroutine_handle<> waiting;
  int value = 0;
  auto run = [](std::coroutine_handle<>* handle, int* to) -> Started {
    *to = co_await paused(handle, std::make_shared<int>(9));
  };
  run(&waiting, &value);
  EXPECT_EQ(value, 0);
  waiting.resume();
  EXPECT_EQ(value, 9);
}

TEST(Coroutines, DestroyedInTheMiddleTheyDestroyWhatTheyHold) {
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = held;
  std::coroutine_handle<> waiting;
  auto outer = [](std::coroutine_handle<>* handle, std::shared_ptr<int> kept) -> Coroutine<int> {
    co_return co_await paused(handle, std::move(kept));
  };
  {
    auto coroutine = outer(&waiting, std::move(held));
    auto awaiter = std::move(coroutine).operator co_await();
    awaiter.await_suspend(std::noop_coroutine()).resume();
    EXPECT_TRUE(waiting);
    EXPECT_FALSE(watch.expired());
  }
  EXPECT_TRUE(watch.expired());
}

TEST(Coroutines, NeverAwaitedTheyLeaveNothing) {
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> watch = held;
  std::coroutine_handle<> waiting;
  {
    const auto never = paused(&waiting, std::move(held));
  }
  EXPECT_TRUE(watch.expired());
}

}  // namespace
}  // namespace ringmaster::sdk
