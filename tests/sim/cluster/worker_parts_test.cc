// The simulated supervisor: it must keep leases, and outlive its daemon, as the real one does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/node_loop.h"
#include "tests/sim/sim_worker_parts.h"

namespace ringmaster {
namespace {

using testing::ElementsAre;
using namespace std::chrono_literals;

struct Ends final : RunnerHandler {
  void on_attempt_started(Token, WallTime) override { lines.push_back("started"); }
  void on_attempt_finished(Token, AttemptResult result) override {
    lines.push_back(std::string(to_string(result.outcome)));
  }
  std::vector<std::string> lines;
};

class SimRunnerTest : public testing::Test {
 protected:
  SimRunnerTest() {
    runner_->set_handler(ends_);
    runner_->longest = 0s;
  }
  void start(std::int64_t number, OnWorkerLost policy = OnWorkerLost::rerun_after_lease) {
    Dispatch attempt;
    attempt.token = {make_task_id(number, 1), 1, 1};
    attempt.on_worker_lost = policy;
    runner_->start(attempt);
  }
  // Starts one that does not end before the daemon thaws.
  void start_and_freeze() {
    runner_->extend_lease(1, loop_.now() + 10s);
    start(1);
    daemon_.freeze();
  }

  ManualLoop loop_;
  NodeLoop daemon_{loop_};
  MemoryDatabase database_;
  Witness witness_{database_};
  SimDisk disk_;
  Ends ends_;
  std::unique_ptr<SimRunner> runner_ =
      std::make_unique<SimRunner>(daemon_, loop_, loop_, witness_, disk_, "w1", Incarnation{1});
};

TEST_F(SimRunnerTest, EndsALeaseOfAFrozenDaemonThatHearsOfItWhenItThaws) {
  start_and_freeze();
  loop_.advance(10s - 1us);
  EXPECT_EQ(witness_.running(), 1U);
  loop_.advance(1us + runner_->longest_lease_kill);
  EXPECT_EQ(witness_.running(), 0U);
  EXPECT_THAT(ends_.lines, ElementsAre());
  daemon_.thaw();
  loop_.run_ready();
  EXPECT_THAT(ends_.lines, ElementsAre("started", "lost"));
}

TEST_F(SimRunnerTest, KeepsWhatALeaseThatGrewInTimeCovers) {
  start_and_freeze();
  loop_.advance(9s);
  runner_->extend_lease(1, loop_.now() + 10s);
  loop_.advance(9s);
  EXPECT_EQ(witness_.running(), 1U);
  daemon_.thaw();
  loop_.run_ready();
  ASSERT_EQ(ends_.lines.size(), 2U);
  EXPECT_NE(ends_.lines.back(), "lost");
}

TEST_F(SimRunnerTest, RevivesNothingByALeaseThatComesTooLate) {
  // Made first, it runs first when both are due.
  loop_.after(10s, [this] { runner_->extend_lease(1, loop_.now() + 1h); });
  start_and_freeze();
  loop_.advance(10s + runner_->longest_lease_kill);
  EXPECT_EQ(witness_.running(), 0U);
}

TEST_F(SimRunnerTest, LeavesOtherPoliciesAlone) {
  start_and_freeze();
  start(2, OnWorkerLost::fail);
  loop_.advance(1h);
  EXPECT_EQ(witness_.running(), 1U);
}

TEST_F(SimRunnerTest, AnAttemptTakesTheTimeThatItsSpecSays) {
  Dispatch attempt;
  attempt.token = {make_task_id(1, 1), 1, 1};
  attempt.spec = R"({"sleep":"20s"})";
  runner_->start(attempt);
  loop_.advance(20s - 1us);
  EXPECT_THAT(ends_.lines, ElementsAre("started"));
  loop_.advance(1us);
  EXPECT_THAT(ends_.lines, ElementsAre("started", "succeeded"));
}

TEST_F(SimRunnerTest, StartsNothingWithoutALease) {
  start(1);
  runner_->extend_lease(1, loop_.now());
  start(2);
  loop_.run_ready();
  EXPECT_EQ(witness_.runs(), 0U);
  EXPECT_THAT(ends_.lines, ElementsAre("lost", "lost"));
}

TEST_F(SimRunnerTest, ItsAttemptsOutliveItsDaemonForAWhileThatTheNextOneMayNot) {
  start_and_freeze();
  runner_.reset();
  EXPECT_EQ(witness_.running(), 1U);
  EXPECT_GT(disk_.busy_until, loop_.now());
  EXPECT_LE(disk_.busy_until, loop_.now() + 300ms);
  loop_.advance(disk_.busy_until - loop_.now());
  EXPECT_EQ(witness_.running(), 0U);
}

}  // namespace
}  // namespace ringmaster
