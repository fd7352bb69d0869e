#include <atomic>
#include <stdexcept>

#include "tests/unit/sdk/handler_fixture.h"

namespace ringmaster::sdk {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class HandlerRunners : public HandlerTest {};

TEST_F(HandlerRunners, AHandlerThatReturnsHasSucceeded) {
  blocking("k", [](Attempt& attempt) -> HandlerResult<> {
    attempt.set_output("all of it");
    return {};
  });
  const Token token = start("k");
  const AttemptResult result = result_of(token);
  EXPECT_EQ(result.outcome, ringmaster::Outcome::succeeded);
  EXPECT_EQ(result.output_tail, "all of it");
  EXPECT_EQ(result.message, "");
  EXPECT_GT(result.started_at, WallTime{});
  EXPECT_GE(result.finished_at, result.started_at);
  EXPECT_THAT(ends_.started, ElementsAre(token));
}

TEST_F(HandlerRunners, TheHandlerSeesItsAttempt) {
  std::string seen;
  blocking("k", [&](Attempt& attempt) -> HandlerResult<> {
    seen = attempt.task().text() + " " + std::to_string(attempt.number()) + " " + attempt.fence().text() +
           " " + attempt.kind() + " " + attempt.group() + " " + attempt.name_space() + " " + attempt.spec() +
           " " + attempt.traceparent() + " " + format_duration(attempt.timeout());
    return {};
  });
  Dispatch order;
  order.token = Token{ringmaster::TaskId{512}, 9, 3};
  order.kind = "k";
  order.group = "g";
  order.ns = "n";
  order.spec = R"({"a":1})";
  order.traceparent = "00-1-2-3";
  order.timeout = std::chrono::seconds(30);
  start(order);
  result_of(order.token);
  EXPECT_EQ(seen, "task_00000000000g0 3 9.3 k g n {\"a\":1} 00-1-2-3 30s");
}

TEST(Fences, OfALaterEpochOrAttemptAreHigher) {
  EXPECT_LT((Fence{1, 9}), (Fence{2, 1}));
  EXPECT_LT((Fence{2, 1}), (Fence{2, 2}));
}

TEST_F(HandlerRunners, AnExceptionIsAFailedAttemptThatMayBeRetried) {
  blocking("k", [](Attempt&) -> HandlerResult<> { throw std::runtime_error("no such picture"); });
  const AttemptResult result = result_of(start("k"));
  EXPECT_EQ(result.outcome, ringmaster::Outcome::failed);
  EXPECT_EQ(result.message, "no such picture");
  EXPECT_FALSE(result.permanent);
}

TEST_F(HandlerRunners, APermanentFailureIsOneThrownOrReturned) {
  blocking("throws", [](Attempt&) -> HandlerResult<> { throw PermanentFailure("never"); });
  blocking("returns", [](Attempt&) -> HandlerResult<> { return std::unexpected(Failure{"never", true}); });
  coroutine("later", [](Attempt&) -> Coroutine<HandlerResult<>> {
    throw PermanentFailure("never");
    co_return {};
  });
  for (const char* kind : {"throws", "returns", "later"}) {
    const AttemptResult result = result_of(start(kind));
    EXPECT_EQ(result.outcome, ringmaster::Outcome::failed) << kind;
    EXPECT_EQ(result.message, "never") << kind;
    EXPECT_TRUE(result.permanent) << kind;
  }
}

TEST_F(HandlerRunners, WhatIsThrownNeedNotBeAnException) {
  blocking("k", [](Attempt&) -> HandlerResult<> { throw 7; });
  const AttemptResult result = result_of(start("k"));
  EXPECT_EQ(result.outcome, ringmaster::Outcome::failed);
  EXPECT_THAT(result.message, HasSubstr("no std::exception"));
}

TEST_F(HandlerRunners, AnUnknownKindFailsForGoodAndNamesTheKnownOnes) {
  blocking("cut", [](Attempt&) -> HandlerResult<> { return {}; });
  blocking("sew", [](Attempt&) -> HandlerResult<> { return {}; });
  const Token token = start("glue");
  const AttemptResult result = result_of(token);
  EXPECT_EQ(result.outcome, ringmaster::Outcome::failed);
  EXPECT_TRUE(result.permanent);
  EXPECT_EQ(result.message, "unknown kind 'glue': this worker runs cut, sew");
  EXPECT_THAT(ends_.started, IsEmpty());
}

TEST_F(HandlerRunners, RefusesALeaseThatItCannotKeepAndTakesTheOtherPolicies) {
  std::atomic<int> ran = 0;
  blocking("k", [&](Attempt&) -> HandlerResult<> {
    ++ran;
    return {};
  });
  for (const auto policy : {ringmaster::OnWorkerLost::rerun_after_lease, ringmaster::OnWorkerLost::fail,
                            ringmaster::OnWorkerLost::rerun}) {
    Dispatch order;
    order.token = token_of(static_cast<int>(policy) + 1);
    order.kind = "k";
    order.on_worker_lost = policy;
    start(order);
    const AttemptResult result = result_of(order.token);
    if (policy != ringmaster::OnWorkerLost::rerun_after_lease) {
      EXPECT_EQ(result.outcome, ringmaster::Outcome::succeeded);
      continue;
    }
    EXPECT_EQ(result.outcome, ringmaster::Outcome::failed);
    EXPECT_TRUE(result.permanent);
    EXPECT_THAT(result.message, HasSubstr("set on_worker_lost to rerun or fail"));
  }
  EXPECT_EQ(ran, 2);
}

TEST_F(HandlerRunners, BlockingHandlersRunAtTheSameTimeAndNeverOnMoreThanTheirThreads) {
  threads_ = 2;
  std::atomic<int> at_work = 0, most = 0;
  Gate open;
  blocking("k", [&](Attempt&) -> HandlerResult<> {
    const int now = ++at_work;
    if (now > most) most = now;
    open.wait();
    --at_work;
    return {};
  });
  std::vector<Token> tokens;
  for (int i = 0; i < 6; ++i) tokens.push_back(start("k"));
  ASSERT_TRUE(run_until([&] { return ends_.started.size() == 2; }));
  bool passed = false;
  loop_.after(milliseconds(50), [&] { passed = true; });  // time for a third one that must not come
  ASSERT_TRUE(run_until([&] { return passed; }));
  open.open();
  for (const Token& token : tokens) EXPECT_EQ(result_of(token).outcome, ringmaster::Outcome::succeeded);
  EXPECT_EQ(most, 2);
}

TEST_F(HandlerRunners, WhatWaitsForAThreadHasNotStarted) {
  threads_ = 1;
  Gate open;
  blocking("k", [&](Attempt&) -> HandlerResult<> {
    open.wait();
    return {};
  });
  const Token first = start("k"), second = start("k");
  ASSERT_TRUE(run_until_started(first));
  EXPECT_THAT(ends_.started, ElementsAre(first));
  open.open();
  result_of(second);
  EXPECT_THAT(ends_.started, ElementsAre(first, second));
}

TEST_F(HandlerRunners, ManyCoroutinesRunOnTheLoopAlone) {
  threads_ = 1;
  const auto loop_thread = std::this_thread::get_id();
  int at_work = 0, most = 0, elsewhere = 0;
  coroutine("k", [&](Attempt& attempt) -> Coroutine<HandlerResult<>> {
    most = std::max(most, ++at_work);
    co_await attempt.sleep_for(milliseconds(30));
    if (std::this_thread::get_id() != loop_thread) ++elsewhere;
    --at_work;
    co_return HandlerResult<>{};
  });
  std::vector<Token> tokens;
  for (int i = 0; i < 500; ++i) tokens.push_back(start("k"));
  for (const Token& token : tokens) EXPECT_EQ(result_of(token).outcome, ringmaster::Outcome::succeeded);
  EXPECT_EQ(most, 500);
  EXPECT_EQ(elsewhere, 0);
}

TEST_F(HandlerRunners, ACoroutineMayBlockOnAThreadAndGoesOnWithWhatThatReturnedOrThrew) {
  const auto loop_thread = std::this_thread::get_id();
  std::thread::id blocked_on, went_on;
  std::string caught;
  coroutine("k", [&](Attempt& attempt) -> Coroutine<HandlerResult<>> {
    auto where = attempt.run_blocking([] { return std::this_thread::get_id(); });
    blocked_on = co_await std::move(where);
    went_on = std::this_thread::get_id();
    try {
      auto thrower = attempt.run_blocking([] { throw std::runtime_error("disk"); });
      co_await std::move(thrower);
    } catch (const std::runtime_error& error) {
      caught = error.what();
    }
    co_return HandlerResult<>{};
  });
  result_of(start("k"));
  EXPECT_NE(blocked_on, loop_thread);
  EXPECT_EQ(went_on, loop_thread);
  EXPECT_EQ(caught, "disk");
}

TEST_F(HandlerRunners, ACompletionFromAnyThreadGoesOnOnTheLoop) {
  const auto loop_thread = std::this_thread::get_id();
  std::thread::id went_on;
  std::thread other;
  coroutine("k", [&](Attempt& attempt) -> Coroutine<HandlerResult<>> {
    const Completion<int> answer(attempt);
    other = std::thread([answer] { answer.set(42); });
    const int value = co_await answer;
    went_on = std::this_thread::get_id();
    attempt.set_output(std::to_string(value));
    co_return HandlerResult<>{};
  });
  EXPECT_EQ(result_of(start("k")).output_tail, "42");
  EXPECT_EQ(went_on, loop_thread);
  other.join();
}

TEST_F(HandlerRunners, OnlyTheFirstValueOfACompletionCounts) {
  coroutine("k", [](Attempt& attempt) -> Coroutine<HandlerResult<>> {
    const Completion<int> answer(attempt);
    answer.set(1);
    answer.set(2);
    answer.fail(std::make_exception_ptr(std::runtime_error("late")));
    attempt.set_output(std::to_string(co_await answer));
    co_return HandlerResult<>{};
  });
  EXPECT_EQ(result_of(start("k")).output_tail, "1");
}

TEST_F(HandlerRunners, ACompletionMayBeSetWhenItsAttemptAndTheRunnerAreGone) {
  std::optional<Completion<int>> kept;
  coroutine("k", [&](Attempt& attempt) -> Coroutine<HandlerResult<>> {
    kept.emplace(attempt);
    co_return HandlerResult<>{};
  });
  result_of(start("k"));
  runner_.reset();
  kept->set(1);
  kept.reset();
  EXPECT_EQ(loop_.context().poll(), 0U);
}

TEST_F(HandlerRunners, OfProgressInARowTheFirstIsToldAtOnceAndTheLastInTheEnd) {
  Gate told;
  blocking("k", [&](Attempt& attempt) -> HandlerResult<> {
    for (int i = 1; i <= 1000; ++i) attempt.progress(i / 1000.0, "step " + std::to_string(i));
    told.wait();
    return {};
  });
  const Token token = start("k");
  EXPECT_TRUE(
      run_until([&] { return !ends_.progressed.empty() && ends_.progressed.back().fraction == 1.0; }));
  EXPECT_EQ(ends_.progressed.back().message, "step 1000");
  EXPECT_LT(ends_.progressed.size(), 10U);
  told.open();
  result_of(token);
}

TEST_F(HandlerRunners, ProgressIsToldAFewTimesASecondHoweverOftenItIsSaid) {
  coroutine("k", [](Attempt& attempt) -> Coroutine<HandlerResult<>> {
    for (int step = 0; step < 200; ++step) {
      attempt.progress(step / 200.0);
      co_await attempt.sleep_for(milliseconds(1));
    }
    co_return HandlerResult<>{};
  });
  const auto begin = std::chrono::steady_clock::now();
  result_of(start("k"));
  const auto most = 2 + (std::chrono::steady_clock::now() - begin) / milliseconds(200);
  EXPECT_LE(static_cast<std::int64_t>(ends_.progressed.size()), most);
  EXPECT_FALSE(ends_.progressed.empty());
}

TEST_F(HandlerRunners, OfALongOutputTheEndIsKept) {
  blocking("k", [](Attempt& attempt) -> HandlerResult<> {
    std::string output(100'000, 'a');
    output.append("end");
    attempt.set_output(output);
    return {};
  });
  const AttemptResult result = result_of(start("k"));
  EXPECT_EQ(result.output_tail.size(), kMaxOutputTail);
  EXPECT_TRUE(result.output_tail.ends_with("aend"));
}

}  // namespace
}  // namespace ringmaster::sdk
