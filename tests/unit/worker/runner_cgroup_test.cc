// Attempts in cgroups of their own, where this machine lets the tests make some.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/statfs.h>
#include <sys/wait.h>

#include "tests/unit/worker/runner_fixture.h"
#include "worker/attempt_cgroups.h"

namespace ringmaster {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using namespace std::chrono_literals;

TEST(OwnCgroups, AreFoundThroughTheirMounts) {
  constexpr auto kMounts =
      "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
      "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
      "35 31 0:32 /outer /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
      "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
  const auto roots =
      own_cgroups("8:pids:/p\n4:memory:/outer/a/b\n1:cpu,cpuacct:/\n0::/system.slice/x\n", kMounts);
  EXPECT_EQ(roots.unified, "/sys/fs/cgroup/unified/system.slice/x");
  EXPECT_EQ(roots.memory, "/sys/fs/cgroup/memory/a/b");
  EXPECT_EQ(roots.cpu, "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_EQ(roots.pids, "") << "not mounted";
  EXPECT_EQ(own_cgroups("", "nonsense\n- - -\n").unified, "");
}

TEST(CgroupRoot, ThatIsNoneIsRefusedWithAReason) {
  TempDirectory directory;
  EXPECT_EQ(find_cgroup_roots("yes").error().message,
            "cgroup_root yes: must be off, auto or the path of a cgroup");
  EXPECT_EQ(find_cgroup_roots("/no/such").error().message, "cgroup_root /no/such: No such file or directory");
  EXPECT_EQ(find_cgroup_roots(directory.path()).error().message,
            "cgroup_root " + directory.path() + ": not a cgroup of version 2");
  EXPECT_EQ(find_cgroup_roots("off")->unified, "");
}

TEST(KillCgroup, DoesWithoutTheKernelsHelpToo) {
  TempDirectory directory;
  const pid_t child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  std::ofstream(directory.path() + "/cgroup.procs") << "0\n" << child << "\n";
  kill_cgroup(directory.path());
  EXPECT_TRUE(ends(child));
  ::waitpid(child, nullptr, 0);
}

class CgroupTest : public testing::Test {
 protected:
  void SetUp() override {
    roots_ = *find_cgroup_roots("auto");
    const auto probe = roots_.unified + "/ringworker-probe-" + std::to_string(::getpid());
    if (roots_.unified.empty() || ::mkdir(probe.c_str(), 0755) != 0)
      GTEST_SKIP() << "no cgroup of version 2 that this user may make others in";
    ::rmdir(probe.c_str());
    world_.emplace(directory_.path() + "/data", ProcessRules{.run_as = {{"nobody"}, ""}}, "auto");
  }
  AttemptResult run(const std::string& limits, const std::string& shell) {
    return world_->run(R"({"shell":")" + shell + R"(","limits":)" + limits + "}");
  }
  bool has(const std::string& root) const {
    const bool there = !root.empty() && ::access(root.c_str(), W_OK) == 0;
    return there;
  }
  // Directories of this test's worker that are still there.
  std::vector<std::string> cgroups() const {
    struct stat status{};
    EXPECT_EQ(::stat((directory_.path() + "/data/supervisor.lock").c_str(), &status), 0);
    std::ostringstream name;
    name << "/ringworker-" << std::hex << status.st_dev << '.' << status.st_ino;
    std::vector<std::string> found;
    for (const auto& root : {roots_.unified, roots_.memory, roots_.cpu, roots_.pids}) {
      if (root.empty() || !std::filesystem::exists(root + name.str())) continue;
      for (const auto& entry : std::filesystem::directory_iterator(root + name.str()))
        if (entry.is_directory()) found.push_back(entry.path());
      found.push_back(root + name.str());
    }
    return found;
  }

  TempDirectory directory_;
  LinePipe pipe_{directory_.path() + "/pipe"};
  CgroupRoots roots_;
  std::optional<RunnerWorld> world_;
};

TEST_F(CgroupTest, SayWhatTheyDoOnThisMachine) {
  std::string wanted = "kill";
  if (has(roots_.memory)) wanted += ", memory";
  if (has(roots_.cpu)) wanted += ", cpu";
  if (has(roots_.pids)) wanted += ", processes";
  const auto name = "test-" + std::to_string(::getpid());
  if (!roots_.memory.empty()) {  // elsewhere the unified ones may hold limits, too
    EXPECT_EQ(AttemptCgroups(roots_, name).describe(), wanted);
  }
  EXPECT_EQ(AttemptCgroups({}, name).describe(), "nothing");
}

TEST_F(CgroupTest, WhoUsesUpItsMemoryIsToldSo) {
  if (!has(roots_.memory)) GTEST_SKIP() << "no memory controller";
  const auto result = run(R"({"memory":"16MiB"})", "a=x; while :; do a=$a$a; done");
  EXPECT_EQ(result.outcome, Outcome::failed);
  EXPECT_EQ(result.message, "out of memory, its limit is 16MiB: killed by signal 9 (Killed)");
  EXPECT_EQ(run(R"({"memory":"16MiB"})", "sh -c 'a=x; while :; do a=$a$a; done'; exit 7").message,
            "out of memory, its limit is 16MiB: exit code 7");
  EXPECT_EQ(run(R"({"memory":"64MiB"})", "head -c 16000000 /dev/zero | tail -c 16000000 | wc -c").output_tail,
            "16000000\n");
}

TEST_F(CgroupTest, TheNumberOfProcessesBindsRootToo) {
  if (!has(roots_.pids)) GTEST_SKIP() << "no pids controller";
  const auto result =
      run(R"({"processes":10})", "i=0; while [ $i -lt 50 ]; do sleep 1000 & i=$((i+1)); done; echo all");
  EXPECT_NE(result.output_tail, "all\n");
  EXPECT_THAT(result.output_tail, HasSubstr("annot fork"));
}

TEST_F(CgroupTest, CoresAreAShareOfTime) {
  if (!has(roots_.cpu)) GTEST_SKIP() << "no cpu controller";
  world_->start(token_of(1),
                R"({"shell":"echo up > )" + pipe_.path() + R"(; exec sleep 1000","limits":{"cpu":0.25}})");
  ASSERT_TRUE(world_->run_until([&] { return !world_->handler.started.empty(); }));
  EXPECT_EQ(pipe_.line(), "up");
  std::string quota;
  for (const auto& directory : cgroups()) {
    if (std::filesystem::exists(directory + "/cpu.cfs_quota_us") && directory.ends_with("/1"))
      quota = contents(directory + "/cpu.cfs_quota_us") + contents(directory + "/cgroup.procs");
  }
  EXPECT_THAT(quota, StartsWith("25000\n"));
  EXPECT_GT(quota.size(), 7U) << "and it is in there";
}

TEST_F(CgroupTest, NothingEscapesWithoutASessionAGroupOrAnEnvironment) {
  world_->start(token_of(1), R"({"shell":"env -i setsid sh -c 'echo $$ > )" + pipe_.path() +
                                 R"(; exec sleep 1000' & read x < )" + pipe_.path() + R"(.go"})");
  LinePipe go(pipe_.path() + ".go");
  ASSERT_TRUE(world_->run_until([&] { return !world_->handler.started.empty(); }));
  const pid_t escaped = pipe_.pid();
  ASSERT_TRUE(is_alive(escaped));
  go.write("go\n");
  EXPECT_EQ(world_->result_of(token_of(1)).outcome, Outcome::succeeded);
  EXPECT_FALSE(is_alive(escaped));
}

TEST_F(CgroupTest, AForkBombDiesAtOnce) {
  world_->start(
      token_of(1),
      R"({"shell":"b() { env -i setsid sh -c 'while :; do sleep 0.01 & done' & }; b; b; b; echo up > )" +
          pipe_.path() + R"(; wait","limits":{"processes":200},"kill_grace":"0s"})");
  ASSERT_TRUE(world_->run_until(
      [&] { return world_->handler.started.size() + world_->handler.finished.size() > 0; }));
  if (!world_->handler.finished.empty()) GTEST_SKIP() << world_->handler.finished[0].second.message;
  EXPECT_EQ(pipe_.line(), "up");
  world_->runner->kill(token_of(1));
  EXPECT_EQ(world_->result_of(token_of(1)).outcome, Outcome::cancelled);
  EXPECT_EQ(cgroups().size(), cgroups().empty() ? 0U : 4U) << "only the worker's own are left";
}

TEST_F(CgroupTest, AnotherUserIsHeldToo) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can run an attempt as another user";
  const auto result = world_->run(R"({"shell":"cut -d: -f3 /proc/self/cgroup | grep -c ringworker; id -un",)"
                                  R"("run_as":"nobody"})");
  EXPECT_EQ(result.output_tail, "1\nnobody\n");
}

TEST_F(CgroupTest, LeavesNoCgroupBehind) {
  for (int i = 1; i <= 50; ++i)
    world_->start(token_of(i), i % 2 == 0 ? R"({"argv":["true"]})" : R"({"argv":["/no/such"]})");
  ASSERT_TRUE(world_->run_until([&] { return world_->handler.finished.size() == 50; }));
  for (const auto& directory : cgroups())
    EXPECT_TRUE(std::filesystem::path(directory).filename().string().starts_with("ringworker-")) << directory;
  world_.reset();
  EXPECT_THAT(cgroups(), testing::IsEmpty());
}

TEST_F(CgroupTest, TheNextLifeKillsWhatHidFromTheLast) {
  world_->start(token_of(1), R"({"shell":"env -i setsid sh -c 'echo $$ > )" + pipe_.path() +
                                 R"(; exec sleep 1000' & wait"})");
  ASSERT_TRUE(world_->run_until([&] { return !world_->handler.started.empty(); }));
  const pid_t hidden = pipe_.pid();
  ASSERT_EQ(::kill(world_->supervisor_pid, SIGKILL), 0);
  ASSERT_TRUE(world_->run_until([&] { return world_->supervisor_lost; }));
  ASSERT_TRUE(is_alive(hidden));
  world_.reset();
  RunnerWorld next(directory_.path() + "/data", {}, "auto");
  EXPECT_TRUE(ends(hidden));
}

}  // namespace
}  // namespace ringmaster
