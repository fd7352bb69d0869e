// Events that meet while something else is being committed or read.
#include <gmock/gmock.h>

#include "tests/unit/master/core_harness.h"

namespace ringmaster {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

void controlled(CoreHarness& h, TaskId id, ControlAction action = ControlAction::cancel) {
  h.core.on_controlled({{id, action}}, {WriteFate::applied});
}

// ---- cancel and retry ----

TEST(SchedulerCoreRaces, ACancelThatMeetsARetryUnderWayDoesNotWaitForItsBackoff) {
  Dispatched h({.retry = {.max_attempts = 2, .backoff = 1h}});
  h.report(h.w1, h.token, Outcome::failed);
  h.take();
  ASSERT_THAT(h.last.retries, SizeIs(1));
  controlled(h, h.id);  // committed after the retry, told before it
  h.commit();
  h.take();
  ASSERT_THAT(h.last.completions, SizeIs(1));
  EXPECT_EQ(h.last.completions[0].state, TaskState::cancelled);
}

TEST(SchedulerCoreRaces, ARetryThatMetANewerStateIsJudgedByItsRow) {
  Dispatched h({.retry = {.max_attempts = 2}});
  h.report(h.w1, h.token, Outcome::failed);
  h.take();
  h.commit(WriteFate::stale);
  h.take();
  EXPECT_THAT(h.asked_about(), ElementsAre(h.id));
  TaskRow row = h.core.make_row({}, h.id, h.now);
  row.attempt = 2;
  h.core.on_lookup(std::get<LookupRead>(h.last.reads.back()), {{.id = h.id, .row = row, .end = {}}}, h.now);
  h.take();
  ASSERT_THAT(h.dispatched(), SizeIs(1)) << "it is not forgotten";
  EXPECT_EQ(h.dispatched()[0].second.attempt, 2);
}

// ---- accept ----

TEST(SchedulerCoreRaces, WhatIsSaidOfATaskWhoseInsertIsUnderWayWaitsForIt) {
  CoreHarness h;
  h.own_all();
  const LinkId w1 = h.add_worker("w1");
  TaskRow row = h.row();
  const TaskId id = row.id;
  h.core.begin_accept(id, id);
  h.report(w1, {id, 1, 1});
  controlled(h, id);
  h.take();
  EXPECT_THAT(h.asked_about(), IsEmpty()) << "the answer would be older than the insert";
  h.core.end_accept(id);
  h.core.on_accepted({std::move(row)}, h.now);
  h.take();
  EXPECT_THAT(h.asked_about(), ElementsAre(id));
}

// ---- late results ----

TEST(SchedulerCoreRaces, AResultThatMeetsAVerdictUnderWayIsJudgedAfterIt) {
  Dispatched h;
  h.core.on_link_down(h.w1, h.now);
  h.unregister("w1");
  h.take();
  ASSERT_THAT(h.last.retries, SizeIs(1)) << "its worker is lost";
  const Effects verdict = h.last;
  const LinkId back = h.connect("w1", Incarnation{101}, {{h.token, HeldState::finished, {}}});
  h.report(back, h.token);
  h.take();
  EXPECT_THAT(h.acknowledged(), IsEmpty());
  EXPECT_THAT(h.asked_about(), IsEmpty()) << "the answer would be older than the verdict";
  h.last = verdict;
  h.commit();
  h.take();
  EXPECT_THAT(h.acknowledged(), IsEmpty()) << "nobody waited for the verdict";
  ASSERT_THAT(h.asked_about(), ElementsAre(h.id));
  TaskRow row = h.core.make_row({}, h.id, h.now);
  row.attempt = 2;
  h.core.on_lookup(std::get<LookupRead>(h.last.reads.back()), {{.id = h.id, .row = row, .end = {}}}, h.now);
  h.take();
  ASSERT_THAT(h.last.lates, SizeIs(1));
  EXPECT_EQ(h.last.lates[0].token, h.token);
}

TEST(SchedulerCoreRaces, ALateResultThatIsSaidAgainIsKeptOnceAndAnsweredOnTheNewestChannel) {
  Dispatched h({.retry = {.max_attempts = 3}});
  h.report(h.w1, h.token, Outcome::failed);
  h.take();
  h.commit();
  h.pass(1min);
  h.report(h.w1, h.token);
  h.take();
  ASSERT_THAT(h.last.lates, SizeIs(1));
  const auto kept = h.last.lates;
  constexpr LinkId kMaster = 77;  // a newer channel than w1's
  AttemptResult result;
  h.core.on_relayed(kMaster, {"w1", {{h.token, result}}}, h.now);
  h.report(h.w1, h.token);
  h.take();
  EXPECT_THAT(h.last.lates, IsEmpty());
  h.core.on_late_kept(kept);
  h.take();
  ASSERT_THAT(h.last.sends, SizeIs(1));
  EXPECT_EQ(h.last.sends[0].first, kMaster);
}

// ---- recorded dispatches ----

// A row that says: sent to w1, in its life 5, by an earlier owner.
TaskRow recorded(CoreHarness& h, NewTask task) {
  TaskRow row = h.row(std::move(task));
  row.worker = "w1";
  row.worker_incarnation = Incarnation{5};
  row.epoch = 1;
  return row;
}
void own(CoreHarness& h, ShardId shard, Epoch epoch) {
  h.core.on_shards_taken({{shard, epoch}}, h.now);
}

TEST(SchedulerCoreRaces, ARecordedDispatchThatItsWorkerHasIsItsOwnFromThenOn) {
  CoreHarness h;
  const TaskRow row = recorded(h, {.on_worker_lost = OnWorkerLost::fail});
  const Token token{row.id, 1, 1};
  h.registered.push_back({"w1", "w1:1", "v", Incarnation{5}, {"default"}, 4, 1, h.now.wall});
  h.core.on_workers(h.registered, h.now);
  own(h, row.id.shard(), 2);
  h.pass(1s);
  h.answer_reads({row});
  ASSERT_EQ(h.core.live(row.id)->worker, "w1");
  const LinkId w1 = h.connect("w1", Incarnation{5}, {{token, HeldState::running, h.now.wall}});
  h.core.on_proved(h.now.mono);
  h.pass(1s);
  h.take();
  EXPECT_THAT(h.dispatched(), IsEmpty());
  EXPECT_EQ(h.core.live(row.id)->state, TaskState::running);
  // The next announcement on this channel covers it too.
  own(h, static_cast<ShardId>(row.id.shard() + 1), 1);
  h.core.on_message(w1, Inventory{h.announced(w1), true, {}, {}}, h.now);
  h.core.on_proved(h.now.mono + 1s);
  h.take();
  EXPECT_THAT(h.last.completions, IsEmpty());
  EXPECT_EQ(h.core.live(row.id)->worker, "w1");
}

// w1 answered the first announcement before the row was read; the second one concerns another shard.
TEST(SchedulerCoreRaces, ARecordedDispatchOfAnEarlierTakeIsNotStrandedByALaterOne) {
  CoreHarness h;
  const TaskRow row = recorded(h, {.on_worker_lost = OnWorkerLost::fail});
  h.registered.push_back({"w1", "w1:1", "v", Incarnation{5}, {"default"}, 4, 1, h.now.wall});
  h.core.on_workers(h.registered, h.now);
  own(h, row.id.shard(), 2);
  const LinkId w1 = h.connect("w1", Incarnation{6});  // another life, which knows nothing of it
  h.core.on_message(w1, WorkerStatus{.credit_limit = 10}, h.now);
  own(h, static_cast<ShardId>(row.id.shard() + 1), 1);  // not answered
  h.pass(2s);
  h.answer_reads({row});
  h.take();
  EXPECT_EQ(h.core.counters().lost_attempts, 1u) << "that life had its say";
}

TEST(SchedulerCoreRaces, ALossOfWhatWasToBeCancelledIsItsEndThoughItsOwnerDied) {
  CoreHarness h;
  TaskRow row = recorded(h, {.on_worker_lost = OnWorkerLost::rerun});
  row.cancel_requested = true;
  h.registered.push_back({"w1", "w1:1", "v", Incarnation{6}, {"default"}, 4, 1, h.now.wall});
  h.core.on_workers(h.registered, h.now);
  own(h, row.id.shard(), 2);
  h.connect("w1", Incarnation{6});
  std::vector<TaskState> ends;
  for (int round = 0; round < 5; ++round) {
    h.pass(500ms);
    h.take();
    EXPECT_THAT(h.last.retries, IsEmpty());
    for (const Completion& end : h.last.completions) ends.push_back(end.state);
    for (const ReadRequest& read : std::vector<ReadRequest>(h.last.reads)) h.answer(read, {row});
  }
  EXPECT_THAT(ends, ElementsAre(TaskState::cancelled));
}

TEST(SchedulerCoreRaces, ARecordedAttemptIsMarkedRunningToo) {
  Dispatched h({.on_worker_lost = OnWorkerLost::fail});
  h.core.on_message(h.w1, StartedBatch{{{h.token, h.now.wall}}}, h.now);
  h.pass(1s);
  h.take();
  ASSERT_THAT(h.last.marks, SizeIs(1));
  EXPECT_EQ(h.last.marks[0].previous, Incarnation{101}) << "it replaces its own record";
}

}  // namespace
}  // namespace ringmaster
