// Shards change hands: what was decided under the old ownership, and what a new owner waits for.
#include <gmock/gmock.h>

#include "tests/unit/master/core_harness.h"

namespace ringmaster {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(SchedulerCoreShards, ARetryDecidedForAReleasedShardIsNotSent) {
  Dispatched h({.retry = {.max_attempts = 2}});
  h.core.freeze();
  h.report(h.w1, h.token, Outcome::failed);
  h.core.on_shards_released({h.id.shard()});
  h.core.unfreeze();
  h.take();
  EXPECT_THAT(h.last.retries, IsEmpty());
  EXPECT_THAT(h.last.completions, IsEmpty());
}

TEST(SchedulerCoreShards, ARunningMarkOfAReleasedShardIsNotSent) {
  Dispatched h;
  h.core.on_message(h.w1, StartedBatch{{{h.token, h.now.wall}}}, h.now);
  h.core.freeze();
  h.pass(std::chrono::seconds(1));
  h.core.on_shards_released({h.id.shard()});
  h.core.unfreeze();
  h.take();
  EXPECT_THAT(h.last.marks, IsEmpty());
}

TEST(SchedulerCoreShards, ALateResultOfAReleasedShardIsNotKept) {
  Dispatched h({.retry = {.max_attempts = 2, .backoff = Duration{0}}});
  h.report(h.w1, h.token, Outcome::failed);
  h.take();
  h.commit();
  h.take();
  ASSERT_THAT(h.dispatched(), SizeIs(1)) << "its second attempt";
  h.core.freeze();
  h.report(h.w1, h.token, Outcome::failed);
  h.core.on_shards_released({h.id.shard()});
  h.core.unfreeze();
  h.take();
  EXPECT_THAT(h.last.lates, IsEmpty());
}

TEST(SchedulerCoreShards, ADispatchWhoseRecordWasCommittedBeforeTheReleaseIsNotSentAfterIt) {
  CoreHarness h;
  h.own_all();
  h.add_worker("w1");
  const TaskId id = h.accept({.on_worker_lost = OnWorkerLost::fail});
  h.take();
  ASSERT_THAT(h.last.records, SizeIs(1));
  h.core.freeze();
  h.commit();
  h.core.on_shards_released({id.shard()});
  h.core.unfreeze();
  h.take();
  EXPECT_THAT(h.dispatched(), IsEmpty());
}

TEST(SchedulerCoreShards, WhatWasDecidedForAShardThatStaysIsSent) {
  CoreHarness h;
  h.own_all();
  const LinkId w1 = h.add_worker("w1");
  const TaskId leaves = h.accept(), stays = h.accept();
  ASSERT_NE(leaves.shard(), stays.shard());
  h.take();
  const auto sent = h.dispatched();
  ASSERT_THAT(sent, SizeIs(2));
  h.core.freeze();
  for (const auto& [link, token] : sent) h.report(w1, token);
  h.core.on_shards_released({leaves.shard()});
  h.core.unfreeze();
  h.take();
  ASSERT_THAT(h.last.completions, SizeIs(1));
  EXPECT_EQ(h.last.completions[0].token.task, stays);
}

TEST(SchedulerCoreBacklog, WaitsForAnUnregisteredWorkerOnAChannelThatMayHoldATask) {
  CoreHarness h;
  const TaskRow row = h.row();
  const Token token{row.id, 1, 1};
  const LinkId w1 = h.add_worker("w1");
  h.unregister("w1");
  h.take();
  h.core.on_shards_taken({{row.id.shard(), 2}}, h.now);
  const std::uint64_t asked = h.announced(w1);
  for (const ReadRequest& read : std::vector<ReadRequest>(h.last.reads)) h.answer(read, {row});
  h.answer_reads({row});
  EXPECT_EQ(h.core.tasks_in_memory(), 0u) << "w1 has not spoken yet";
  h.core.on_message(w1, Inventory{asked, true, {}, {{token, HeldState::running, h.now.wall}}}, h.now);
  h.answer_reads({row});
  EXPECT_EQ(h.core.counters().adopted, 1u);
}

}  // namespace
}  // namespace ringmaster
