#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/manual_loop.h"
#include "worker/kind_runner.h"

namespace ringmaster {
namespace {

using testing::ElementsAre;

struct Calls {
  std::vector<std::string> lines;
};

class CallRecorder final : public Runner {
 public:
  CallRecorder(Calls& calls, std::string name) : calls_(calls), name_(std::move(name)) {}
  void set_handler(RunnerHandler&) override { calls_.lines.push_back(name_ + " handler"); }
  void start(Dispatch) override { calls_.lines.push_back(name_ + " start"); }
  void kill(Token) override { calls_.lines.push_back(name_ + " kill"); }
  void extend_lease(ShardId shard, MonoTime until) override {
    calls_.lines.push_back(name_ + " lease " + std::to_string(shard) + " " +
                           std::to_string(until.time_since_epoch().count()));
  }

 private:
  Calls& calls_;
  std::string name_;
};

struct LastResult final : RunnerHandler {
  void on_attempt_started(Token, WallTime) override { ++starts; }
  void on_attempt_finished(Token token, AttemptResult r) override {
    of = token;
    result = std::move(r);
    ++ends;
  }
  int starts = 0, ends = 0;
  Token of;
  AttemptResult result;
};

class KindRunnerTest : public testing::Test {
 protected:
  KindRunnerTest() {
    runner_->add("process", std::make_unique<CallRecorder>(calls_, "process"));
    runner_->add("noop", std::make_unique<CallRecorder>(calls_, "noop"));
    runner_->set_handler(handler_);
    calls_.lines.clear();
  }
  void start(std::string kind) {
    Dispatch attempt;
    attempt.token = {TaskId{5}, 1, 2};
    attempt.kind = std::move(kind);
    runner_->start(std::move(attempt));
  }

  ManualLoop loop_;
  Calls calls_;
  LastResult handler_;
  std::unique_ptr<KindRunner> runner_ = std::make_unique<KindRunner>(loop_);
};

TEST_F(KindRunnerTest, GivesAnAttemptToTheRunnerOfItsKind) {
  start("noop");
  start("process");
  EXPECT_THAT(calls_.lines, ElementsAre("noop start", "process start"));
}

TEST_F(KindRunnerTest, FailsAnUnknownKindForGoodNamingTheKnownOnes) {
  start("docker");
  EXPECT_EQ(handler_.ends, 0);
  loop_.run_ready();
  EXPECT_EQ(handler_.starts, 0);
  EXPECT_EQ(handler_.ends, 1);
  EXPECT_EQ(handler_.of, (Token{TaskId{5}, 1, 2}));
  EXPECT_EQ(handler_.result.outcome, Outcome::failed);
  EXPECT_TRUE(handler_.result.permanent);
  EXPECT_EQ(handler_.result.message, "unknown kind 'docker': this worker runs noop, process");
}

TEST_F(KindRunnerTest, PassesAKillToAllForATokenHasNoKind) {
  runner_->kill({TaskId{5}, 1, 2});
  EXPECT_THAT(calls_.lines, ElementsAre("noop kill", "process kill"));
}

TEST_F(KindRunnerTest, PassesALeaseToAllForAShardHasTasksOfAllKinds) {
  runner_->extend_lease(255, MonoTime(Duration(7)));
  EXPECT_THAT(calls_.lines, ElementsAre("noop lease 255 7", "process lease 255 7"));
}

TEST_F(KindRunnerTest, GivesItsHandlerToAKindThatComesLater) {
  runner_->add("late", std::make_unique<CallRecorder>(calls_, "late"));
  EXPECT_THAT(calls_.lines, ElementsAre("late handler"));
}

TEST_F(KindRunnerTest, SaysNothingOnceDestroyed) {
  start("docker");
  runner_.reset();
  loop_.run_ready();
  EXPECT_EQ(handler_.ends, 0);
}

}  // namespace
}  // namespace ringmaster
