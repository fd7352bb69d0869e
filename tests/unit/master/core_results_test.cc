#include <gmock/gmock.h>

#include "tests/unit/master/core_harness.h"

namespace ringmaster {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(SchedulerCoreResults, AcknowledgesAResultOnlyAfterItsCommit) {
  Dispatched h;
  h.report(h.w1, h.token);
  h.take();
  ASSERT_THAT(h.last.completions, SizeIs(1));
  EXPECT_THAT(h.acknowledged(), IsEmpty());
  h.commit();
  h.take();
  ASSERT_THAT(h.acknowledged(), SizeIs(1));
  EXPECT_EQ(h.acknowledged()[0].fate, ResultFate::recorded);
  EXPECT_EQ(h.core.tasks_in_memory(), 0u);
}

TEST(SchedulerCoreResults, ARepeatedResultIsCommittedOnceAndAnsweredOnTheNewerLink) {
  Dispatched h;
  h.report(h.w1, h.token);
  h.take();
  const Effects first = h.last;
  h.core.on_link_down(h.w1, h.now);
  const LinkId again = h.connect("w1", Incarnation{101}, {{h.token, HeldState::finished, {}}});
  h.report(again, h.token);
  h.take();
  EXPECT_THAT(h.last.completions, IsEmpty());
  h.last = first;
  h.commit();
  h.take();
  ASSERT_THAT(h.last.sends, SizeIs(1));
  EXPECT_EQ(h.last.sends[0].first, again);
}

TEST(SchedulerCoreResults, AFailureIsRetriedAfterItsBackoffWithTheNextAttemptNumber) {
  Dispatched h({.retry = {.max_attempts = 2, .backoff = std::chrono::seconds(2)}});
  h.report(h.w1, h.token, Outcome::failed);
  h.take();
  ASSERT_THAT(h.last.retries, SizeIs(1));
  EXPECT_EQ(h.last.retries[0].next_attempt, 2);
  h.commit();
  h.take();
  EXPECT_THAT(h.dispatched(), IsEmpty());
  h.pass(std::chrono::seconds(2));
  h.take();
  ASSERT_THAT(h.dispatched(), SizeIs(1));
  EXPECT_EQ(h.dispatched()[0].second, (Token{h.id, 1, 2}));
  h.report(h.w1, h.dispatched()[0].second, Outcome::failed);
  h.take();
  ASSERT_THAT(h.last.completions, SizeIs(1)) << "no attempt is left";
  EXPECT_EQ(h.last.completions[0].state, TaskState::failed);
}

TEST(SchedulerCoreResults, APermanentFailureIsNotRetried) {
  Dispatched h({.retry = {.max_attempts = 5}});
  AttemptResult result;
  result.outcome = Outcome::failed;
  result.permanent = true;
  h.core.on_message(h.w1, ResultBatch{{{h.token, result}}}, h.now);
  h.take();
  ASSERT_THAT(h.last.completions, SizeIs(1));
}

TEST(SchedulerCoreResults, AReleasedAttemptRunsAgainWhateverItsPolicyAndCountsForNothing) {
  for (const auto policy : {OnWorkerLost::rerun, OnWorkerLost::rerun_after_lease, OnWorkerLost::fail}) {
    Dispatched h(
        {.retry = {.max_attempts = 1, .backoff = std::chrono::seconds(2)}, .on_worker_lost = policy});
    h.report(h.w1, h.token, Outcome::released);
    h.take();
    ASSERT_THAT(h.last.retries, SizeIs(1));
    const Retry& retry = h.last.retries[0];
    EXPECT_EQ(retry.next_attempt, 2);
    EXPECT_EQ(retry.failures, 0);
    EXPECT_EQ(retry.crashes, 0);
    EXPECT_EQ(retry.run_at, h.now.wall + std::chrono::seconds(2)) << "its worker stays: not in a circle";
  }
}

TEST(SchedulerCoreResults, WhatIsReleasedAgainAndAgainGoesInNoCircleAtFullSpeed) {
  Dispatched h({.retry = {.backoff = std::chrono::seconds(0)}});
  h.report(h.w1, h.token, Outcome::released);
  h.take();
  ASSERT_THAT(h.last.retries, SizeIs(1));
  EXPECT_GE(h.last.retries[0].run_at, h.now.wall + std::chrono::seconds(1));
}

TEST(SchedulerCoreResults, WhatADrainingWorkerReleasesRunsElsewhereAtOnce) {
  Dispatched h({.retry = {.max_attempts = 1, .backoff = std::chrono::seconds(2)}});
  h.core.on_message(h.w1, WorkerStatus{.credit_limit = 0, .draining = true}, h.now);
  h.report(h.w1, h.token, Outcome::released);
  h.take();
  ASSERT_THAT(h.last.retries, SizeIs(1));
  EXPECT_EQ(h.last.retries[0].run_at, h.now.wall);
}

TEST(SchedulerCoreResults, TheLatestProgressOfTheRunningAttemptIsShown) {
  Dispatched h;
  const auto tell = [&](Token token, double fraction, std::string message) {
    h.core.on_message(h.w1, ProgressBatch{{{token, {fraction, std::move(message), h.now.wall}}}}, h.now);
    return h.core.live(h.id)->progress;
  };
  EXPECT_FALSE(tell(h.token, 0.1, "too early")) << "it has not started";
  h.core.on_message(h.w1, StartedBatch{{{h.token, h.now.wall}}}, h.now);
  EXPECT_EQ(tell(h.token, 0.25, "a quarter")->message, "a quarter");
  EXPECT_EQ(tell(h.token, 7, "all")->fraction, 1) << "bounded, whoever says it";
  Token other = h.token;
  ++other.attempt;
  EXPECT_EQ(tell(other, 0.5, "of another attempt")->message, "all");
}

TEST(SchedulerCoreResults, AResultOfATaskNotInMemoryIsJudgedByTheStore) {
  CoreHarness h;
  h.own_all();
  const LinkId w1 = h.add_worker("w1");
  const Token token{make_task_id(500, 3), 1, 1};
  h.report(w1, token);
  h.take();
  ASSERT_THAT(h.last.reads, SizeIs(1));
  EXPECT_THAT(h.acknowledged(), IsEmpty()) << "not in memory is no fact";
  const Completion end{token, TaskState::succeeded, "w1", {}};
  h.core.on_lookup(std::get<LookupRead>(h.last.reads.back()), {{.id = token.task, .row = {}, .end = end}},
                   h.now);
  h.take();
  ASSERT_THAT(h.acknowledged(), SizeIs(1));
  EXPECT_EQ(h.acknowledged()[0].fate, ResultFate::recorded);
}

// Each of these ended the task with an attempt of the same number.
TEST(SchedulerCoreResults, AResultIsRecordedOnlyIfTheEndIsItsOwn) {
  const Token token{make_task_id(500, 3), 2, 1};
  AttemptResult lost;
  lost.outcome = Outcome::lost;
  lost.finished_at = CoreHarness().now.wall;  // the master's time
  const std::vector<std::pair<const char*, Completion>> ends{
      {"a verdict on its worker", {token, TaskState::lost, "w1", lost}},
      {"another dispatch of this attempt", {{token.task, 1, 1}, TaskState::succeeded, "w1", {}}},
      {"a cancel while it was on no worker", {token, TaskState::cancelled, "", {}}}};
  for (const auto& [what, end] : ends) {
    CoreHarness h;
    h.own_all();
    h.report(h.add_worker("w1"), token);
    h.take();
    ASSERT_THAT(h.last.reads, SizeIs(1));
    h.core.on_lookup(std::get<LookupRead>(h.last.reads.back()), {{.id = token.task, .row = {}, .end = end}},
                     h.now);
    h.take();
    EXPECT_THAT(h.last.lates, SizeIs(1)) << what;
    EXPECT_THAT(h.acknowledged(), IsEmpty()) << what;
  }
}

// Its worker's next life said so; the acknowledgement was lost.
TEST(SchedulerCoreResults, AnAttemptsOwnLossThatIsSaidAgainIsRecorded) {
  CoreHarness h;
  h.own_all();
  const LinkId w1 = h.add_worker("w1");
  const Token token{make_task_id(500, 3), 2, 1};
  AttemptResult lost;
  lost.outcome = Outcome::lost;
  lost.finished_at = h.now.wall - std::chrono::seconds(3);
  h.core.on_message(w1, ResultBatch{{{token, lost}}}, h.now);
  h.take();
  ASSERT_THAT(h.last.reads, SizeIs(1));
  h.core.on_lookup(std::get<LookupRead>(h.last.reads.back()),
                   {{.id = token.task, .row = {}, .end = Completion{token, TaskState::lost, "w1", lost}}},
                   h.now);
  h.take();
  EXPECT_THAT(h.last.lates, IsEmpty());
  ASSERT_THAT(h.acknowledged(), SizeIs(1));
  EXPECT_EQ(h.acknowledged()[0].fate, ResultFate::recorded);
}

TEST(SchedulerCoreResults, AnOlderTokensResultIsRefused) {
  Dispatched h;
  h.core.on_link_down(h.w1, h.now);
  h.unregister("w1");
  h.take();
  ASSERT_THAT(h.last.retries, SizeIs(1)) << "registry node gone and channel dead";
  const Token old = h.token;
  const LinkId w2 = h.add_worker("w2");
  h.take();
  h.core.on_retried({}, {}, h.now);
  Retry retry;
  retry.token = old;
  retry.next_attempt = 2;
  retry.run_at = h.now.wall;
  retry.rank = 1;
  h.core.on_retried({retry}, {WriteFate::applied}, h.now);
  h.take();
  ASSERT_THAT(h.dispatched(), SizeIs(1));
  EXPECT_EQ(h.dispatched()[0], (std::pair<LinkId, Token>{w2, Token{h.id, 1, 2}}));
  const LinkId back = h.connect("w1", Incarnation{101}, {{old, HeldState::finished, {}}});
  h.report(back, old);
  h.take();
  ASSERT_THAT(h.last.lates, SizeIs(1)) << "it is kept to be seen";
  EXPECT_THAT(h.acknowledged(), IsEmpty()) << "before the worker forgets it";
  h.core.on_late_kept(h.last.lates);
  h.take();
  ASSERT_THAT(h.acknowledged(), SizeIs(1));
  EXPECT_EQ(h.acknowledged()[0].fate, ResultFate::stale);
}

TEST(SchedulerCoreLoss, ADispatchThatDiedWithItsChannelIsSentAgainWithTheSameToken) {
  Dispatched h;
  h.core.on_link_down(h.w1, h.now);
  const LinkId again = h.connect("w1", Incarnation{101});
  h.core.on_message(again, WorkerStatus{.credit_limit = 10}, h.now);
  const MonoTime inventory_at = h.now.mono;
  h.take();
  EXPECT_TRUE(h.last.prove);
  EXPECT_THAT(h.dispatched(), IsEmpty()) << "a new owner may have recorded its end meanwhile";
  h.pass(std::chrono::milliseconds(10));
  h.core.on_proved(inventory_at - Duration{1});
  h.take();
  EXPECT_THAT(h.dispatched(), IsEmpty()) << "that was before the worker spoke";
  h.core.on_proved(inventory_at);
  h.take();
  ASSERT_THAT(h.dispatched(), SizeIs(1));
  EXPECT_EQ(h.dispatched()[0], (std::pair<LinkId, Token>{again, h.token}));
}

TEST(SchedulerCoreLoss, AnInventoryOfAnOlderAttemptDoesNotVouchForTheNewerOne) {
  Dispatched h({.retry = {.max_attempts = 3, .backoff = Duration{0}}});
  h.report(h.w1, h.token, Outcome::failed);
  h.take();
  h.commit();
  h.take();
  ASSERT_THAT(h.dispatched(), SizeIs(1));
  const Token second = h.dispatched()[0].second;
  h.core.on_link_down(h.w1, h.now);  // the dispatch died with it
  const LinkId again = h.connect("w1", Incarnation{101}, {{h.token, HeldState::finished, {}}});
  h.core.on_message(again, WorkerStatus{.credit_limit = 10}, h.now);
  h.core.on_proved(h.now.mono);
  h.take();
  ASSERT_THAT(h.dispatched(), SizeIs(1));
  EXPECT_EQ(h.dispatched()[0], (std::pair<LinkId, Token>{again, second}));
}

TEST(SchedulerCoreLoss, ANewLifeWithoutTheAttemptIsAVerdictNeverAResend) {
  Dispatched h;
  h.core.on_link_down(h.w1, h.now);
  h.connect("w1", Incarnation{999});
  h.take();
  EXPECT_THAT(h.dispatched(), IsEmpty());
  ASSERT_THAT(h.last.retries, SizeIs(1));
  EXPECT_EQ(h.last.retries[0].next_attempt, 2);
  EXPECT_EQ(h.last.retries[0].result.outcome, Outcome::lost);
}

TEST(SchedulerCoreLoss, ConnectionRefusedTwiceIsADeath) {
  Dispatched h;
  h.core.on_link_down(h.w1, h.now);
  h.core.on_dial_refused("w1", h.now);
  h.take();
  EXPECT_THAT(h.last.retries, IsEmpty());
  h.pass(std::chrono::milliseconds(200));
  h.core.on_dial_refused("w1", h.now);
  h.take();
  EXPECT_THAT(h.last.retries, SizeIs(1));
}

TEST(SchedulerCoreLoss, SilenceOfARegisteredWorkerIsALossOnlyAfterTheTimeout) {
  Dispatched h;
  h.core.on_link_down(h.w1, h.now);
  h.pass(std::chrono::milliseconds(9'900));
  h.take();
  EXPECT_THAT(h.last.retries, IsEmpty());
  h.pass(std::chrono::milliseconds(600));
  h.take();
  EXPECT_THAT(h.last.retries, SizeIs(1));
}

// Cut off from us alone: its results come through the master that reaches it.
struct CutOff : Dispatched {
  explicit CutOff(NewTask task = {}) : Dispatched(std::move(task)) {}
  void cut() { core.on_link_down(w1, now); }
  // As long as another master says so, each second.
  void pass_vouched(std::chrono::seconds time) {
    for (auto left = time; left.count() > 0; --left) {
      EXPECT_THAT(core.missed_workers(), ElementsAre("w1"));
      core.on_vouched({{"w1", incarnation_of("w1")}}, now);
      pass(std::chrono::seconds(1));
      take();
      EXPECT_THAT(last.retries, IsEmpty());
      EXPECT_THAT(last.completions, IsEmpty());
    }
  }
};

TEST(SchedulerCoreLoss, WhatAWorkerHasAcceptedIsNotLostWhileAnotherMasterReachesIt) {
  CutOff h;
  h.core.on_message(h.w1, AckBatch{{{h.token, AckVerdict::accepted}}}, h.now);
  h.cut();
  h.pass_vouched(std::chrono::seconds(60));
  ASSERT_TRUE(h.core.explain(h.id, h.now));
  EXPECT_EQ(h.core.explain(h.id, h.now)->reasons.at(1).code, "reached_by_another");
  h.pass(std::chrono::seconds(4));  // nobody reaches it any more
  h.take();
  EXPECT_THAT(h.last.retries, SizeIs(1));
}

TEST(SchedulerCoreLoss, ADispatchThatMayNeverHaveArrivedIsLostThoughAnotherMasterReachesItsWorker) {
  CutOff h;
  h.cut();
  h.core.on_vouched({{"w1", h.incarnation_of("w1")}}, h.now);
  h.pass(std::chrono::seconds(9));
  h.core.on_vouched({{"w1", h.incarnation_of("w1")}}, h.now);
  h.pass(std::chrono::seconds(2));
  h.take();
  EXPECT_THAT(h.last.retries, SizeIs(1));
}

TEST(SchedulerCoreLoss, AnotherLifeOfAWorkerSavesNoAttempt) {
  CutOff h;
  h.core.on_message(h.w1, AckBatch{{{h.token, AckVerdict::accepted}}}, h.now);
  h.cut();
  h.pass(std::chrono::seconds(9));
  h.core.on_vouched({{"w1", Incarnation{h.incarnation_of("w1").value + 1}}}, h.now);
  h.pass(std::chrono::seconds(2));
  h.take();
  EXPECT_THAT(h.last.retries, SizeIs(1));
}

TEST(SchedulerCoreLoss, RefusedConnectionsAreADeathWhateverOthersSay) {
  CutOff h;
  h.core.on_message(h.w1, AckBatch{{{h.token, AckVerdict::accepted}}}, h.now);
  h.cut();
  h.core.on_vouched({{"w1", h.incarnation_of("w1")}}, h.now);
  h.core.on_dial_refused("w1", h.now);
  h.pass(std::chrono::milliseconds(300));
  h.core.on_dial_refused("w1", h.now);
  h.take();
  EXPECT_THAT(h.last.retries, SizeIs(1));
}

TEST(SchedulerCoreLoss, TellsOthersOnlyOfWorkersThatItReaches) {
  Dispatched h;
  EXPECT_THAT(h.core.missed_workers(), IsEmpty());
  ASSERT_THAT(h.core.reached({"w1", "nobody"}), SizeIs(1));
  EXPECT_EQ(h.core.reached({"w1"})[0].incarnation, h.incarnation_of("w1"));
  h.core.on_link_down(h.w1, h.now);
  EXPECT_THAT(h.core.reached({"w1"}), IsEmpty());
}

TEST(SchedulerCoreLoss, AnAtMostOnceTaskWaitsForProofAndThenEndsLost) {
  Dispatched h({.on_worker_lost = OnWorkerLost::fail});
  h.core.on_link_down(h.w1, h.now);
  h.unregister("w1");
  h.pass(std::chrono::seconds(20));
  h.take();
  EXPECT_THAT(h.last.completions, IsEmpty()) << "it may run on behind a cut";
  EXPECT_THAT(h.last.retries, IsEmpty());
  h.core.on_dial_refused("w1", h.now);
  h.pass(std::chrono::milliseconds(300));
  h.core.on_dial_refused("w1", h.now);
  h.take();
  ASSERT_THAT(h.last.completions, SizeIs(1));
  EXPECT_EQ(h.last.completions[0].state, TaskState::lost);
}

TEST(SchedulerCoreLoss, AHeldAttemptIsAdoptedNotRunAgain) {
  CoreHarness h;
  TaskRow row = h.row();
  const Token token{row.id, 1, 1};
  h.core.on_shards_taken({{row.id.shard(), 2}}, h.now);
  h.registered.push_back({"w1", "w1:1", "v", Incarnation{5}, {"default"}, 4, 1, h.now.wall});
  h.core.on_workers(h.registered, h.now);
  const LinkId w1 = h.connect("w1", Incarnation{5}, {{token, HeldState::running, h.now.wall}});
  h.core.on_message(w1, WorkerStatus{.credit_limit = 10}, h.now);
  h.answer_reads({row});
  EXPECT_THAT(h.dispatched(), IsEmpty());
  EXPECT_EQ(h.core.counters().adopted, 1u);
  h.report(w1, token);
  h.take();
  ASSERT_THAT(h.last.completions, SizeIs(1));
}

TEST(SchedulerCoreShards, WhatWasDecidedForAReleasedShardIsNotSent) {
  Dispatched h;
  h.core.freeze();
  h.report(h.w1, h.token);
  h.core.on_shards_released({h.id.shard()});
  h.core.unfreeze();
  h.take();
  EXPECT_THAT(h.last.completions, IsEmpty());
}

TEST(SchedulerCore, AStartDeadlineThatPassedWhileTheTaskWasOutStillHolds) {
  Dispatched h({.start_deadline = std::chrono::seconds(5)});
  h.pass(std::chrono::seconds(6));
  h.core.on_message(h.w1, AckBatch{{{h.token, AckVerdict::returned}}}, h.now);
  h.core.on_message(h.w1, WorkerStatus{.credit_limit = 0, .draining = true}, h.now);
  h.take();
  h.pass(Duration{0});
  h.take();
  ASSERT_THAT(h.last.completions, SizeIs(1));
  EXPECT_EQ(h.last.completions[0].state, TaskState::timed_out);
}

}  // namespace
}  // namespace ringmaster
