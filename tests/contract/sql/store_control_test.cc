// What every TaskStore does with a cancel, a quarantine and the release from it.
#include <gmock/gmock.h>

#include "tests/contract/sql/store_suite.h"

namespace ringmaster {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using enum WriteFate;

constexpr ControlAction kCancel = ControlAction::cancel;

// Of rows that are due already.
Control cancel_of(std::int64_t id) {
  return {TaskId{id}, kCancel, kStart + 1h};
}

Control release_of(std::int64_t id, WallTime run_at = kStart + 3s) {
  return {TaskId{id}, ControlAction::release, run_at};
}

// The attempt was lost with its third worker.
Retry quarantine_of(std::int64_t id, Attempt attempt = 1) {
  Retry item = make_retry(id, attempt);
  item.result.outcome = Outcome::lost;
  item.failures = 0;
  item.crashes = 3;
  item.state = TaskState::quarantined;
  item.rank = kQuarantineRank;
  return item;
}

RunningMark mark_of(std::int64_t id, Attempt attempt, Incarnation worker, Incarnation previous = {},
                    WallTime started_at = {}) {
  return {{TaskId{id}, 1, attempt}, "w" + std::to_string(worker.value), worker, started_at, previous};
}

// ---- cancel ----

TEST_P(StoreContract, ACancelIsSeenWhereverItsRowIsRead) {
  ASSERT_TRUE(master().accept({make_row(256), make_row(512)}));
  ASSERT_THAT(*master().control({cancel_of(512)}), ElementsAre(applied));
  const auto flags = [](const std::vector<TaskRow>& rows) {
    std::map<std::int64_t, bool> found;
    for (const TaskRow& row : rows) found[row.id.value] = row.cancel_requested;
    return found;
  };
  const std::map<std::int64_t, bool> want{{256, false}, {512, true}};
  EXPECT_EQ(flags(master().page(std::nullopt, kStart, all_shards(), 10).rows), want);
  EXPECT_EQ(flags(master().page_due(kStart - 1s, kStart, all_shards(), 10)), want);
  std::vector<TaskRow> looked_up, listed;
  for (const Lookup& entry : master().lookup({TaskId{256}, TaskId{512}})) looked_up.push_back(*entry.row);
  for (const TaskView& view : master().list({}).views) listed.push_back(view.row);
  EXPECT_EQ(flags(looked_up), want);
  EXPECT_EQ(flags(listed), want);
  EXPECT_EQ(flags({master().get(TaskId{256})->row, master().get(TaskId{512})->row}), want);

  ASSERT_THAT(*master().complete({make_completion(256), make_completion(512, 1, TaskState::cancelled)}),
              ElementsAre(applied, applied));
  EXPECT_EQ(flags({master().get(TaskId{256})->row, master().get(TaskId{512})->row}), want)
      << "the history keeps it";
}

TEST_P(StoreContract, ACancelLeavesTheRestOfItsRowAlone) {
  ASSERT_TRUE(master().accept({make_row(256)}));
  ASSERT_THAT(*master().mark({mark_of(256, 1, {9}, {}, kStart)}), ElementsAre(applied));
  TaskRow row = master().get(TaskId{256})->row;
  ASSERT_THAT(*master().control({cancel_of(256)}), ElementsAre(applied));
  row.cancel_requested = true;
  expect_equal(master().get(TaskId{256})->row, row);
}

TEST_P(StoreContract, ACancelBringsALateOrQuarantinedRowUpSoThatItsOwnerFindsIt) {
  TaskRow late = make_row(256);
  late.run_at = kStart + 1h;
  late.rank = rank_of(late.run_at, late.task.priority, kDefaultAgeingStep);
  late.state = TaskState::delayed;
  ASSERT_TRUE(master().accept({late, make_row(512), make_row(768)}));
  ASSERT_THAT(*master().retry({quarantine_of(512)}), ElementsAre(applied));
  const WallTime due = kStart + 1s;
  const auto cancel = [&](std::int64_t id) { return Control{TaskId{id}, kCancel, due}; };
  ASSERT_THAT(*master().control({cancel(256), cancel(512), cancel(768)}),
              ElementsAre(applied, applied, applied));
  for (const std::int64_t id : {256, 512}) {
    const TaskRow row = master().get(TaskId{id})->row;
    EXPECT_EQ(row.run_at, due);
    EXPECT_EQ(row.rank, rank_of(due, row.task.priority, kDefaultAgeingStep));
    EXPECT_EQ(row.state, TaskState::ready);
  }
  EXPECT_EQ(master().get(TaskId{512})->row.crashes, quarantine_of(512).crashes)
      << "how it came there is kept";
  EXPECT_EQ(master().get(TaskId{768})->row.run_at, kStart) << "it is due already";
}

TEST_P(StoreContract, ASecondCancelIsAppliedToo) {
  ASSERT_TRUE(master().accept({make_row(256), make_row(512)}));
  ASSERT_THAT(*master().control({cancel_of(256)}), ElementsAre(applied));
  EXPECT_THAT(*master().control({cancel_of(256)}), ElementsAre(applied));
  EXPECT_THAT(*master().control({cancel_of(512), cancel_of(512)}), ElementsAre(applied, applied))
      << "two clients at once";
}

TEST_P(StoreContract, WhatHasEndedOrNeverWasIsAbsentToControl) {
  ASSERT_TRUE(master().accept({make_row(256), make_row(512)}));
  ASSERT_THAT(*master().complete({make_completion(256)}), ElementsAre(applied));
  EXPECT_THAT(*master().control({cancel_of(256), release_of(256), cancel_of(768), release_of(768)}),
              ElementsAre(absent, absent, absent, absent));
  EXPECT_THAT(*master().control({cancel_of(256), cancel_of(512)}), ElementsAre(absent, applied));
  EXPECT_FALSE(master().get(TaskId{256})->row.cancel_requested);
  EXPECT_THAT(*master().control({}), IsEmpty());
}

TEST_P(StoreContract, ACancelledTaskIsNotRetried) {
  ASSERT_TRUE(master().accept({make_row(256), make_row(512)}));
  ASSERT_THAT(*master().control({cancel_of(256)}), ElementsAre(applied));
  EXPECT_THAT(*master().retry({make_retry(256), make_retry(512)}), ElementsAre(cancelling, applied));
  EXPECT_THAT(*master().retry({quarantine_of(256)}), ElementsAre(cancelling));
  const TaskView view = *master().get(TaskId{256});
  EXPECT_EQ(view.row.attempt, 1);
  EXPECT_EQ(view.row.run_at, kStart);
  EXPECT_THAT(view.attempts, IsEmpty());
  EXPECT_THAT(*master().complete({make_completion(256, 1, TaskState::cancelled)}), ElementsAre(applied))
      << "it may end";
}

TEST_P(StoreContract, ARepeatedRetryIsAppliedThoughACancelCameBetween) {
  ASSERT_TRUE(master().accept({make_row(256)}));
  ASSERT_THAT(*master().retry({make_retry(256)}), ElementsAre(applied));
  ASSERT_THAT(*master().control({cancel_of(256)}), ElementsAre(applied));
  EXPECT_THAT(*master().retry({make_retry(256)}), ElementsAre(applied));
  EXPECT_EQ(master().get(TaskId{256})->attempts.size(), 1u);
  Retry other = make_retry(256);
  other.run_at += 1s;
  EXPECT_THAT(*master().retry({other}), ElementsAre(stale)) << "its attempt is over, cancelled or not";
  EXPECT_THAT(*master().retry({make_retry(256, 2)}), ElementsAre(cancelling));
}

TEST_P(StoreContract, ACancelledTaskIsNotMarked) {
  ASSERT_TRUE(master().accept({make_row(256), make_row(512), make_row(768)}));
  ASSERT_THAT(*master().mark({mark_of(512, 1, {9})}), ElementsAre(applied));
  ASSERT_THAT(*master().control({cancel_of(256), cancel_of(512)}), ElementsAre(applied, applied));
  EXPECT_THAT(*master().mark({mark_of(256, 1, {9}), mark_of(512, 1, {8}, {9}), mark_of(768, 1, {9})}),
              ElementsAre(cancelling, cancelling, applied));
  EXPECT_THAT(*master().mark({mark_of(512, 1, {9}, {9}, kStart)}), ElementsAre(cancelling))
      << "its start would be new";
  EXPECT_THAT(*master().mark({mark_of(512, 1, {9})}), ElementsAre(applied))
      << "a repeat of what was recorded";
  EXPECT_THAT(*master().mark({mark_of(512, 2, {9}), mark_of(256, 2, {9})}), ElementsAre(stale, stale));
  EXPECT_EQ(master().get(TaskId{256})->row.worker, "");
  EXPECT_EQ(master().get(TaskId{512})->row.worker, "w9");
  EXPECT_FALSE(master().get(TaskId{512})->row.started_at);
}

// ---- quarantine and release ----

TEST_P(StoreContract, AQuarantinedTaskIsInNoPage) {
  ASSERT_TRUE(master().accept({make_row(256), make_row(512), make_row(768, kStart - 1s, 9)}));
  ASSERT_THAT(*master().retry({quarantine_of(256), quarantine_of(768)}), ElementsAre(applied, applied));
  const WallTime late = kStart + 24h * 365 * 1000;
  auto page = master().page(std::nullopt, late, all_shards(), 10);
  EXPECT_THAT(ids_of(page.rows), ElementsAre(TaskId{512}));
  EXPECT_TRUE(page.exhausted);
  EXPECT_THAT(ids_of(master().page_due(kStart - 24h, kStart + 24h, all_shards(), 10)),
              ElementsAre(TaskId{512}));
  ASSERT_THAT(*master().complete({make_completion(512)}), ElementsAre(applied));
  page = master().page(std::nullopt, late, all_shards(), 10);
  EXPECT_THAT(page.rows, IsEmpty());
  EXPECT_TRUE(page.exhausted) << "only quarantined tasks are left";
  page = master().page(page.last, late, all_shards(), 1);
  EXPECT_TRUE(page.rows.empty() && page.exhausted);
  EXPECT_THAT(master().page_due(kStart - 24h, kStart + 24h, all_shards(), 10), IsEmpty());
}

TEST_P(StoreContract, AQuarantineIsARetryThatWaitsForARelease) {
  ASSERT_TRUE(master().accept({make_row(256)}));
  ASSERT_THAT(*master().retry({quarantine_of(256)}), ElementsAre(applied));
  EXPECT_THAT(*master().retry({quarantine_of(256)}), ElementsAre(applied)) << "a repeat";
  const TaskView view = *master().get(TaskId{256});
  EXPECT_EQ(view.row.state, TaskState::quarantined);
  EXPECT_EQ(view.row.rank, kQuarantineRank);
  EXPECT_EQ(view.row.attempt, 2);
  EXPECT_EQ(view.row.crashes, 3);
  ASSERT_EQ(view.attempts.size(), 1u);
  EXPECT_EQ(view.attempts[0].result.outcome, Outcome::lost);
  EXPECT_EQ(master().list({.states = {TaskState::quarantined}}).views.size(), 1u);
  EXPECT_THAT(*master().groups(), IsEmpty()) << "nobody waits in a lane";
  EXPECT_EQ(master().lookup({TaskId{256}}).front().row->state, TaskState::quarantined);
}

TEST_P(StoreContract, AReleasedTaskMayRunAgain) {
  TaskRow urgent = make_row(256);
  urgent.task.priority = 9;
  ASSERT_TRUE(master().accept({urgent}));
  Retry quarantine = quarantine_of(256);
  quarantine.failures = 2;
  ASSERT_THAT(*master().retry({quarantine}), ElementsAre(applied));
  const Control release = release_of(256);
  ASSERT_THAT(*master().control({release}), ElementsAre(applied));
  const auto page = master().page(std::nullopt, release.run_at, all_shards(), 10);
  ASSERT_THAT(ids_of(page.rows), ElementsAre(TaskId{256}));
  EXPECT_THAT(ids_of(master().page_due(kStart, release.run_at, all_shards(), 10)), ElementsAre(TaskId{256}));
  const TaskRow& row = page.rows.front();
  EXPECT_EQ(row.state, TaskState::ready);
  EXPECT_EQ(row.crashes, 0);
  EXPECT_EQ(row.failures, 2) << "only its crashes are forgotten";
  EXPECT_EQ(row.attempt, 2);
  EXPECT_EQ(row.run_at, release.run_at);
  EXPECT_EQ(row.rank, rank_of(release.run_at, 9, kDefaultAgeingStep)) << "as urgent as it was";
  EXPECT_EQ(master().get(TaskId{256})->attempts.size(), 1u);
  EXPECT_THAT(*master().mark({mark_of(256, 2, {9})}), ElementsAre(applied));
}

TEST_P(StoreContract, ARepeatedReleaseIsAppliedAndOfWhatIsNotQuarantinedStale) {
  ASSERT_TRUE(master().accept({make_row(256), make_row(512)}));
  ASSERT_THAT(*master().retry({quarantine_of(256)}), ElementsAre(applied));
  EXPECT_THAT(*master().control({release_of(256), release_of(512)}), ElementsAre(applied, stale));
  EXPECT_THAT(*master().control({release_of(256)}), ElementsAre(applied)) << "as after an unknown outcome";
  EXPECT_THAT(*master().control({release_of(256, kStart + 4s)}), ElementsAre(stale));
  ASSERT_THAT(*master().mark({mark_of(256, 2, {9}, {}, kStart)}), ElementsAre(applied));
  EXPECT_THAT(*master().control({release_of(256)}), ElementsAre(applied)) << "it has even started since";
  const TaskRow row = master().get(TaskId{256})->row;
  EXPECT_EQ(row.state, TaskState::running);
  EXPECT_EQ(row.run_at, release_of(256).run_at);
  expect_equal(master().get(TaskId{512})->row, make_row(512));
}

TEST_P(StoreContract, OneCallMayMixCancelsAndReleases) {
  ASSERT_TRUE(master().accept({make_row(256), make_row(512), make_row(768)}));
  ASSERT_THAT(*master().retry({quarantine_of(256), quarantine_of(768)}), ElementsAre(applied, applied));
  EXPECT_THAT(*master().control({release_of(768), cancel_of(512), release_of(256)}),
              ElementsAre(applied, applied, applied));
  EXPECT_EQ(master().get(TaskId{256})->row.state, TaskState::ready);
  EXPECT_FALSE(master().get(TaskId{256})->row.cancel_requested);
  EXPECT_EQ(master().get(TaskId{768})->row.state, TaskState::ready);
  EXPECT_TRUE(master().get(TaskId{512})->row.cancel_requested);
}

// So that a cancelled quarantine is paged in again, should its owner die before it records the end.
TEST_P(StoreContract, OneCallMayCancelAndReleaseTheSameTask) {
  ASSERT_TRUE(master().accept({make_row(256), make_row(512), make_row(768)}));
  ASSERT_THAT(*master().retry({quarantine_of(256), quarantine_of(512)}), ElementsAre(applied, applied));
  EXPECT_THAT(*master().control({cancel_of(256), release_of(256), release_of(512), cancel_of(512),
                                 cancel_of(768), release_of(768), release_of(512, kStart + 9s)}),
              ElementsAre(applied, stale, applied, applied, applied, stale, stale))
      << "a cancel takes it out of quarantine";
  const auto page = master().page(std::nullopt, cancel_of(256).run_at, all_shards(), 10);
  ASSERT_EQ(page.rows.size(), 3u);
  for (const TaskRow& row : page.rows) EXPECT_TRUE(row.cancel_requested) << row.id.value;
  EXPECT_EQ(master().get(TaskId{512})->row.run_at, release_of(512).run_at) << "the first release counts";
}

TEST_P(StoreContract, AReleaseAndACancelOfALateTaskInOneCallAreACancel) {
  TaskRow late = make_row(256);
  late.run_at = kStart + 9h;
  late.rank = rank_of(late.run_at, late.task.priority, kDefaultAgeingStep);
  late.state = TaskState::delayed;
  ASSERT_TRUE(master().accept({late}));
  EXPECT_THAT(*master().control({release_of(256), cancel_of(256)}), ElementsAre(stale, applied));
  EXPECT_EQ(master().get(TaskId{256})->row.run_at, cancel_of(256).run_at);
}

TEST_P(StoreContract, ACancelledQuarantineMayEndAndIsNotReleased) {
  ASSERT_TRUE(master().accept({make_row(256), make_row(512)}));
  ASSERT_THAT(*master().retry({quarantine_of(256), quarantine_of(512)}), ElementsAre(applied, applied));
  ASSERT_THAT(*master().control({cancel_of(256), cancel_of(512)}), ElementsAre(applied, applied));
  EXPECT_THAT(*master().control({release_of(512)}), ElementsAre(stale));
  EXPECT_TRUE(master().get(TaskId{512})->row.cancel_requested);
  EXPECT_THAT(*master().complete({make_completion(256, 2, TaskState::cancelled)}), ElementsAre(applied));
}

}  // namespace
}  // namespace ringmaster
