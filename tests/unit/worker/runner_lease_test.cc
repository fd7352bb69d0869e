// Leases with real processes: the supervisor lets leased attempts start and live only under their shard's
// lease.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "base/lease.h"
#include "tests/unit/worker/runner_fixture.h"
#include "worker/supervisor_guard.h"

namespace ringmaster {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

constexpr auto kShort = 1s;  // long enough for a process to start on a busy machine
constexpr auto kForever = 1h;
constexpr auto kIgnoreTerm = "trap '' TERM; echo ready > $P; while :; do sleep 1000; done";

Token token_in(ShardId shard, std::int64_t number) {
  return {make_task_id(number, shard), 7, 1};
}

class LeaseTest : public testing::Test {
 protected:
  ~LeaseTest() override { thaw_supervisor(); }  // a failed test must not leave it frozen
  // `body` with $P and $T naming the pipes.
  std::string shell(const std::string& body, const std::string& kill_grace = "10s") const {
    return R"({"shell":")" + body + R"(","env":{"P":")" + pipe_.path() + R"(","T":")" + trigger_.path() +
           R"("},"kill_grace":")" + kill_grace + R"("})";
  }
  // Its end. Sent when the loop next runs.
  MonoTime extend(ShardId shard, Duration from_now) {
    const MonoTime until = read_mono_clock() + from_now;
    world_.runner->extend_lease(shard, until);
    return until;
  }
  void start(Token token, std::string spec, OnWorkerLost policy = OnWorkerLost::rerun_after_lease,
             Duration timeout = 0s) {
    world_.start(token, std::move(spec), timeout, policy);
  }
  void await_starts(std::size_t count) {
    ASSERT_TRUE(world_.run_until([&] { return world_.handler.started.size() == count; }));
  }
  // Time goes by, and then the supervisor does all that is due.
  void pass(MonoTime time) {
    ASSERT_TRUE(world_.run_until([&] { return read_mono_clock() > time; }));
    sync();
  }
  void sync() { ASSERT_EQ(world_.run(R"({"argv":["true"]})").outcome, Outcome::succeeded); }
  // It was left alone: a stop that had begun would not be called cancelled.
  void expect_unharmed(Token token) {
    world_.runner->kill(token);
    EXPECT_EQ(world_.result_of(token).outcome, Outcome::cancelled) << to_string(token.task);
  }
  // While it sleeps, having looked at all its descriptors: what comes now it will find in this order.
  void freeze_supervisor() {
    const auto status = "/proc/" + std::to_string(world_.supervisor_pid) + "/stat";
    ASSERT_TRUE(world_.run_until([&] { return contents(status).find(") S ") != std::string::npos; }));
    ASSERT_EQ(::kill(world_.supervisor_pid, SIGSTOP), 0);
    ASSERT_EQ(::waitpid(world_.supervisor_pid, nullptr, WUNTRACED), world_.supervisor_pid);
  }
  void thaw_supervisor() { EXPECT_EQ(::kill(world_.supervisor_pid, SIGCONT), 0); }

  TempDirectory directory_;
  LinePipe pipe_{directory_.path() + "/pipe"};
  LinePipe trigger_{directory_.path() + "/trigger"};
  RunnerWorld world_{directory_.path()};
};

TEST_F(LeaseTest, WhenItPassesItsAttemptDiesAndIsReportedLost) {
  const MonoTime until = extend(1, kShort);
  start(token_in(1, 1), shell("setsid sleep 1000 & echo $! > $P; echo $$ > $P; wait"));
  await_starts(1);
  const pid_t stray = pipe_.pid(), leader = pipe_.pid();
  EXPECT_TRUE(is_alive(leader));
  const auto result = world_.result_of(token_in(1, 1));
  EXPECT_FALSE(is_alive(leader));
  EXPECT_FALSE(is_alive(stray));
  EXPECT_GE(read_mono_clock(), until);
  EXPECT_LT(read_mono_clock(), until + kLeaseKillGrace);
  EXPECT_EQ(result.outcome, Outcome::lost);
  EXPECT_FALSE(result.permanent);
  EXPECT_EQ(result.signal, SIGTERM);
  EXPECT_THAT(result.message, HasSubstr("its lease ran out before a master renewed it"));
}

TEST_F(LeaseTest, AnExtensionInTimeKeepsItAliveAndASmallerOneChangesNothing) {
  extend(1, kShort);
  start(token_in(1, 1), R"({"argv":["sleep","1000"]})");
  await_starts(1);
  extend(1, kForever);
  sync();
  pass(extend(1, kShort));
  expect_unharmed(token_in(1, 1));
}

TEST_F(LeaseTest, AfterAnExtensionItStillEndsAndSoDoesATimeOut) {
  extend(1, kShort);
  extend(2, kShort);
  start(token_in(1, 1), R"({"argv":["sleep","1000"]})");
  start(token_in(2, 1), R"({"argv":["sleep","1000"]})", OnWorkerLost::rerun_after_lease, kShort + 500ms);
  await_starts(2);
  const MonoTime until = extend(1, 2 * kShort);
  extend(2, kForever);
  EXPECT_EQ(world_.result_of(token_in(2, 1)).outcome, Outcome::timed_out);
  EXPECT_EQ(world_.result_of(token_in(1, 1)).outcome, Outcome::lost);
  EXPECT_GE(read_mono_clock(), until);
}

TEST_F(LeaseTest, NothingStartsWithoutIt) {
  const auto file = directory_.path() + "/ran";
  const auto spec = R"({"argv":["touch",")" + file + R"("]})";
  extend(2, -1s);
  for (const ShardId shard : {ShardId{1}, ShardId{2}}) {
    start(token_in(shard, 1), spec);
    const auto result = world_.result_of(token_in(shard, 1));
    EXPECT_EQ(result.outcome, Outcome::lost);
    EXPECT_FALSE(result.permanent);
    EXPECT_EQ(result.message, "not started: no master had renewed its lease");
  }
  EXPECT_TRUE(world_.handler.started.empty());
  EXPECT_FALSE(std::filesystem::exists(file));
  extend(1, kForever);
  start(token_in(1, 2), spec);
  EXPECT_EQ(world_.result_of(token_in(1, 2)).outcome, Outcome::succeeded);
}

TEST_F(LeaseTest, ItEndsAllItsAttemptsAndNoOthers) {
  const MonoTime until = extend(1, kShort);
  extend(2, kForever);
  const std::string spec = R"({"argv":["sleep","1000"]})";
  const std::vector<Token> its{token_in(1, 1), token_in(1, 2), token_in(1, 3)};
  const std::vector<Token> others{token_in(1, 4), token_in(1, 5), token_in(2, 1)};
  for (const Token& token : its) start(token, spec);
  start(others[0], spec, OnWorkerLost::rerun);
  start(others[1], spec, OnWorkerLost::fail);
  start(others[2], spec);
  await_starts(6);
  for (const Token& token : its) EXPECT_EQ(world_.result_of(token).outcome, Outcome::lost);
  pass(until);
  for (const Token& token : others) expect_unharmed(token);
}

TEST_F(LeaseTest, OfItAndATimeOutTheEarlierOneStopsTheAttempt) {
  const std::string spec = R"({"argv":["sleep","1000"]})";
  extend(1, kForever);
  start(token_in(1, 1), spec, OnWorkerLost::rerun_after_lease, 100ms);
  extend(2, kShort);
  start(token_in(2, 1), spec, OnWorkerLost::rerun_after_lease, kForever);
  EXPECT_EQ(world_.result_of(token_in(1, 1)).outcome, Outcome::timed_out);
  EXPECT_EQ(world_.result_of(token_in(2, 1)).outcome, Outcome::lost);
}

TEST_F(LeaseTest, OfItAndATimeOutTheEarlierOneStoppedItThoughBothAreSeenLate) {
  const std::string spec = R"({"argv":["sleep","1000"]})";
  const MonoTime until = extend(1, kShort);
  start(token_in(1, 1), spec, OnWorkerLost::rerun_after_lease, 500ms);
  start(token_in(1, 2), spec, OnWorkerLost::rerun_after_lease, kShort + 500ms);
  await_starts(2);
  freeze_supervisor();
  ASSERT_TRUE(world_.run_until([&] { return read_mono_clock() > until + 1s; }));
  thaw_supervisor();
  EXPECT_EQ(world_.result_of(token_in(1, 1)).outcome, Outcome::timed_out);
  EXPECT_EQ(world_.result_of(token_in(1, 2)).outcome, Outcome::lost);
}

TEST_F(LeaseTest, SigkillFollowsTheAttemptsOwnGracePeriod) {
  const MonoTime until = extend(1, kShort);
  start(token_in(1, 1), shell(kIgnoreTerm, "300ms"));
  const auto result = world_.result_of(token_in(1, 1));
  EXPECT_EQ(result.outcome, Outcome::lost);
  EXPECT_EQ(result.signal, SIGKILL);
  EXPECT_GE(read_mono_clock(), until + 300ms);
  EXPECT_LT(read_mono_clock(), until + kLeaseKillGrace);
}

TEST_F(LeaseTest, NoLongerGracePeriodOutlivesItWhateverBeganTheStop) {
  extend(1, kForever);
  const MonoTime until = extend(2, kShort);
  start(token_in(1, 1), shell(kIgnoreTerm, "1h"));
  for (const int i : {1, 2}) start(token_in(2, i), shell(kIgnoreTerm, "1h"));
  start(token_in(2, 3), shell(kIgnoreTerm, "1h"), OnWorkerLost::rerun_after_lease, 500ms);
  await_starts(4);
  for (int i = 1; i <= 4; ++i) EXPECT_EQ(pipe_.line(), "ready");
  world_.runner->kill(token_in(1, 1));
  world_.runner->kill(token_in(2, 2));
  for (const auto& [number, outcome] :
       {std::pair{1, Outcome::lost}, {2, Outcome::cancelled}, {3, Outcome::timed_out}}) {
    const auto result = world_.result_of(token_in(2, number));
    EXPECT_EQ(result.outcome, outcome);
    EXPECT_EQ(result.signal, SIGKILL);
  }
  EXPECT_GE(read_mono_clock(), until + kLeaseKillGrace);
  EXPECT_LT(read_mono_clock(), until + kLeaseKillGrace + 3s);
  sync();
  EXPECT_EQ(world_.handler.result_of(token_in(1, 1)), nullptr) << "its lease is valid";
}

TEST_F(LeaseTest, NeitherAnExtensionNorAKillChangesAStopThatHasBegun) {
  extend(1, kShort);
  start(token_in(1, 1), shell("trap 'echo term > $P' TERM; while :; do sleep 0.01; done", "1s"));
  await_starts(1);
  EXPECT_EQ(pipe_.line(), "term");
  extend(1, kForever);
  world_.runner->kill(token_in(1, 1));
  const auto result = world_.result_of(token_in(1, 1));
  EXPECT_EQ(result.outcome, Outcome::lost);
  EXPECT_EQ(result.signal, SIGKILL);
}

TEST_F(LeaseTest, WhatWasOrderedUnderAPassedOneDoesNotStartUnderTheNext) {
  const MonoTime until = extend(1, kShort);
  start(token_in(1, 1), R"({"argv":["sleep","1000"]})");
  await_starts(1);
  freeze_supervisor();
  start(token_in(1, 2), R"({"argv":["true"]})");
  ASSERT_TRUE(world_.run_until([&] { return read_mono_clock() > until; }));
  extend(1, kForever);
  start(token_in(1, 3), R"({"argv":["true"]})");
  world_.loop.context().poll();
  thaw_supervisor();
  EXPECT_EQ(world_.result_of(token_in(1, 1)).outcome, Outcome::lost);
  EXPECT_THAT(world_.result_of(token_in(1, 2)).message, HasSubstr("not started"));
  EXPECT_EQ(world_.result_of(token_in(1, 3)).outcome, Outcome::succeeded);
}

TEST_F(LeaseTest, AnExtensionThatIsReadTooLateRevivesNothing) {
  // The supervisor waits for a reader of the first attempt's log while the others' lease passes, and then
  // finds the extension in the same batch of events.
  const Token noisy = token_in(2, 1), leased = token_in(1, 1), in_time = token_in(1, 2);
  LinePipe quit(directory_.path() + "/quit");
  const auto log = directory_.path() + "/logs/" + to_string(noisy.task) + ".1.log";
  ASSERT_EQ(::mkfifo(log.c_str(), 0600), 0);
  start(noisy, shell("read x < $T; echo noise; echo said > $P; exec sleep 1000"), OnWorkerLost::rerun);
  const MonoTime until = extend(1, 2 * kShort);
  start(leased, R"({"argv":["sleep","1000"]})");
  start(in_time, shell("echo $$ > $P; read x < " + quit.path()));
  await_starts(3);
  const pid_t quitter = pipe_.pid();
  freeze_supervisor();
  trigger_.write("go\n");
  EXPECT_EQ(pipe_.line(), "said");
  extend(1, kForever);
  world_.loop.context().poll();
  thaw_supervisor();
  quit.write("now\n");
  EXPECT_TRUE(ends(quitter));
  ASSERT_LT(read_mono_clock(), until);
  ASSERT_TRUE(world_.run_until([&] { return read_mono_clock() > until; }));
  const int reader = ::open(log.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  EXPECT_EQ(world_.result_of(leased).outcome, Outcome::lost);
  EXPECT_EQ(world_.result_of(in_time).outcome, Outcome::succeeded);
  ::close(reader);
}

// Nobody but its guard can end a lease then; a setsid does not help its attempt.
TEST_F(LeaseTest, EndsThoughDaemonAndSupervisorAreFrozen) {
  const MonoTime until = extend(1, kShort);
  start(token_in(1, 1), shell("setsid sleep 1000 & echo $! > $P; echo $$ > $P; wait"));
  await_starts(1);
  const pid_t stray = pipe_.pid(), leader = pipe_.pid();
  freeze_supervisor();  // and nobody runs our loop
  EXPECT_TRUE(ends(leader));
  EXPECT_TRUE(ends(stray));
  EXPECT_LT(read_mono_clock(), until + LeaseTimes().kill) << "masters wait no longer";
}

TEST_F(LeaseTest, AFrozenSupervisorWithoutLeasesIsLeftAlone) {
  extend(1, kShort);
  start(token_in(1, 1), R"({"argv":["true"]})");
  ASSERT_EQ(world_.result_of(token_in(1, 1)).outcome, Outcome::succeeded);
  start(token_in(1, 2), shell("echo $$ > $P; exec sleep 1000"), OnWorkerLost::rerun);
  await_starts(2);
  const pid_t leader = pipe_.pid();
  freeze_supervisor();
  EXPECT_FALSE(ends(
      leader, std::chrono::ceil<std::chrono::milliseconds>(kShort + kLeaseKillGrace + 2 * kGuardPatience)));
  thaw_supervisor();
  expect_unharmed(token_in(1, 2));
}

}  // namespace
}  // namespace ringmaster
