#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/manual_loop.h"
#include "tests/sim/node_loop.h"
#include "worker/noop_runner.h"

namespace ringmaster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::chrono_literals;

struct Log final : RunnerHandler {
  void on_attempt_started(Token token, WallTime) override {
    lines.push_back("start " + std::to_string(token.task.value));
  }
  void on_attempt_finished(Token token, AttemptResult result) override {
    lines.push_back(std::string(to_string(result.outcome)) + " " + std::to_string(token.task.value));
    results.push_back(std::move(result));
  }
  std::vector<std::string> lines;
  std::vector<AttemptResult> results;
};

class NoopRunnerTest : public testing::Test {
 protected:
  NoopRunnerTest() { runner_->set_handler(log_); }
  static Token token(std::int64_t id, Attempt attempt = 1) { return {TaskId{id}, 1, attempt}; }
  void start(Token token, std::string spec = "{}", OnWorkerLost policy = OnWorkerLost::rerun) {
    Dispatch attempt;
    attempt.on_worker_lost = policy;
    attempt.token = token;
    attempt.kind = "noop";
    attempt.spec = std::move(spec);
    runner_->start(std::move(attempt));
  }

  ManualLoop loop_;
  Log log_;
  std::unique_ptr<NoopRunner> runner_ = std::make_unique<NoopRunner>(loop_);
};

TEST_F(NoopRunnerTest, SucceedsAtOnceButNeverInsideTheCall) {
  start(token(1));
  EXPECT_TRUE(log_.lines.empty());
  loop_.run_ready();
  EXPECT_THAT(log_.lines, ElementsAre("start 1", "succeeded 1"));
}

TEST_F(NoopRunnerTest, ReportsManyStartsByOnePost) {
  for (int i = 1; i <= 1000; ++i) start(token(i));
  EXPECT_EQ(loop_.run_ready(), 1U);
  EXPECT_EQ(log_.lines.size(), 2000U);
}

TEST_F(NoopRunnerTest, SleepsAsLongAsTheSpecSays) {
  start(token(1), R"({"sleep":"100ms"})");
  loop_.advance(99ms);
  EXPECT_THAT(log_.lines, ElementsAre("start 1"));
  loop_.advance(1ms);
  EXPECT_THAT(log_.lines, ElementsAre("start 1", "succeeded 1"));
  EXPECT_EQ(log_.results[0].finished_at - log_.results[0].started_at, 100ms);
}

TEST_F(NoopRunnerTest, FailsOnRequest) {
  start(token(1), R"({"fail":true})");
  start(token(2), R"({"fail":true,"sleep":"1s"})");
  loop_.advance(1s);
  EXPECT_THAT(log_.lines, ElementsAre("start 1", "failed 1", "start 2", "failed 2"));
  for (const auto& result : log_.results) {
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_FALSE(result.permanent);
  }
}

TEST_F(NoopRunnerTest, RefusesWhatItDoesNotKnowForGood) {
  for (const std::string spec : {R"({"slep":"1s"})", R"({"sleep":1})", R"({"sleep":"1"})",
                                 R"({"sleep":"366d"})", R"({"fail":1})", "[]", "x"}) {
    log_ = {};
    start(token(1), spec);
    loop_.run_ready();
    ASSERT_THAT(log_.lines, ElementsAre("failed 1")) << spec;
    EXPECT_TRUE(log_.results[0].permanent) << spec;
    EXPECT_THAT(log_.results[0].message, HasSubstr("spec")) << spec;
  }
}

TEST_F(NoopRunnerTest, KillWakesOnlyTheSleeperWithThatToken) {
  start(token(1, 1), R"({"sleep":"1h"})");
  start(token(1, 2), R"({"sleep":"1h"})");
  runner_->kill(token(1, 2));
  runner_->kill(token(1, 3));
  runner_->kill(token(9));
  loop_.advance(1s);
  EXPECT_THAT(log_.lines, ElementsAre("start 1", "start 1", "cancelled 1"));
  loop_.advance(1h);
  EXPECT_THAT(log_.lines, ElementsAre("start 1", "start 1", "cancelled 1", "succeeded 1"));
}

TEST_F(NoopRunnerTest, ALeaseThatPassesEndsItsSleepersAsLost) {
  runner_->extend_lease(1, loop_.now() + 1s);
  start(token(0x101), R"({"sleep":"1h"})", OnWorkerLost::rerun_after_lease);
  start(token(0x201), R"({"sleep":"1h"})", OnWorkerLost::rerun_after_lease);
  loop_.advance(999ms);
  EXPECT_THAT(log_.lines, ElementsAre("start 257", "start 513"));
  loop_.advance(1ms);
  ASSERT_THAT(log_.lines, ElementsAre("start 257", "start 513", "lost 257", "lost 513"));
  EXPECT_THAT(log_.results[0].message, HasSubstr("its lease ran out"));
}

TEST_F(NoopRunnerTest, ALeaseThatGrowsInTimeKeepsItsSleepersAndASmallerOneIsIgnored) {
  runner_->extend_lease(1, loop_.now() + 1s);
  start(token(1), R"({"sleep":"5s"})", OnWorkerLost::rerun_after_lease);
  loop_.advance(999ms);
  runner_->extend_lease(1, loop_.now() + 10s);
  runner_->extend_lease(1, loop_.now() + 1s);
  loop_.advance(5s);
  EXPECT_THAT(log_.lines, ElementsAre("start 1", "succeeded 1"));
}

TEST_F(NoopRunnerTest, ALeaseEndsNothingOfOtherShardsAndPolicies) {
  runner_->extend_lease(1, loop_.now() + 1s);
  runner_->extend_lease(2, loop_.now() + 9s);
  start(token(1), R"({"sleep":"2s"})", OnWorkerLost::rerun);
  start(token(0x101), R"({"sleep":"2s"})", OnWorkerLost::fail);
  start(token(2), R"({"sleep":"2s"})", OnWorkerLost::rerun_after_lease);
  loop_.advance(1s);
  runner_->extend_lease(1, loop_.now() + 1s);
  loop_.advance(1s);
  EXPECT_THAT(log_.lines,
              ElementsAre("start 1", "start 257", "start 2", "succeeded 1", "succeeded 257", "succeeded 2"));
}

TEST_F(NoopRunnerTest, StartsNothingWithoutItsLease) {
  runner_->extend_lease(1, loop_.now() + 1s);
  loop_.advance(1s);
  for (const std::string spec : {"{}", R"({"sleep":"1s"})"}) {
    start(token(1), spec, OnWorkerLost::rerun_after_lease);  // over
    start(token(2), spec, OnWorkerLost::rerun_after_lease);  // never said
  }
  loop_.advance(2s);
  ASSERT_THAT(log_.lines, ElementsAre("lost 1", "lost 2", "lost 1", "lost 2"));
  EXPECT_FALSE(log_.results[0].permanent);
  EXPECT_THAT(log_.results[0].message, HasSubstr("not started"));
}

TEST_F(NoopRunnerTest, ALeaseThatComesTooLateRevivesNothing) {
  NodeLoop frozen(loop_);
  NoopRunner runner(frozen);
  runner.set_handler(log_);
  runner.extend_lease(1, loop_.now() + 1s);
  Dispatch attempt;
  attempt.token = token(1);
  attempt.spec = R"({"sleep":"1m"})";
  attempt.on_worker_lost = OnWorkerLost::rerun_after_lease;
  runner.start(attempt);
  loop_.run_ready();
  frozen.freeze();
  loop_.advance(2s);
  runner.extend_lease(1, loop_.now() + 1h);  // the first thing that the thawed daemon does
  frozen.thaw();
  loop_.advance(1h);
  EXPECT_THAT(log_.lines, ElementsAre("start 1", "lost 1"));
}

TEST_F(NoopRunnerTest, SaysNothingOnceDestroyed) {
  start(token(1));
  start(token(2), R"({"sleep":"1s"})");
  runner_.reset();
  loop_.advance(2s);
  EXPECT_TRUE(log_.lines.empty());
}

}  // namespace
}  // namespace ringmaster
