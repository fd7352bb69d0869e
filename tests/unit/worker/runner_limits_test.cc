// What attempts may use: the limits of a spec, and what the kernel makes of them.
#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>

#include "tests/unit/worker/runner_fixture.h"
#include "worker/account.h"
#include "worker/attempt_limits.h"

namespace ringmaster {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

TEST(AttemptLimits, ReadsEveryField) {
  const auto limits = parse_attempt_limits(boost::json::parse(
      R"({"memory":"512MiB","cpu":"1.5","cpu_time":"10m","processes":64,"open_files":1024,"file_size":"1GiB"})"));
  ASSERT_TRUE(limits) << limits.error().message;
  EXPECT_EQ(*limits, (AttemptLimits{512 << 20, 1500, 10min, 64, 1024, 1 << 30}));
  EXPECT_EQ(parse_attempt_limits(boost::json::parse(R"({"cpu":0.25})"))->cpu_millicores, 250);
  EXPECT_EQ(parse_attempt_limits(boost::json::parse(R"({"cpu":2})"))->cpu_millicores, 2000);
  EXPECT_EQ(*parse_attempt_limits(boost::json::parse("{}")), AttemptLimits{});
}

TEST(AttemptLimits, RefusesWhatIsNone) {
  for (const auto& [json, field] : std::vector<std::pair<std::string, std::string>>{
           {"[]", "spec.limits"},
           {R"({"mem":"1GiB"})", "spec.limits.mem"},
           {R"({"memory":536870912})", "spec.limits.memory"},
           {R"({"memory":"1MiB"})", "spec.limits.memory"},
           {R"({"memory":""})", "spec.limits.memory"},
           {R"({"memory":"9999999999GiB"})", "spec.limits.memory"},
           {R"({"cpu":0})", "spec.limits.cpu"},
           {R"({"cpu":"-1"})", "spec.limits.cpu"},
           {R"({"cpu":"nan"})", "spec.limits.cpu"},
           {R"({"cpu":"1.5x"})", "spec.limits.cpu"},
           {R"({"cpu":1e300})", "spec.limits.cpu"},
           {R"({"cpu_time":"500ms"})", "spec.limits.cpu_time"},
           {R"({"cpu_time":"1500ms"})", "spec.limits.cpu_time"},
           {R"({"cpu_time":60})", "spec.limits.cpu_time"},
           {R"({"processes":0})", "spec.limits.processes"},
           {R"({"processes":"64"})", "spec.limits.processes"},
           {R"({"open_files":3})", "spec.limits.open_files"},
           {R"({"file_size":"0"})", "spec.limits.file_size"},
       }) {
    const auto limits = parse_attempt_limits(boost::json::parse(json));
    ASSERT_FALSE(limits) << json;
    EXPECT_EQ(limits.error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(limits.error().field, field) << json;
  }
}

TEST(AttemptLimits, TheWorkersBoundHoldsWhoNamesNone) {
  AttemptLimits most;
  most.memory_bytes = 100 << 20;
  most.processes = 10;
  AttemptLimits limits;
  ASSERT_TRUE(hold_to(most, limits));
  EXPECT_EQ(limits, most);
  limits.memory_bytes = 50 << 20;
  ASSERT_TRUE(hold_to(most, limits));
  EXPECT_EQ(limits.memory_bytes, 50 << 20);
  limits.memory_bytes = 101 << 20;
  EXPECT_EQ(hold_to(most, limits).error().message,
            "spec.limits.memory: this worker gives an attempt at most 100MiB (max_memory)");
  limits = {};
  limits.processes = 11;
  EXPECT_EQ(hold_to(most, limits).error().field, "spec.limits.processes");
}

class LimitsTest : public testing::Test {
 protected:
  AttemptResult run(const std::string& limits, const std::string& shell, const std::string& fields = {}) {
    return world_.run(R"({"shell":")" + shell + R"(","limits":)" + limits + fields + "}");
  }
  TempDirectory directory_;
  RunnerWorld world_{directory_.path(), {.run_as = {{"nobody"}, ""}}};
};

TEST_F(LimitsTest, AreTheKernelsWhereThereIsNoCgroup) {
  const auto result = run(R"({"memory":"64MiB","cpu_time":"7s","open_files":77,"file_size":"8KiB"})",
                          "ulimit -v; ulimit -t; ulimit -n; ulimit -Hn; ulimit -f");
  EXPECT_EQ(result.output_tail, "65536\n7\n77\n77\n16\n") << result.message;
}

TEST_F(LimitsTest, TheNumberOfProcessesBindsAUserWhoIsNotRoot) {
  const auto limits = R"({"processes":5})";
  if (::geteuid() != 0) {
    EXPECT_EQ(run(limits, "ulimit -u").output_tail, "5\n");
    return;
  }
  const auto refused = run(limits, "true");
  EXPECT_TRUE(refused.permanent);
  EXPECT_THAT(refused.message, HasSubstr("spec.limits.processes: without a cgroup"));
  EXPECT_THAT(run(R"({"processes":1000})", "grep 'Max processes' /proc/self/limits", R"(,"run_as":"nobody")")
                  .output_tail,
              testing::ContainsRegex("processes +1000 +1000 "));
}

TEST_F(LimitsTest, ALimitThatNothingHoldsRunsNothing) {
  const auto result = run(R"({"cpu":1.5})", "true");
  EXPECT_EQ(result.outcome, Outcome::failed);
  EXPECT_TRUE(result.permanent);
  EXPECT_EQ(result.message, "spec.limits.cpu: needs a cgroup, and this worker has none for it (cgroup_root)");
  EXPECT_TRUE(world_.handler.started.empty());
}

TEST_F(LimitsTest, ALimitThatCannotBeSetRunsNothing) {
  const auto result = run(R"({"open_files":2000000000})", "true");
  EXPECT_EQ(result.outcome, Outcome::failed);
  EXPECT_TRUE(result.permanent);
  EXPECT_THAT(result.message,
              testing::StartsWith("cannot set its limit open_files: Operation not permitted"));
  EXPECT_TRUE(world_.handler.started.empty());
}

TEST_F(LimitsTest, RootMayNotGoBeyondTheWorkersOwnEither) {
  if ((effective_capabilities() >> CAP_SYS_RESOURCE & 1U) == 0)
    GTEST_SKIP() << "the kernel refuses it, and would not let this test raise its limit again";
  rlimit own{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &own), 0);
  const rlimit lower{512, 512};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &lower), 0);
  RunnerWorld world(directory_.path() + "/lower");
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &own), 0);
  EXPECT_EQ(world.run(R"({"shell":"ulimit -Hn","limits":{"open_files":512}})").output_tail, "512\n");
  const auto result = world.run(R"({"argv":["true"],"limits":{"open_files":513}})");
  EXPECT_EQ(
      result.message,
      "cannot set its limit open_files: Operation not permitted; it must not be above this worker's own");
  EXPECT_TRUE(result.permanent);
}

TEST_F(LimitsTest, WhoWritesTooMuchIsToldSo) {
  const auto result =
      run(R"({"file_size":"4KiB"})", "exec head -c 100000 /dev/zero > " + directory_.path() + "/big");
  EXPECT_EQ(result.message, "killed by signal 25 (File size limit exceeded)");
  EXPECT_EQ(std::filesystem::file_size(directory_.path() + "/big"), 4096U);
}

TEST_F(LimitsTest, WhoComputesTooLongIsToldSo) {
  const auto result = run(R"({"cpu_time":"1s"})", "while :; do :; done");
  EXPECT_EQ(result.message, "killed by signal 24 (CPU time limit exceeded)");
  EXPECT_EQ(run(R"({"cpu_time":"1s"})", "trap '' XCPU; while :; do :; done").signal, SIGKILL);
}

}  // namespace
}  // namespace ringmaster
