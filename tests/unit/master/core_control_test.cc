// Cancel, quarantine and release; and why a task is where it is.
#include <gmock/gmock.h>

#include "tests/unit/master/core_harness.h"

namespace ringmaster {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::SizeIs;

void controlled(CoreHarness& h, TaskId id, ControlAction action = ControlAction::cancel) {
  h.core.on_controlled({{id, action}}, {WriteFate::applied});
  h.take();
}
std::vector<Token> killed(const CoreHarness& h) {
  std::vector<Token> tokens;
  for (const auto& [link, message] : h.last.sends) {
    if (const auto* batch = std::get_if<KillBatch>(&message))
      tokens.insert(tokens.end(), batch->items.begin(), batch->items.end());
  }
  return tokens;
}
std::vector<TaskState> ends(const CoreHarness& h) {
  std::vector<TaskState> states;
  for (const Completion& completion : h.last.completions) states.push_back(completion.state);
  return states;
}
std::vector<std::string> codes(const CoreHarness& h, TaskId id) {
  std::vector<std::string> found;
  const auto reply = h.core.explain(id, h.now);
  for (const auto& reason : reply->reasons) found.push_back(reason.code);
  return found;
}

TEST(SchedulerCoreCancel, EndsAtOnceWhatIsOnNoWorker) {
  CoreHarness h;
  h.own_all();
  const TaskId ready = h.accept();
  NewTask later;
  later.run_at = h.now.wall + 5s;
  const TaskId delayed = h.accept(std::move(later));
  h.take();
  controlled(h, ready);
  EXPECT_THAT(ends(h), ::testing::ElementsAre(TaskState::cancelled));
  controlled(h, delayed);
  EXPECT_THAT(ends(h), ::testing::ElementsAre(TaskState::cancelled));
}

TEST(SchedulerCoreCancel, StopsWhatRunsAndEndsItWhenItsDeathIsReported) {
  Dispatched h;
  controlled(h, h.id);
  EXPECT_THAT(killed(h), Contains(h.token));
  EXPECT_THAT(ends(h), IsEmpty()) << "it may still run";
  EXPECT_EQ(h.core.live(h.id)->state, TaskState::cancelling);
  h.report(h.w1, h.token, Outcome::cancelled);
  h.take();
  EXPECT_THAT(ends(h), ::testing::ElementsAre(TaskState::cancelled));
}

TEST(SchedulerCoreCancel, ComesTooLateForASuccess) {
  Dispatched h;
  controlled(h, h.id);
  h.report(h.w1, h.token);
  h.take();
  EXPECT_THAT(ends(h), ::testing::ElementsAre(TaskState::succeeded));
}

TEST(SchedulerCoreCancel, IsSaidAgainToAWorkerThatComesBack) {
  Dispatched h;
  h.core.on_link_down(h.w1, h.now);
  controlled(h, h.id);
  EXPECT_THAT(killed(h), IsEmpty());
  h.connect("w1", Incarnation{101}, {{h.token, HeldState::running, h.now.wall}});
  h.take();
  EXPECT_THAT(killed(h), Contains(h.token));
}

TEST(SchedulerCoreCancel, OfALostAttemptIsItsEnd) {
  Dispatched h;
  controlled(h, h.id);
  h.core.on_link_down(h.w1, h.now);
  h.unregister("w1");
  h.take();
  EXPECT_THAT(h.last.retries, IsEmpty());
  EXPECT_THAT(ends(h), ::testing::ElementsAre(TaskState::cancelled));
}

TEST(SchedulerCoreCancel, ARetryThatMeetsTheIntentBecomesTheEnd) {
  Dispatched h({.retry = {.max_attempts = 3}});
  h.report(h.w1, h.token, Outcome::failed);
  h.take();
  ASSERT_THAT(h.last.retries, SizeIs(1));
  h.commit(WriteFate::cancelling);
  h.take();
  EXPECT_THAT(ends(h), ::testing::ElementsAre(TaskState::cancelled));
  EXPECT_THAT(h.acknowledged(), IsEmpty()) << "only when that end is committed";
  h.commit();
  h.take();
  EXPECT_THAT(h.acknowledged(), SizeIs(1));
}

TEST(SchedulerCoreCancel, ARecordThatMeetsTheIntentIsNeverSent) {
  CoreHarness h;
  h.own_all();
  h.add_worker("w1");
  h.accept({.on_worker_lost = OnWorkerLost::fail});
  h.take();
  ASSERT_THAT(h.last.records, SizeIs(1));
  h.commit(WriteFate::cancelling);
  h.take();
  EXPECT_THAT(h.dispatched(), IsEmpty());
  EXPECT_THAT(ends(h), ::testing::ElementsAre(TaskState::cancelled));
}

TEST(SchedulerCoreCancel, ARecordThatWasCommittedFirstIsNotSentEither) {
  CoreHarness h;
  h.own_all();
  h.add_worker("w1");
  const TaskId id = h.accept({.on_worker_lost = OnWorkerLost::fail});
  h.take();
  const Effects recorded = h.last;
  controlled(h, id);
  h.last = recorded;
  h.commit();
  h.take();
  EXPECT_THAT(h.dispatched(), IsEmpty());
  EXPECT_THAT(ends(h), ::testing::ElementsAre(TaskState::cancelled));
}

TEST(SchedulerCoreCancel, IsSeenInARowThatAnEarlierOwnerLeft) {
  CoreHarness h;
  TaskRow row = h.row();
  row.cancel_requested = true;
  std::vector<ShardEpoch> all;
  for (int i = 0; i < kShardCount; ++i) all.push_back({static_cast<ShardId>(i), 1});
  h.core.on_workers({}, h.now);
  h.core.on_shards_taken(all, h.now);
  std::vector<TaskState> seen;
  for (int round = 0; round < 5; ++round) {
    h.take();
    for (const TaskState state : ends(h)) seen.push_back(state);
    for (const ReadRequest& read : std::vector<ReadRequest>(h.last.reads)) h.answer(read, {row});
  }
  h.take();
  for (const TaskState state : ends(h)) seen.push_back(state);
  EXPECT_THAT(seen, Contains(TaskState::cancelled));
}

TEST(SchedulerCoreQuarantine, TakesWhatRanOnThreeWorkersThatDied) {
  Dispatched h({.retry = {.max_attempts = 1}});
  for (int death = 1; death <= 3; ++death) {
    h.core.on_message(h.links, StartedBatch{{{h.token, h.now.wall}}}, h.now);
    const std::string worker = "w" + std::to_string(death);
    h.core.on_link_down(h.links, h.now);
    h.unregister(worker);
    h.take();
    ASSERT_THAT(h.last.retries, SizeIs(1)) << death;
    const Retry retry = h.last.retries[0];
    EXPECT_EQ(retry.crashes, death);
    EXPECT_EQ(retry.state, death < 3 ? TaskState::delayed : TaskState::quarantined);
    h.commit();
    if (death == 3) {
      EXPECT_EQ(retry.rank, kQuarantineRank);
      break;
    }
    h.add_worker("w" + std::to_string(death + 1));
    h.pass(1ms);
    h.take();
    ASSERT_THAT(h.dispatched(), SizeIs(1));
    h.token = h.dispatched()[0].second;
  }
  EXPECT_EQ(h.core.tasks_in_memory(), 0u);
  controlled(h, h.id, ControlAction::release);
  ASSERT_THAT(h.last.reads, SizeIs(1)) << "its row decides";
}

TEST(SchedulerCoreQuarantine, AWorkerThatIsOnlyOutOfReachIsNoDeath) {
  Dispatched h;
  h.core.on_message(h.w1, StartedBatch{{{h.token, h.now.wall}}}, h.now);
  h.core.on_link_down(h.w1, h.now);
  h.pass(11s);
  h.take();
  ASSERT_THAT(h.last.retries, SizeIs(1));
  EXPECT_EQ(h.last.retries[0].crashes, 0);
}

TEST(SchedulerCoreQuarantine, AWorkerThatWasStoppedBeforeItHadDrainedDidNotDie) {
  Dispatched h;
  h.core.on_message(h.w1, StartedBatch{{{h.token, h.now.wall}}}, h.now);
  h.core.on_message(h.w1, WorkerStatus{.draining = true}, h.now);
  h.core.on_link_down(h.w1, h.now);
  h.unregister("w1");
  h.take();
  ASSERT_THAT(h.last.retries, SizeIs(1));
  EXPECT_EQ(h.last.retries[0].crashes, 0);
}

TEST(SchedulerCoreQuarantine, CountsADeathThatTheWorkersNextLifeTellsOf) {
  for (const bool worker_died : {true, false}) {  // or its lease ran out
    Dispatched h;
    AttemptResult lost;
    lost.outcome = Outcome::lost;
    lost.worker_died = worker_died;
    h.core.on_message(h.w1, ResultBatch{{{h.token, lost}}}, h.now);
    h.take();
    ASSERT_THAT(h.last.retries, SizeIs(1));
    EXPECT_EQ(h.last.retries[0].crashes, worker_died ? 1 : 0);
    EXPECT_EQ(h.last.retries[0].failures, 0);
  }
}

TEST(SchedulerCoreExplain, SaysWhatATaskWaitsFor) {
  CoreHarness h;
  h.own_all();
  const TaskId id = h.accept();
  h.take();
  EXPECT_THAT(codes(h, id), ::testing::ElementsAre("no_worker"));
  h.add_worker("w1", 0);
  h.take();
  EXPECT_THAT(codes(h, id), ::testing::ElementsAre("no_credit", "ring_owner", "lane"));
  NewTask later;
  later.run_at = h.now.wall + 5s;
  EXPECT_THAT(codes(h, h.accept(std::move(later))), ::testing::ElementsAre("not_due"));
  EXPECT_FALSE(h.core.explain(TaskId{999'999}, h.now));
}

TEST(SchedulerCoreExplain, SaysWhereAnAttemptIsAndWhatItsLossWaitsFor) {
  Dispatched h({.on_worker_lost = OnWorkerLost::rerun_after_lease});
  EXPECT_THAT(codes(h, h.id), ::testing::ElementsAre("sent"));
  h.core.on_message(h.w1, StartedBatch{{{h.token, h.now.wall}}}, h.now);
  EXPECT_THAT(codes(h, h.id), ::testing::ElementsAre("running"));
  h.core.on_link_down(h.w1, h.now);
  EXPECT_THAT(codes(h, h.id), ::testing::ElementsAre("worker_unreachable", "lease"));
}

}  // namespace
}  // namespace ringmaster
