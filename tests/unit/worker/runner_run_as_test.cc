// Attempts as another user, with real processes. As root only: nobody else can become somebody else.
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>

#include "tests/unit/worker/runner_fixture.h"
#include "worker/account.h"

namespace ringmaster {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

constexpr auto kUser = "nobody";

class RunAs : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can run an attempt as another user";
    if (!look_up_account(kUser)) GTEST_SKIP() << "this host has no user " << kUser;
    ::chmod(directory_.path().c_str(), 0755);  // so that the user can reach the pipe
    ::chmod(pipe_.path().c_str(), 0666);
    world_.emplace(directory_.path() + "/data", rules_);
  }
  AttemptResult run(const std::string& shell, const std::string& fields = {}) {
    return world_->run(spec(shell, fields));
  }
  std::string spec(const std::string& shell, const std::string& fields = {}) const {
    return R"({"shell":")" + shell + R"(","env":{"P":")" + pipe_.path() + R"("},"run_as":")" + kUser + "\"" +
           fields + "}";
  }

  ProcessRules rules_{.run_as = {{kUser}, ""}};
  TempDirectory directory_;
  LinePipe pipe_{directory_.path() + "/pipe"};
  std::optional<RunnerWorld> world_;
};

TEST_F(RunAs, BecomesTheUserForGood) {
  // What the daemon has beyond its user must not be handed on.
  std::vector<gid_t> own(static_cast<std::size_t>(std::max(0, ::getgroups(0, nullptr))));
  ASSERT_GE(::getgroups(static_cast<int>(own.size()), own.data()), 0);
  const std::vector<gid_t> rich{0, 4, 42};
  ASSERT_EQ(::setgroups(rich.size(), rich.data()), 0);
  RunnerWorld world(directory_.path() + "/rich", rules_);
  ::setgroups(own.size(), own.data());
  const auto account = *look_up_account(kUser);
  const auto uid = std::to_string(account.identity.uid), gid = std::to_string(account.identity.gid);
  const auto result = world.run(
      spec("grep -E '^(Uid|Gid|Groups|CapInh|CapPrm|CapEff|CapAmb|NoNewPrivs):' /proc/self/status"));
  const std::string none = "\t0000000000000000\n";
  EXPECT_EQ(result.output_tail, "Uid:\t" + uid + "\t" + uid + "\t" + uid + "\t" + uid + "\nGid:\t" + gid +
                                    "\t" + gid + "\t" + gid + "\t" + gid + "\nGroups:\t" + gid +
                                    " \nCapInh:" + none + "CapPrm:" + none + "CapEff:" + none +
                                    "CapAmb:" + none + "NoNewPrivs:\t1\n");
  EXPECT_EQ(world.handler.started.size(), 1U);
}

TEST_F(RunAs, LivesInTheUsersEnvironment) {
  const auto account = *look_up_account(kUser);
  EXPECT_EQ(run("echo $HOME $USER $LOGNAME").output_tail, account.home + " nobody nobody\n");
  EXPECT_EQ(world_->run(R"({"shell":"echo $HOME","env":{"HOME":"/own"},"run_as":"nobody"})").output_tail,
            "/own\n");
}

TEST_F(RunAs, MayNotDoWhatOnlyTheDaemonMay) {
  EXPECT_NE(run("cat " + directory_.path() + "/data/supervisor.lock").exit_code, 0);
  EXPECT_NE(run("kill -0 " + std::to_string(::getpid())).exit_code, 0);
  EXPECT_NE(run("cat /proc/" + std::to_string(world_->supervisor_pid) + "/environ").exit_code, 0);
  EXPECT_NE(run("setpriv --reuid=0 --regid=0 --clear-groups true").exit_code, 0);
}

TEST_F(RunAs, ItsOutputIsItsOwn) {
  const auto result = run("echo one > /dev/stdout; echo two > /dev/stderr; cat /proc/self/fd/0");
  EXPECT_EQ(result.output_tail, "one\ntwo\n");
  EXPECT_EQ(world_->run(R"({"shell":"cat /dev/stdin","stdin":"text","run_as":"nobody"})").output_tail,
            "text");
}

TEST_F(RunAs, EntersItsDirectoryAndFindsItsProgramAsTheUser) {
  const auto closed = directory_.path() + "/closed";
  std::filesystem::create_directory(closed);
  std::ofstream(closed + "/program") << "#!/bin/sh\n";
  ::chmod((closed + "/program").c_str(), 0755);
  ::chmod(closed.c_str(), 0700);
  auto result = run("true", R"(,"cwd":")" + closed + "\"");
  EXPECT_EQ(result.message, "cannot enter directory " + closed + ": Permission denied");
  EXPECT_TRUE(result.permanent);
  result = world_->run(R"({"argv":[")" + closed + R"(/program"],"run_as":"nobody"})");
  EXPECT_EQ(result.message, "not executable: " + closed + "/program");
  result = world_->run(R"({"argv":["/no/such"],"run_as":"nobody"})");
  EXPECT_EQ(result.message, "no such file: /no/such");
  EXPECT_TRUE(world_->handler.started.empty()) << "who cannot start has not started";
}

TEST_F(RunAs, OnlyWhoIsAllowedAndWithoutTellingWhoExists) {
  for (const std::string user : {"daemon", "no-such-user", "root\\n"}) {
    const auto result = world_->run(R"({"argv":["true"],"run_as":")" + user + "\"}");
    EXPECT_EQ(result.outcome, Outcome::failed) << user;
    EXPECT_TRUE(result.permanent) << user;
    EXPECT_THAT(result.message,
                testing::AnyOf(HasSubstr("is not allowed here"), HasSubstr("name of a user")));
  }
  EXPECT_EQ(world_->run(R"({"shell":"id -un","run_as":"root"})").output_tail, "root\n") << "the daemon's own";
  EXPECT_TRUE(world_->handler.started.size() == 1);
}

TEST_F(RunAs, AnAllowedUserMustExist) {
  RunnerWorld world(directory_.path() + "/other", {.run_as = {{"no-such-user"}, ""}});
  const auto result = world.run(R"({"argv":["true"],"run_as":"no-such-user"})");
  EXPECT_EQ(result.message, "spec.run_as: there is no user no-such-user on this worker");
  EXPECT_TRUE(result.permanent);
}

TEST_F(RunAs, TheDefaultUserTakesTheDaemonsPlace) {
  RunnerWorld world(directory_.path() + "/other", {.run_as = {{}, kUser}});
  EXPECT_EQ(world.run(R"({"shell":"id -un"})").output_tail, "nobody\n");
  EXPECT_EQ(world.run(R"({"shell":"id -un","run_as":"nobody"})").output_tail, "nobody\n");
  EXPECT_THAT(world.run(R"({"shell":"id -un","run_as":"root"})").message, HasSubstr("not allowed"));
}

TEST_F(RunAs, IsStoppedWithAllThatLeftItsGroup) {
  world_->start(token_of(1), spec("setsid sh -c 'echo $$ > $P; exec sleep 1000' & echo $$ > $P; wait"));
  world_->run_until([&] { return !world_->handler.started.empty(); });
  const std::vector<pid_t> processes{pipe_.pid(), pipe_.pid()};
  world_->runner->kill(token_of(1));
  EXPECT_EQ(world_->result_of(token_of(1)).outcome, Outcome::cancelled);
  for (const pid_t process : processes) EXPECT_FALSE(is_alive(process));
}

TEST_F(RunAs, DiesWithTheSupervisorThoughNobodyCouldFindIt) {
  world_->start(token_of(1), spec("echo $$ > $P; exec env -i sleep 1000"));
  ASSERT_TRUE(world_->run_until([&] { return !world_->handler.started.empty(); }));
  const pid_t leader = pipe_.pid();
  const auto unmarked = [&] { return contents("/proc/" + std::to_string(leader) + "/environ").empty(); };
  ASSERT_TRUE(world_->run_until([&] { return unmarked(); }));
  ASSERT_EQ(::kill(world_->supervisor_pid, SIGKILL), 0);
  EXPECT_TRUE(ends(leader));
  EXPECT_TRUE(world_->run_until([&] { return world_->supervisor_lost; }));
}

TEST_F(RunAs, WhoStopsItsUsersOtherProcessesDoesNotStopTheSupervisor) {
  const auto supervisor = std::to_string(world_->supervisor_pid);
  world_->start(token_of(1),
                spec("echo begun > $P; while :; do read c < /proc/" + supervisor + "/task/" + supervisor +
                     "/children; for p in $c; do [ $p = $$ ] || kill -STOP $p 2>/dev/null; done; done"));
  ASSERT_TRUE(world_->run_until([&] { return !world_->handler.started.empty(); }));
  EXPECT_EQ(pipe_.line(), "begun");
  for (int i = 2; i <= 300; ++i) world_->start(token_of(i), R"({"argv":["true"],"run_as":"nobody"})");
  EXPECT_EQ(world_->run(R"({"argv":["true"]})").outcome, Outcome::succeeded);
  // Whoever was stopped before it executed holds nothing of the others: its own four, and where it tells.
  std::istringstream children(contents("/proc/" + supervisor + "/task/" + supervisor + "/children"));
  for (std::string child; children >> child;) {
    const auto directory = "/proc/" + child;
    std::error_code gone;
    const auto program = std::filesystem::read_symlink(directory + "/exe", gone);
    if (program != std::filesystem::read_symlink("/proc/self/exe")) continue;
    if (!contents(directory + "/status").contains("\nNoNewPrivs:\t1\n")) continue;
    const auto held = std::distance(std::filesystem::directory_iterator(directory + "/fd", gone), {});
    EXPECT_LE(held, 5) << child;
  }
  for (int i = 1; i <= 300; ++i) world_->runner->kill(token_of(i));
  EXPECT_TRUE(world_->run_until([&] { return world_->handler.finished.size() == 301; }));
}

TEST_F(RunAs, ThousandsLeaveNothingBehind) {
  const auto descriptors = [&] {
    const auto path = "/proc/" + std::to_string(world_->supervisor_pid) + "/fd";
    return std::distance(std::filesystem::directory_iterator(path), {});
  };
  run("true");
  const auto before = descriptors();
  for (int i = 1; i <= 1000; ++i)
    world_->start(token_of(i), i % 2 == 0 ? spec("exit 3") : R"({"argv":["/no/such"],"run_as":"nobody"})");
  ASSERT_TRUE(world_->run_until([&] { return world_->handler.finished.size() == 1001; }));
  EXPECT_EQ(world_->handler.started.size(), 501U);
  EXPECT_EQ(descriptors(), before);
}

TEST(RunAsWithoutRights, OnlyRootMayBecomeSomebodyElse) {
  if (::geteuid() != 0) GTEST_SKIP() << "it is seen from a process that was root";
  const auto account = look_up_account(kUser);
  if (!account) GTEST_SKIP() << "this host has no user " << kUser;
  ASSERT_EQ(::seteuid(account->identity.uid), 0);
  const auto other = Accounts({{"root"}, ""}).choose("root");
  const auto own = Accounts({}).choose(kUser);
  ASSERT_EQ(::seteuid(0), 0);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(other.error().message, HasSubstr("does not run as root"));
  ASSERT_TRUE(own) << own.error().message;
}

}  // namespace
}  // namespace ringmaster
