// How attempts of handlers are stopped: cancel, time-out, drain, and the end of the runner itself.
#include <atomic>
#include <stdexcept>

#include "tests/unit/sdk/handler_fixture.h"

namespace ringmaster::sdk {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

class HandlerStops : public HandlerTest {
 protected:
  // Handlers of both sorts that wait until they are asked to stop, and then do `last`.
  using Last = std::function<HandlerResult<>(Attempt&)>;
  void wait_then(const Last& last) {
    blocking("thread", [this, last](Attempt& attempt) {
      wait_for_stop(attempt);
      reason_ = attempt.stop_reason();
      return last(attempt);
    });
    coroutine("loop", [this, last](Attempt& attempt) -> Coroutine<HandlerResult<>> {
      const bool time_passed = co_await attempt.stopped();
      EXPECT_FALSE(time_passed);
      reason_ = attempt.stop_reason();
      co_return last(attempt);
    });
  }
  Token start_and_wait(const std::string& kind, Duration timeout = Duration::zero()) {
    const Token token = start(kind, timeout);
    EXPECT_TRUE(run_until_started(token));
    return token;
  }

  std::atomic<StopReason> reason_ = StopReason::none;
};

constexpr const char* kKinds[] = {"thread", "loop"};

TEST_F(HandlerStops, ACancelAsksTheHandlerAndIsOverWhenThatHasReturned) {
  wait_then([](Attempt&) { return HandlerResult<>{}; });
  for (const char* kind : kKinds) {
    const Token token = start_and_wait(kind);
    EXPECT_EQ(ends_.result_of(token), nullptr);
    runner().kill(token);
    EXPECT_EQ(ends_.result_of(token), nullptr) << "not inside the call";
    const AttemptResult result = result_of(token);
    EXPECT_EQ(result.outcome, ringmaster::Outcome::cancelled) << kind;
    EXPECT_EQ(result.message, "stopped on request");
    EXPECT_EQ(reason_, StopReason::cancelled);
  }
}

TEST_F(HandlerStops, ACancelThatComesWhenTheHandlerHasReturnedIsTooLate) {
  threads_ = 1;
  Gate next;
  blocking("quick", [](Attempt&) -> HandlerResult<> { return {}; });
  blocking("next", [&](Attempt&) -> HandlerResult<> {
    next.open();
    return {};
  });
  const Token token = start("quick");
  start("next");
  next.wait();  // their one thread is done with the first; the loop has not heard of it
  runner().kill(token);
  EXPECT_EQ(result_of(token).outcome, ringmaster::Outcome::succeeded);
}

TEST_F(HandlerStops, WhatACancelledHandlerThrowsIsKeptAsItsLastWords) {
  wait_then([](Attempt&) -> HandlerResult<> { throw std::runtime_error("half written"); });
  const Token token = start_and_wait("thread");
  runner().kill(token);
  const AttemptResult result = result_of(token);
  EXPECT_EQ(result.outcome, ringmaster::Outcome::cancelled);
  EXPECT_EQ(result.message, "stopped on request: half written");
}

TEST_F(HandlerStops, ATimeOutAsksTheHandlerAndCountsEvenIfItThenSucceeds) {
  wait_then([](Attempt&) { return HandlerResult<>{}; });
  for (const char* kind : kKinds) {
    const AttemptResult result = result_of(start(kind, milliseconds(30)));
    EXPECT_EQ(result.outcome, ringmaster::Outcome::timed_out) << kind;
    EXPECT_EQ(result.message, "stopped after its time-out of 30ms");
    EXPECT_EQ(reason_, StopReason::timed_out);
  }
}

TEST_F(HandlerStops, ATimeOutDoesNotRunWhileTheAttemptWaitsForAThread) {
  threads_ = 1;
  Gate open;
  blocking("holds", [&](Attempt&) -> HandlerResult<> {
    open.wait();
    return {};
  });
  blocking("quick", [](Attempt&) -> HandlerResult<> { return {}; });
  start_and_wait("holds");
  const Token waits = start("quick", milliseconds(20));
  bool passed = false;
  loop_.after(milliseconds(100), [&] { passed = true; });
  ASSERT_TRUE(run_until([&] { return passed; }));
  EXPECT_EQ(ends_.result_of(waits), nullptr);
  open.open();
  EXPECT_EQ(result_of(waits).outcome, ringmaster::Outcome::succeeded);
}

TEST_F(HandlerStops, AStopEndsALongSleepAtOnceAndTellsSo) {
  std::optional<bool> time_passed, shortly;
  coroutine("k", [&](Attempt& attempt) -> Coroutine<HandlerResult<>> {
    shortly = co_await attempt.sleep_for(milliseconds(1));
    time_passed = co_await attempt.sleep_for(hours(24));
    co_return HandlerResult<>{};
  });
  const Token token = start("k");
  ASSERT_TRUE(run_until([&] { return shortly.has_value(); }));
  runner().kill(token);
  result_of(token);
  EXPECT_EQ(shortly, true);
  EXPECT_EQ(time_passed, false);
}

TEST_F(HandlerStops, ACompletionMayBeSetByTheStop) {
  coroutine("k", [](Attempt& attempt) -> Coroutine<HandlerResult<>> {
    const Completion<bool> over(attempt);
    const std::stop_callback on_stop(attempt.stop_token(), [over] { over.set(false); });
    const bool finished = co_await over;
    attempt.set_output(finished ? "finished" : "stopped");
    co_return HandlerResult<>{};
  });
  const Token token = start_and_wait("k");
  runner().kill(token);
  EXPECT_EQ(result_of(token).output_tail, "stopped");
}

TEST_F(HandlerStops, WhatWaitsForAThreadIsCancelledWithoutStarting) {
  threads_ = 1;
  Gate open;
  std::atomic<int> ran = 0;
  blocking("k", [&](Attempt&) -> HandlerResult<> {
    ++ran;
    open.wait();
    return {};
  });
  const Token first = start_and_wait("k");
  const Token second = start("k");
  runner().kill(second);
  EXPECT_EQ(result_of(second).outcome, ringmaster::Outcome::cancelled);
  open.open();
  result_of(first);
  EXPECT_EQ(ran, 1);
  EXPECT_THAT(ends_.started, ElementsAre(first));
}

TEST_F(HandlerStops, AReleasedAttemptIsGivenBackWhateverItsHandlerReturnsOrThrows) {
  blocking("returns", [](Attempt& attempt) -> HandlerResult<> {
    attempt.release();
    return {};
  });
  blocking("throws", [](Attempt& attempt) -> HandlerResult<> {
    attempt.release();
    throw PermanentFailure("no");
  });
  coroutine("later", [](Attempt& attempt) -> Coroutine<HandlerResult<>> {
    co_await attempt.sleep_for(milliseconds(1));
    attempt.release();
    co_return HandlerResult<>{};
  });
  for (const char* kind : {"returns", "throws", "later"}) {
    const AttemptResult result = result_of(start(kind));
    EXPECT_EQ(result.outcome, ringmaster::Outcome::released) << kind;
    EXPECT_FALSE(result.permanent) << kind;
  }
}

TEST_F(HandlerStops, ACancelIsStrongerThanARelease) {
  wait_then([](Attempt& attempt) {
    attempt.release();
    return HandlerResult<>{};
  });
  const Token token = start_and_wait("thread");
  runner().kill(token);
  EXPECT_EQ(result_of(token).outcome, ringmaster::Outcome::cancelled);
}

TEST_F(HandlerStops, ADrainIsToldAtOnceAndAsksToStopOnlyInTheEnd) {
  Gate told;
  std::atomic<bool> asked_to_stop = true;
  blocking("k", [&](Attempt& attempt) -> HandlerResult<> {
    Gate draining;
    const std::stop_callback open(attempt.drain_token(), [&] { draining.open(); });
    draining.wait();
    asked_to_stop = attempt.stop_token().stop_requested();
    told.open();
    wait_for_stop(attempt);
    EXPECT_EQ(attempt.stop_reason(), StopReason::draining);
    return {};
  });
  const Token token = start_and_wait("k");
  runner().begin_drain();
  told.wait();
  EXPECT_FALSE(asked_to_stop);
  runner().stop_all();
  EXPECT_EQ(result_of(token).outcome, ringmaster::Outcome::succeeded);
}

TEST_F(HandlerStops, ADrainGivesBackWhatWaitsForAThread) {
  threads_ = 1;
  Gate open;
  blocking("k", [&](Attempt&) -> HandlerResult<> {
    open.wait();
    return {};
  });
  const Token first = start_and_wait("k"), second = start("k");
  runner().begin_drain();
  EXPECT_EQ(result_of(second).outcome, ringmaster::Outcome::released);
  open.open();
  EXPECT_EQ(result_of(first).outcome, ringmaster::Outcome::succeeded);
}

TEST_F(HandlerStops, ACancelDuringADrainCounts) {
  Gate stopped;
  Gate open;
  blocking("k", [&](Attempt& attempt) -> HandlerResult<> {
    wait_for_stop(attempt);
    stopped.open();
    open.wait();
    attempt.release();
    return {};
  });
  const Token token = start_and_wait("k");
  runner().stop_all();
  stopped.wait();
  runner().kill(token);
  open.open();
  EXPECT_EQ(result_of(token).outcome, ringmaster::Outcome::cancelled);
}

TEST_F(HandlerStops, IdleIsToldOnceEverythingIsReported) {
  wait_then([](Attempt&) { return HandlerResult<>{}; });
  start_and_wait("thread");
  start_and_wait("loop");
  std::size_t reported = 0;
  bool idle = false;
  runner().when_idle([&] {
    idle = true;
    reported = ends_.finished.size();
  });
  loop_.context().poll();
  EXPECT_FALSE(idle);
  runner().stop_all();
  EXPECT_TRUE(run_until([&] { return idle; }));
  EXPECT_EQ(reported, 2U);
}

TEST_F(HandlerStops, TheEndOfTheRunnerStopsItsThreadsAndDestroysItsCoroutines) {
  std::atomic<bool> returned = false;
  auto held = std::make_shared<int>();
  const std::weak_ptr<int> watch = held;
  blocking("thread", [&](Attempt& attempt) -> HandlerResult<> {
    wait_for_stop(attempt);
    returned = true;
    return {};
  });
  coroutine("loop", [&](Attempt& attempt) -> Coroutine<HandlerResult<>> {
    const auto local = std::exchange(held, nullptr);
    const Completion<int> never(attempt);
    co_await never;
    co_return HandlerResult<>{};
  });
  start_and_wait("thread");
  start_and_wait("loop");
  ASSERT_FALSE(watch.expired());
  runner_.reset();
  EXPECT_TRUE(returned);
  EXPECT_TRUE(watch.expired());
  loop_.context().poll();
  EXPECT_THAT(ends_.finished, IsEmpty());
}

TEST_F(HandlerStops, AKillOfAnUnknownTokenIsIgnored) {
  blocking("k", [](Attempt&) -> HandlerResult<> { return {}; });
  runner().kill(token_of(5));
  EXPECT_EQ(result_of(start("k")).outcome, ringmaster::Outcome::succeeded);
}

}  // namespace
}  // namespace ringmaster::sdk
