// What an audit reads, the same from both stores where nothing is wrong.
#include <gmock/gmock.h>

#include "tests/contract/sql/store_suite.h"

namespace ringmaster {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr TaskId kTop{INT64_MAX};

class StoreAudit : public StoreContract {
 protected:
  std::vector<AuditRow> lane(std::optional<PageKey> after, WallTime due, int limit) {
    return world()
        .wait<std::vector<AuditRow>>(
            [&](auto done) { master().store().audit_lane("default", after, due, limit, std::move(done)); })
        .value();
  }
  std::vector<AuditRow> tasks(TaskId after, int limit) {
    return world()
        .wait<std::vector<AuditRow>>(
            [&](auto done) { master().store().audit_tasks(after, limit, std::move(done)); })
        .value();
  }
  AuditHistory history(TaskId from, int limit) {
    return world()
        .wait<AuditHistory>([&](auto done) { master().store().audit_history(from, limit, std::move(done)); })
        .value();
  }
  std::vector<AuditMasterRow> masters() {
    return world()
        .wait<std::vector<AuditMasterRow>>(
            [&](auto done) { master().store().audit_masters(std::move(done)); })
        .value();
  }
  static std::vector<std::int64_t> ids(const std::vector<AuditRow>& rows) {
    std::vector<std::int64_t> found;
    for (const AuditRow& row : rows) found.push_back(row.id.value);
    return found;
  }
};

TEST_P(StoreAudit, ReadsTheHeadOfALaneInItsOrderWhateverTheStateOfItsRows) {
  ASSERT_TRUE(master().accept({make_row(256, kStart + 3s), make_row(512, kStart), make_row(768, kStart + 1h),
                               make_row(1024, kStart + 1s)}));
  ASSERT_TRUE(master().mark({{{TaskId{512}, 7, 1}, "w1", {9}, kStart, {}}}));
  ASSERT_TRUE(master().control({{TaskId{1024}, ControlAction::cancel, kStart + 2s}}));

  const auto rows = lane(std::nullopt, kStart, 100);
  ASSERT_THAT(ids(rows), ElementsAre(512, 1024, 256)) << "of priority 5: 5 minutes ahead";
  EXPECT_EQ(rows[0].state, static_cast<std::int32_t>(TaskState::running));
  EXPECT_EQ(rows[0].worker, "w1");
  EXPECT_EQ(rows[0].worker_incarnation, Incarnation{9});
  EXPECT_EQ(rows[0].epoch, 7);
  EXPECT_EQ(rows[0].attempt, 1);
  EXPECT_EQ(rows[0].group, "default");
  EXPECT_EQ(rows[0].run_at, kStart);
  EXPECT_FALSE(rows[0].cancel_requested_at);
  EXPECT_TRUE(rows[1].cancel_requested_at);
  EXPECT_EQ(rows[2].worker, "");
  EXPECT_THAT(ids(lane(std::nullopt, kStart, 2)), ElementsAre(512, 1024));
  EXPECT_THAT(ids(lane(PageKey{rows[1].rank, rows[1].id}, kStart, 2)), ElementsAre(256));
}

TEST_P(StoreAudit, ReadsEveryTaskByItsIdTheQuarantinedToo) {
  ASSERT_TRUE(master().accept({make_row(256), make_row(512, kStart + 24h), make_row(768)}));
  Retry quarantine = make_retry(768);
  quarantine.state = TaskState::quarantined;
  quarantine.rank = kQuarantineRank;
  quarantine.crashes = 1;
  ASSERT_TRUE(master().retry({quarantine}));
  EXPECT_THAT(ids(tasks(TaskId{INT64_MIN}, 2)), ElementsAre(256, 512));
  const auto rest = tasks(TaskId{512}, 2);
  ASSERT_THAT(ids(rest), ElementsAre(768));
  EXPECT_EQ(rest[0].state, static_cast<std::int32_t>(TaskState::quarantined));
  EXPECT_EQ(rest[0].attempt, 2);
  EXPECT_EQ(rest[0].failures, 1);
  EXPECT_EQ(rest[0].crashes, 1);
  EXPECT_THAT(tasks(TaskId{768}, 2), IsEmpty());
}

TEST_P(StoreAudit, FindsNothingOddInWhatItselfHasWrittenAndGoesThroughAllOfIt) {
  std::vector<TaskRow> rows;
  std::vector<Completion> ends;
  for (int i = 1; i <= 7; ++i) {
    rows.push_back(make_row(256 * i));
    if (i < 7) ends.push_back(make_completion(256 * i));
  }
  ASSERT_TRUE(master().accept(rows));
  ASSERT_TRUE(master().retry({make_retry(256)}));
  ends[0].token.attempt = 2;
  ASSERT_TRUE(master().complete(ends));

  std::uint64_t read = 0;
  std::optional<TaskId> from = kTop;
  for (int round = 0; from && round < 10; ++round) {
    const AuditHistory found = history(*from, 3);
    EXPECT_THAT(found.odd, IsEmpty());
    read += found.looked_at - (*from == kTop ? 0 : 1);  // the last one again
    from = found.last;
  }
  EXPECT_FALSE(from) << "it comes to an end";
  EXPECT_EQ(read, 6u);
}

TEST_P(StoreAudit, TellsLivingMastersWithTheirFenceRowsAndNoneThatIsOver) {
  Master second(world(), 2, "m2"), third(world(), 3, "m3");
  ASSERT_TRUE(second.open());
  ASSERT_TRUE(third.open());
  ASSERT_TRUE(third.resign());
  ASSERT_TRUE(master().take_over(Incarnation{2}));
  const auto rows = masters();
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0].incarnation, Incarnation{1});
  EXPECT_EQ(rows[0].node_id, "m1");
  EXPECT_TRUE(rows[0].living);
  EXPECT_GE(rows[0].fences, 1u);
}

INSTANTIATE_TEST_SUITE_P(Stores, StoreAudit, testing::Values("Memory", "PostgreSql"),
                         [](const auto& suite) { return suite.param; });

}  // namespace
}  // namespace ringmaster
