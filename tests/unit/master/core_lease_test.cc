// Leases, late results and relays, as the owner sees them.
#include <gmock/gmock.h>

#include "tests/unit/master/core_harness.h"

namespace ringmaster {
namespace {

using namespace std::chrono_literals;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const NewTask kLeased{.retry = {.max_attempts = 3}, .on_worker_lost = OnWorkerLost::rerun_after_lease};

std::vector<LeaseGrant> grants(const CoreHarness& h) {
  std::vector<LeaseGrant> found;
  for (const auto& [link, message] : h.last.sends) {
    if (const auto* grant = std::get_if<LeaseGrant>(&message)) found.push_back(*grant);
  }
  return found;
}
void status(Dispatched& h, MonoTime sent_at = MonoTime{5s}) {
  h.core.on_message(h.w1, WorkerStatus{.credit_limit = 10, .sent_at = sent_at}, h.now);
  h.take();
}
void lose_sight(Dispatched& h) {
  h.core.on_link_down(h.w1, h.now);
  h.unregister("w1");
  h.take();
}
// Until the core takes the attempt for lost, in steps of the worker check.
Duration until_lost(Dispatched& h) {
  const MonoTime from = h.now.mono;
  while (h.last.retries.empty() && h.last.completions.empty() && h.now.mono - from < 5min) {
    h.pass(100ms);
    h.take();
  }
  return h.now.mono - from;
}

TEST(SchedulerCoreLease, IsGrantedOnlyOnAFreshProofForTheShardsOwnedNow) {
  Dispatched h(kLeased);
  status(h);
  EXPECT_THAT(grants(h), IsEmpty()) << "nothing is proved";
  h.core.on_proved(h.now.mono - 5s);
  status(h);
  ASSERT_THAT(grants(h), SizeIs(1));
  EXPECT_EQ(grants(h)[0].status_sent_at, MonoTime{5s});
  EXPECT_THAT(grants(h)[0].shards, SizeIs(kShardCount));
  h.pass(1us);
  status(h);
  EXPECT_THAT(grants(h), IsEmpty()) << "the proof is too old";
  h.core.on_shards_released({7});
  h.core.on_proved(h.now.mono);
  status(h);
  ASSERT_THAT(grants(h), SizeIs(1));
  EXPECT_THAT(grants(h)[0].shards, SizeIs(kShardCount - 1)) << "what was handed over is not ours to prolong";
}

TEST(SchedulerCoreLease, ALostAttemptThatMustNotOverlapWaitsUntilItsLeaseIsOver) {
  Dispatched h(kLeased);
  h.pass(10min);
  h.core.on_proved(h.now.mono);
  status(h);
  h.pass(2s);
  lose_sight(h);
  const LeaseTimes times;
  const Duration waited = until_lost(h);
  EXPECT_GE(waited, times.wait(false) - 2s);
  EXPECT_LE(waited, times.wait(false) - 2s + 200ms);
  ASSERT_THAT(h.last.retries, SizeIs(1));
  EXPECT_EQ(h.last.retries[0].next_attempt, 2);
}

TEST(SchedulerCoreLease, ANewOwnerAddsWhatItsPredecessorMayHaveGranted) {
  Dispatched h(kLeased);  // a grant was never given: but the shard was taken just now
  lose_sight(h);
  const Duration waited = until_lost(h);
  EXPECT_GE(waited, LeaseTimes{}.wait(true));
  EXPECT_LE(waited, LeaseTimes{}.wait(true) + 200ms);
}

TEST(SchedulerCoreLease, ADeadDaemonsSupervisorGetsItsTime) {
  Dispatched h(kLeased);
  h.core.on_link_down(h.w1, h.now);
  h.core.on_dial_refused("w1", h.now);
  h.pass(200ms);
  h.core.on_dial_refused("w1", h.now);
  h.take();
  EXPECT_THAT(h.last.retries, IsEmpty());
  const Duration waited = until_lost(h);
  EXPECT_GE(waited, CoreOptions{}.death_settle - 100ms);
  EXPECT_LE(waited, CoreOptions{}.death_settle + 100ms);
}

TEST(SchedulerCoreLease, AWorkerThatComesBackInTimeKeepsItsAttempt) {
  Dispatched h(kLeased);
  lose_sight(h);
  h.pass(20s);
  h.connect("w1", Incarnation{101}, {{h.token, HeldState::running, h.now.wall}});
  h.pass(60s);
  h.take();
  EXPECT_THAT(h.last.retries, IsEmpty());
  EXPECT_EQ(h.core.live(h.id)->state, TaskState::running);
}

TEST(SchedulerCoreLease, AnAtMostOnceTaskEndsLostWhenNothingOfItCanStartAnyMore) {
  Dispatched h({.on_worker_lost = OnWorkerLost::fail});
  lose_sight(h);
  EXPECT_GE(until_lost(h), LeaseTimes{}.wait(true));
  ASSERT_THAT(h.last.completions, SizeIs(1));
  EXPECT_EQ(h.last.completions[0].state, TaskState::lost);
}

TEST(SchedulerCoreLease, AWorkerWhoseLeaseRanOutSaysLostAndTheTaskRunsAgainAtOnce) {
  Dispatched h(kLeased);
  h.report(h.w1, h.token, Outcome::lost);
  h.take();
  ASSERT_THAT(h.last.retries, SizeIs(1));
  EXPECT_EQ(h.last.retries[0].failures, 0) << "it is not the task's fault";
  EXPECT_EQ(h.last.retries[0].run_at, h.now.wall);
}

TEST(SchedulerCoreRelay, AResultForAnothersShardIsHandedOnAndNotJudged) {
  Dispatched h;
  h.core.on_shards_released({h.id.shard()});
  h.report(h.w1, h.token);
  h.take();
  EXPECT_THAT(h.acknowledged(), IsEmpty());
  ASSERT_THAT(h.last.foreign, SizeIs(1));
  EXPECT_EQ(h.last.foreign[0].worker, "w1");
  EXPECT_EQ(h.last.foreign[0].report.token, h.token);
}

TEST(SchedulerCoreRelay, TheOwnersAnswerGoesBackByTheSameWay) {
  Dispatched h;
  constexpr LinkId kMaster = 77;
  h.core.on_relayed(kMaster, {"w1", {{h.token, {}}}}, h.now);
  h.take();
  ASSERT_THAT(h.last.completions, SizeIs(1));
  h.commit();
  h.take();
  ASSERT_THAT(h.last.sends, SizeIs(1));
  EXPECT_EQ(h.last.sends[0].first, kMaster);
  const auto* acks = std::get_if<RelayedAcks>(&h.last.sends[0].second);
  ASSERT_NE(acks, nullptr);
  EXPECT_EQ(acks->worker, "w1");
  h.core.on_relayed_acks(*acks);
  h.take();
  ASSERT_THAT(h.acknowledged(), SizeIs(1));
  EXPECT_EQ(h.acknowledged()[0].token, h.token);
}

TEST(SchedulerCoreRelay, AnswersForAWorkerThatIsGoneAreDropped) {
  Dispatched h;
  h.core.on_link_down(h.w1, h.now);
  h.core.on_relayed_acks({"w1", {{h.token, ResultFate::recorded}}});
  h.core.on_relayed_acks({"nobody", {{h.token, ResultFate::recorded}}});
  h.take();
  EXPECT_THAT(h.acknowledged(), IsEmpty());
}

}  // namespace
}  // namespace ringmaster
