// How attempts are stopped, and that nothing of them is left when their end is reported.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/worker/runner_fixture.h"

namespace ringmaster {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

class StopTest : public testing::Test {
 protected:
  // `body` with $P naming the pipe.
  std::string shell(const std::string& body, const std::string& more = "") const {
    return R"({"shell":")" + body + R"(","env":{"P":")" + pipe_.path() + R"("})" + more + "}";
  }
  void kill(Token token) {
    killed_at_ = std::chrono::steady_clock::now();
    world_.runner->kill(token);
  }
  auto since_kill() const { return std::chrono::steady_clock::now() - killed_at_; }
  std::string wait_for_line() {
    world_.run_until([&] { return !world_.handler.started.empty(); });
    return pipe_.line();
  }

  TempDirectory directory_;
  LinePipe pipe_{directory_.path() + "/pipe"};
  LinePipe trigger_{directory_.path() + "/trigger"};
  RunnerWorld world_{directory_.path()};
  std::chrono::steady_clock::time_point killed_at_;
};

TEST_F(StopTest, KillEndsAnAttemptAsCancelled) {
  world_.start(token_of(1), shell("echo ready > $P; exec sleep 1000"));
  wait_for_line();
  kill(token_of(1));
  const auto result = world_.result_of(token_of(1));
  EXPECT_EQ(result.outcome, Outcome::cancelled);
  EXPECT_EQ(result.signal, SIGTERM);
  EXPECT_THAT(result.message, HasSubstr("stopped on request"));
  EXPECT_LT(since_kill(), 5s);
}

TEST_F(StopTest, AKilledAttemptThatExitsCleanlyIsCancelledToo) {
  world_.start(token_of(1), shell("trap 'exit 0' TERM; echo ready > $P; while :; do sleep 0.01; done"));
  wait_for_line();
  kill(token_of(1));
  const auto result = world_.result_of(token_of(1));
  EXPECT_EQ(result.outcome, Outcome::cancelled);
  EXPECT_EQ(result.signal, 0);
}

TEST_F(StopTest, SigkillFollowsTheGracePeriod) {
  world_.start(token_of(1), shell("trap '' TERM; echo ready > $P; while :; do sleep 1000; done",
                                  R"(,"kill_grace":"200ms")"));
  wait_for_line();
  kill(token_of(1));
  const auto result = world_.result_of(token_of(1));
  EXPECT_EQ(result.outcome, Outcome::cancelled);
  EXPECT_EQ(result.signal, SIGKILL);
  EXPECT_GE(since_kill(), 200ms);
}

TEST_F(StopTest, NoGracePeriodMeansSigkillAtOnce) {
  world_.start(token_of(1),
               shell("trap '' TERM; echo ready > $P; while :; do sleep 1000; done", R"(,"kill_grace":"0s")"));
  wait_for_line();
  kill(token_of(1));
  EXPECT_EQ(world_.result_of(token_of(1)).signal, SIGKILL);
  EXPECT_LT(since_kill(), 5s);
}

TEST_F(StopTest, AStoppedProcessIsWokenForItsSigterm) {
  world_.start(token_of(1), shell("trap 'exit 5' TERM; echo $$ > $P; while :; do sleep 0.01; done"));
  world_.run_until([&] { return !world_.handler.started.empty(); });
  ASSERT_EQ(::kill(pipe_.pid(), SIGSTOP), 0);
  kill(token_of(1));
  EXPECT_EQ(world_.result_of(token_of(1)).exit_code, 5);
}

TEST_F(StopTest, TheTimeOutStopsAnAttempt) {
  const auto begin = std::chrono::steady_clock::now();
  const auto result = world_.run(R"({"argv":["sleep","1000"]})", 100ms);
  EXPECT_EQ(result.outcome, Outcome::timed_out);
  EXPECT_EQ(result.signal, SIGTERM);
  EXPECT_THAT(result.message, HasSubstr("time-out of 100ms"));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 100ms);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

TEST_F(StopTest, TheTimeOutStopsAnAttemptThatIgnoresSigterm) {
  const auto result =
      world_.run(R"({"shell":"trap '' TERM; while :; do sleep 1000; done","kill_grace":"50ms"})", 100ms);
  EXPECT_EQ(result.outcome, Outcome::timed_out);
  EXPECT_EQ(result.signal, SIGKILL);
}

TEST_F(StopTest, AnAttemptWithinItsTimeOutIsLeftAlone) {
  EXPECT_EQ(world_.run(R"({"argv":["sleep","0.05"]})", 50s).outcome, Outcome::succeeded);
}

TEST_F(StopTest, AKillDuringTheTimeOutsGracePeriodMakesItCancelled) {
  world_.start(token_of(1),
               shell("trap 'echo term > $P' TERM; while :; do sleep 0.01; done", R"(,"kill_grace":"1s")"),
               50ms);
  EXPECT_EQ(wait_for_line(), "term");
  kill(token_of(1));
  EXPECT_EQ(world_.result_of(token_of(1)).outcome, Outcome::cancelled);
}

TEST_F(StopTest, BackgroundProcessesDieWithTheLeader) {
  world_.start(token_of(1), shell("(trap '' TERM; exec sleep 1000) & echo $! > $P"));
  EXPECT_EQ(world_.result_of(token_of(1)).outcome, Outcome::succeeded);
  EXPECT_FALSE(is_alive(pipe_.pid()));
}

TEST_F(StopTest, BackgroundProcessesDieOfAKill) {
  world_.start(token_of(1), shell("trap '' TERM; sleep 1000 & echo $! > $P; while :; do sleep 1000; done",
                                  R"(,"kill_grace":"50ms")"));
  world_.run_until([&] { return !world_.handler.started.empty(); });
  const pid_t background = pipe_.pid();
  EXPECT_TRUE(is_alive(background));
  kill(token_of(1));
  EXPECT_EQ(world_.result_of(token_of(1)).outcome, Outcome::cancelled);
  EXPECT_FALSE(is_alive(background));
}

TEST_F(StopTest, ProcessesThatLeftTheGroupDieWithTheirAttempt) {
  // The inner shell is a session of its own, and its child once more.
  world_.start(token_of(1),
               shell("setsid sh -c 'setsid sleep 1000 & echo $! > $P; echo $$ > $P; wait' & read x < " +
                     trigger_.path()));
  world_.run_until([&] { return !world_.handler.started.empty(); });
  const std::vector<pid_t> processes{pipe_.pid(), pipe_.pid()};
  for (const pid_t process : processes) EXPECT_TRUE(is_alive(process));
  trigger_.write("go\n");
  EXPECT_EQ(world_.result_of(token_of(1)).outcome, Outcome::succeeded);
  for (const pid_t process : processes) EXPECT_FALSE(is_alive(process)) << process;
}

TEST_F(StopTest, ADaemonisedProcessOfAnotherAttemptIsLeftAlone) {
  world_.start(token_of(1), shell("(setsid sleep 1000 & echo $! > $P); exec sleep 1000"));
  world_.run_until([&] { return !world_.handler.started.empty(); });
  const pid_t daemon = pipe_.pid();
  EXPECT_EQ(world_.run(R"({"argv":["true"]})").outcome, Outcome::succeeded);
  EXPECT_TRUE(is_alive(daemon));
  kill(token_of(1));
  EXPECT_EQ(world_.result_of(token_of(1)).outcome, Outcome::cancelled);
  EXPECT_FALSE(is_alive(daemon));
}

TEST_F(StopTest, AHeldPipeDoesNotDelayTheEndAndItsHolderDiesWithTheSupervisor) {
  // Without its environment it cannot be told whose it is.
  world_.start(token_of(1), shell("env -i setsid sh -c 'echo $$ > " + pipe_.path() +
                                  "; exec sleep 1000' & read x < " + trigger_.path() + "; echo done"));
  world_.run_until([&] { return !world_.handler.started.empty(); });
  const pid_t holder = pipe_.pid();
  trigger_.write("go\n");
  const auto result = world_.result_of(token_of(1));
  EXPECT_EQ(result.outcome, Outcome::succeeded);
  EXPECT_EQ(result.output_tail, "done\n");
  EXPECT_TRUE(is_alive(holder));
  world_.runner.reset();
  EXPECT_FALSE(is_alive(holder));
}

TEST_F(StopTest, AKillReachesAttemptsThatHaveNotStartedYet) {
  for (int i = 1; i <= 300; ++i) world_.start(token_of(i), R"({"argv":["sleep","1000"],"kill_grace":"0s"})");
  for (int i = 1; i <= 300; ++i) world_.runner->kill(token_of(i));
  ASSERT_TRUE(world_.run_until([&] { return world_.handler.finished.size() == 300; }));
  for (const auto& [token, result] : world_.handler.finished) EXPECT_EQ(result.outcome, Outcome::cancelled);
  EXPECT_LT(world_.handler.started.size(), 300U);
}

TEST_F(StopTest, AKillOfAnUnknownTokenDoesNothing) {
  world_.start(token_of(1, 1), R"({"shell":"exec sleep 0.1"})");
  world_.runner->kill(token_of(1, 2));
  world_.runner->kill(token_of(2));
  EXPECT_EQ(world_.result_of(token_of(1, 1)).outcome, Outcome::succeeded);
}

TEST_F(StopTest, DestroyingTheRunnerKillsItsAttemptsSilently) {
  world_.start(token_of(1), shell("trap '' TERM; echo $$ > $P; while :; do sleep 1000; done"));
  world_.run_until([&] { return !world_.handler.started.empty(); });
  const pid_t leader = pipe_.pid();
  world_.runner.reset();
  EXPECT_FALSE(is_alive(leader));
  world_.loop.context().poll();
  EXPECT_TRUE(world_.handler.finished.empty());
}

}  // namespace
}  // namespace ringmaster
