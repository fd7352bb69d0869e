#include "sql/memory_database.h"

#include <gmock/gmock.h>

#include "sql/migrate.h"

namespace ringmaster {
namespace {

MasterIdentity identity(std::int64_t incarnation) {
  return {"m", {incarnation}, "", "", ""};
}

TaskRow row_of(std::int64_t id) {
  TaskRow row;
  row.id = TaskId{id};
  return row;
}

TEST(MemoryDatabase, ASettledConnectionsStatementNeverApplies) {
  MemoryDatabase database;
  ASSERT_TRUE(database.register_master(identity(1)));
  const auto lost = *database.make_fence({1}), next = *database.make_fence({1});
  EXPECT_NE(lost.connection, next.connection);
  database.settle(lost);
  EXPECT_EQ(database.accept(lost, {row_of(256)}).error().code, ErrorCode::fenced);
  EXPECT_TRUE(database.accept(next, {row_of(256)}));
}

TEST(MemoryDatabase, AReleaseOutdatesEveryConnectionsStatements) {
  MemoryDatabase database;
  ASSERT_TRUE(database.register_master(identity(1)));
  const auto first = *database.make_fence({1}), second = *database.make_fence({1});
  const Generation next = *database.release_shards(first, {});
  EXPECT_FALSE(database.holds(second));
  EXPECT_TRUE(database.holds({second.incarnation, second.connection, next}));
  EXPECT_EQ(database.make_fence({1})->generation, next);
}

TEST(MemoryDatabase, TheDeadMakeNoFence) {
  MemoryDatabase database;
  ASSERT_TRUE(database.register_master(identity(1)));
  ASSERT_TRUE(database.register_master(identity(2)));
  ASSERT_TRUE(database.take_over(*database.make_fence({2}), {1}));
  EXPECT_EQ(database.make_fence({1}).error().code, ErrorCode::fenced);
  EXPECT_EQ(database.register_master(identity(1)).error().code, ErrorCode::fenced);
}

TEST(MemoryDatabase, HistoryIsDroppedByWholeDays) {
  MemoryDatabase database;
  ASSERT_TRUE(database.register_master(identity(1)));
  const auto fence = *database.make_fence({1});
  const WallTime noon = *parse_time("2026-01-02T12:00:00Z");
  ASSERT_TRUE(database.accept(fence, {row_of(256)}));
  ASSERT_TRUE(database.complete(fence, {{{TaskId{256}, 1, 1}, TaskState::succeeded, "w", {}}}, noon));
  database.drop_history_before(noon + std::chrono::hours(11));
  EXPECT_EQ(database.history().size(), 1u);
  database.drop_history_before(noon + std::chrono::hours(12));
  EXPECT_THAT(database.history(), testing::IsEmpty());
}

TEST(MemoryDatabase, LateResultsAreDroppedToTheMicrosecond) {
  MemoryDatabase database;
  ASSERT_TRUE(database.register_master(identity(1)));
  const auto fence = *database.make_fence({1});
  const WallTime noon = *parse_time("2026-01-02T12:00:00Z");
  ASSERT_TRUE(database.keep_late(fence, {{{TaskId{256}, 1, 1}, "w", {}}}, noon));
  database.drop_history_before(noon);
  EXPECT_EQ(database.late().size(), 1u);
  database.drop_history_before(noon + std::chrono::microseconds(1));
  EXPECT_THAT(database.late(), testing::IsEmpty());
}

TEST(MemoryDatabase, OnlyAFenceThatHoldsProvesAnything) {
  MemoryDatabase database;
  EXPECT_EQ(database.prove({}).error().code, ErrorCode::fenced);
  ASSERT_TRUE(database.register_master(identity(1)));
  const auto fence = *database.make_fence({1});
  EXPECT_TRUE(database.prove(fence));
  const Generation next = *database.release_shards(fence, {});
  EXPECT_EQ(database.prove(fence).error().code, ErrorCode::fenced);
  EXPECT_TRUE(database.prove({fence.incarnation, fence.connection, next}));
  database.settle(fence);
  EXPECT_FALSE(database.prove({fence.incarnation, fence.connection, next}));
}

TEST(MemoryDatabase, NoTimeIsLateEnoughToPageAQuarantine) {
  MemoryDatabase database;
  ASSERT_TRUE(database.register_master(identity(1)));
  const auto fence = *database.make_fence({1});
  TaskRow row = row_of(256);
  row.rank = kQuarantineRank;
  ASSERT_TRUE(database.accept(fence, {row}));
  const std::vector<bool> owned(kShardCount, true);
  const auto page = database.page("default", {}, WallTime::max(), owned, 10);
  EXPECT_TRUE(page.rows.empty() && page.exhausted);
  EXPECT_THAT(database.page_due({"default"}, WallTime::min(), WallTime::max(), owned, 10),
              testing::IsEmpty());
}

TEST(Migrations, AreNumberedFromOneWithoutGaps) {
  int version = 0;
  for (const Migration& migration : migrations()) EXPECT_EQ(migration.version, ++version);
  EXPECT_EQ(schema_version(), version);
}

}  // namespace
}  // namespace ringmaster
