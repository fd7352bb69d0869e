// The deaths of daemons and supervisors, with real ones.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "tests/unit/worker/runner_fixture.h"

namespace ringmaster {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

class SupervisorTest : public testing::Test {
 protected:
  // A process of its own that runs `specs`, says its supervisor's number through the pipe and then lives on,
  // saying how they end. With a lease: under that.
  pid_t fork_daemon(const std::vector<std::string>& specs, Duration lease = 0s) {
    const pid_t daemon = ::fork();
    if (daemon != 0) return daemon;
    RunnerWorld world(data_dir_);
    pipe_.write(std::to_string(world.supervisor_pid) + "\n");
    if (lease > 0s) world.runner->extend_lease(token_of(1).task.shard(), read_mono_clock() + lease);
    const auto policy = lease > 0s ? OnWorkerLost::rerun_after_lease : OnWorkerLost::rerun;
    for (std::size_t i = 0; i < specs.size(); ++i)
      world.start(token_of(static_cast<std::int64_t>(i) + 1), specs[i], 0s, policy);
    for (std::size_t told = 0;; ++told) {
      if (!world.run_until([&] { return world.handler.finished.size() > told; })) break;
      pipe_.write(std::string(to_string(world.handler.finished[told].second.outcome)) + "\n");
    }
    ::_exit(1);
  }
  std::string shell(const std::string& body) const {
    return R"({"shell":")" + body + R"(","env":{"P":")" + pipe_.path() + R"("}})";
  }
  static void kill_and_reap(pid_t daemon) {
    ASSERT_EQ(::kill(daemon, SIGKILL), 0);
    ASSERT_EQ(::waitpid(daemon, nullptr, 0), daemon);
  }

  TempDirectory directory_;
  std::string data_dir_ = directory_.path() + "/data";
  LinePipe pipe_{directory_.path() + "/pipe"};
  LinePipe trigger_{directory_.path() + "/trigger"};
};

TEST_F(SupervisorTest, AKilledDaemonLeavesNoOrphan) {
  const pid_t daemon = fork_daemon(
      {shell("trap '' TERM; sleep 1000 & a=$!; setsid sleep 1000 & b=$!; env -i setsid sleep 1000 & "
             "echo $a > $P; echo $b > $P; echo $! > $P; echo $$ > $P; while :; do sleep 1000; done")});
  const pid_t supervisor = pipe_.pid();
  std::vector<pid_t> processes;
  for (int i = 0; i < 4; ++i) processes.push_back(pipe_.pid());
  for (const pid_t process : processes) EXPECT_TRUE(is_alive(process));
  kill_and_reap(daemon);
  EXPECT_TRUE(ends(supervisor));
  for (const pid_t process : processes) EXPECT_FALSE(is_alive(process)) << process;
}

TEST_F(SupervisorTest, OneThatIsFrozenDiesWithItsDaemonAndSoDoItsAttempts) {
  const pid_t daemon =
      fork_daemon({shell("setsid sleep 1000 & echo $! > $P; echo $$ > $P; exec sleep 1000")});
  const pid_t supervisor = pipe_.pid();
  const pid_t stray = pipe_.pid();
  const pid_t leader = pipe_.pid();
  ASSERT_EQ(::kill(supervisor, SIGSTOP), 0);
  kill_and_reap(daemon);
  EXPECT_TRUE(ends(leader));
  EXPECT_TRUE(ends(supervisor));
  EXPECT_TRUE(ends(stray));
}

TEST_F(SupervisorTest, NothingStartsOnceItsDaemonIsGone) {
  constexpr int kOrders = 64;
  const std::string begun = directory_.path() + "/begun";
  const pid_t daemon = ::fork();
  if (daemon == 0) {
    RunnerWorld world(data_dir_);
    pipe_.write(std::to_string(world.supervisor_pid) + "\n");
    ::kill(world.supervisor_pid, SIGSTOP);
    for (int i = 1; i <= kOrders; ++i)
      world.start(token_of(i), R"({"argv":["/usr/bin/touch",")" + begun + R"("]})");
    int turns = 0;
    world.run_until([&] { return ++turns > 20; });  // they are in the socket
    pipe_.write("sent\n");
    ::pause();
    ::_exit(1);
  }
  const pid_t supervisor = pipe_.pid();
  EXPECT_EQ(pipe_.line(), "sent");
  kill_and_reap(daemon);
  ASSERT_EQ(::kill(supervisor, SIGCONT), 0);
  ASSERT_TRUE(ends(supervisor));
  EXPECT_FALSE(std::filesystem::exists(begun));
}

TEST_F(SupervisorTest, AKilledDaemonsSuccessorHearsHowItsAttemptsEnded) {
  const pid_t daemon = fork_daemon({shell("echo its last line; echo ready > $P; exec sleep 1000"),
                                    shell("echo ready > $P; exec sleep 1000")});
  const pid_t supervisor = pipe_.pid();
  for (int i = 0; i < 2; ++i) EXPECT_EQ(pipe_.line(), "ready");
  kill_and_reap(daemon);
  ASSERT_TRUE(ends(supervisor));
  auto successor = Supervisor::spawn(data_dir_);
  ASSERT_TRUE(successor);
  ASSERT_TRUE(successor->wait_ready(kPatience));
  auto words = successor->last_words();
  ASSERT_EQ(words.size(), 2U);
  std::ranges::sort(words, {}, [](const ResultReport& report) { return report.token.task; });
  EXPECT_EQ(words[0].token, token_of(1));
  EXPECT_EQ(words[1].token, token_of(2));
  const AttemptResult& result = words[0].result;
  EXPECT_EQ(result.outcome, Outcome::lost);
  EXPECT_TRUE(result.worker_died);
  EXPECT_EQ(result.signal, SIGKILL);
  EXPECT_EQ(result.output_tail, "its last line\n");
  EXPECT_GT(result.usage.max_rss_kib, 0);
  EXPECT_GE(result.finished_at, result.started_at);
  EXPECT_THAT(result.message, HasSubstr("its worker died; killed by signal 9"));
  EXPECT_EQ(successor->last_words().size(), 2U) << "until they are journalled";
  successor->forget_last_words();
  EXPECT_TRUE(successor->last_words().empty());
}

TEST_F(SupervisorTest, AnOrderlyEndStopsAttemptsAndIsNoDeathOfTheWorker) {
  {
    RunnerWorld world(data_dir_);
    world.start(token_of(1), shell("echo ready > $P; exec sleep 1000"));
    world.run_until([&] { return !world.handler.started.empty(); });
    EXPECT_EQ(pipe_.line(), "ready");
  }
  auto successor = Supervisor::spawn(data_dir_);
  ASSERT_TRUE(successor);
  ASSERT_TRUE(successor->wait_ready(kPatience));
  const auto words = successor->last_words();
  ASSERT_EQ(words.size(), 1U);
  EXPECT_EQ(words[0].result.outcome, Outcome::cancelled);
  EXPECT_FALSE(words[0].result.worker_died);
}

TEST_F(SupervisorTest, WhatEndedByItselfAsItsDaemonDiedDidSo) {
  const pid_t daemon = fork_daemon({shell("echo $$ > $P; read x < " + trigger_.path() + "; exit 0")});
  const pid_t supervisor = pipe_.pid();
  const pid_t leader = pipe_.pid();
  ASSERT_EQ(::kill(supervisor, SIGSTOP), 0);
  kill_and_reap(daemon);
  trigger_.write("go\n");
  ASSERT_TRUE(ends(leader));
  ASSERT_EQ(::kill(supervisor, SIGCONT), 0);
  ASSERT_TRUE(ends(supervisor));
  auto successor = Supervisor::spawn(data_dir_);
  ASSERT_TRUE(successor);
  ASSERT_TRUE(successor->wait_ready(kPatience));
  const auto words = successor->last_words();
  ASSERT_EQ(words.size(), 1U);
  EXPECT_EQ(words[0].result.outcome, Outcome::succeeded);
  EXPECT_FALSE(words[0].result.worker_died);
}

TEST_F(SupervisorTest, AFrozenDaemonLeavesItsAttemptsRunning) {
  const pid_t daemon =
      fork_daemon({shell("echo ready > $P; read x < " + trigger_.path() + "; echo $x > $P")});
  pipe_.line();
  EXPECT_EQ(pipe_.line(), "ready");
  ASSERT_EQ(::kill(daemon, SIGSTOP), 0);
  trigger_.write("done\n");
  EXPECT_EQ(pipe_.line(), "done");
  kill_and_reap(daemon);
}

TEST_F(SupervisorTest, AFrozenDaemonKeepsNoLeaseAlive) {
  const pid_t daemon = fork_daemon({shell("echo $$ > $P; exec sleep 1000")}, 1s);
  const pid_t supervisor = pipe_.pid();
  const pid_t leader = pipe_.pid();
  ASSERT_EQ(::kill(daemon, SIGSTOP), 0);
  EXPECT_TRUE(ends(leader, 20s));
  EXPECT_TRUE(is_alive(supervisor));
  ASSERT_EQ(::kill(daemon, SIGCONT), 0);
  EXPECT_EQ(pipe_.line(), "lost");
  kill_and_reap(daemon);
}

TEST_F(SupervisorTest, SignalsForTheDaemonDoNotEndIt) {
  RunnerWorld world(data_dir_);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE}) ::kill(world.supervisor_pid, number);
  EXPECT_NE(::getsid(world.supervisor_pid), ::getsid(0));
  EXPECT_EQ(world.run(R"({"argv":["true"]})").outcome, Outcome::succeeded);
}

TEST_F(SupervisorTest, ItsDeathLosesTheAttemptsOnceTheyAreDead) {
  RunnerWorld world(data_dir_);
  world.start(token_of(1),
              shell("setsid sleep 1000 & echo $! > $P; sleep 1000 & echo $! > $P; echo $$ > $P; wait"));
  world.start(token_of(2), R"({"argv":["sleep","1000"]})");
  world.run_until([&] { return world.handler.started.size() == 2; });
  const std::vector<pid_t> processes{pipe_.pid(), pipe_.pid(), pipe_.pid()};
  ASSERT_EQ(::kill(world.supervisor_pid, SIGKILL), 0);
  for (const int number : {1, 2}) {
    const auto result = world.result_of(token_of(number));
    EXPECT_EQ(result.outcome, Outcome::lost) << "not its fault";
    EXPECT_TRUE(result.worker_died);
    EXPECT_EQ(result.signal, SIGKILL);
    EXPECT_THAT(result.message, HasSubstr("supervisor of this worker died while it ran"));
  }
  for (const pid_t process : processes) EXPECT_FALSE(is_alive(process)) << process;
  EXPECT_TRUE(world.run_until([&] { return world.supervisor_lost; }));
  // From now on nothing starts.
  const auto late = world.run(R"({"argv":["true"]})");
  EXPECT_EQ(late.outcome, Outcome::lost);
  EXPECT_FALSE(late.worker_died) << "it never ran";
}

TEST_F(SupervisorTest, ASuccessorWaitsForItsPredecessor) {
  auto first = Supervisor::spawn(data_dir_);
  ASSERT_TRUE(first);
  ASSERT_TRUE(first->wait_ready(kPatience));
  auto second = Supervisor::spawn(data_dir_);
  ASSERT_TRUE(second);
  const auto early = second->wait_ready(50ms);
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().code, ErrorCode::deadline_exceeded);
  {
    const Supervisor ended = std::move(*first);
  }
  EXPECT_TRUE(second->wait_ready(kPatience));
}

TEST_F(SupervisorTest, ASuccessorKillsWhatItsKilledPredecessorLeft) {
  const pid_t daemon = fork_daemon({shell("sleep 1000 & echo $! > $P; exec sleep 1000")});
  const pid_t supervisor = pipe_.pid();
  const pid_t orphan = pipe_.pid();
  // First the supervisor is frozen, or it would clean up before its own end.
  ASSERT_EQ(::kill(supervisor, SIGSTOP), 0);
  kill_and_reap(daemon);
  ASSERT_EQ(::kill(supervisor, SIGKILL), 0);
  ASSERT_TRUE(ends(supervisor));
  EXPECT_TRUE(is_alive(orphan));
  auto successor = Supervisor::spawn(data_dir_);
  ASSERT_TRUE(successor);
  EXPECT_TRUE(successor->wait_ready(kPatience));
  EXPECT_FALSE(is_alive(orphan));
}

TEST_F(SupervisorTest, WorkersWithTheirOwnDirectoriesDoNotDisturbEachOther) {
  RunnerWorld first(data_dir_);
  first.start(token_of(1), shell("setsid sleep 1000 & echo $! > $P; wait"));
  first.run_until([&] { return !first.handler.started.empty(); });
  const pid_t process = pipe_.pid();
  {
    RunnerWorld second(data_dir_ + "2");
  }
  EXPECT_TRUE(is_alive(process));
}

TEST_F(SupervisorTest, ADirectoryThatCannotBeMadeIsAClearError) {
  const auto supervisor = Supervisor::spawn("/proc/no/such");
  ASSERT_FALSE(supervisor);
  EXPECT_EQ(supervisor.error().code, ErrorCode::unavailable);
  EXPECT_THAT(supervisor.error().message, HasSubstr("/proc/no/such"));
}

}  // namespace
}  // namespace ringmaster
