// What no store would write, put into PostgreSQL by hand: an audit's reads show it.
#include <gmock/gmock.h>

#include "tests/contract/sql/store_world.h"

namespace ringmaster {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

class PgAudit : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(master_.open()); }
  AuditHistory history(TaskId from = TaskId{INT64_MAX}, int limit = 100) {
    return world_
        .wait<AuditHistory>([&](auto done) { master_.store().audit_history(from, limit, std::move(done)); })
        .value();
  }
  std::vector<AuditMasterRow> masters() {
    return world_
        .wait<std::vector<AuditMasterRow>>([&](auto done) { master_.store().audit_masters(std::move(done)); })
        .value();
  }
  void ended(std::int64_t id) {
    ASSERT_TRUE(master_.accept({make_row(id)}));
    ASSERT_TRUE(master_.complete({make_completion(id)}));
  }
  // The row once more, as if it had ended so many days ago.
  void plant_twin(std::int64_t id, int days_ago) {
    world_.query("SELECT ringmaster.make_history_partition(current_date - " + std::to_string(days_ago) + ")");
    world_.query("CREATE TEMPORARY TABLE twin AS SELECT * FROM ringmaster.task_history WHERE id = " +
                 std::to_string(id) + " LIMIT 1; UPDATE twin SET finished_at = now() - interval '" +
                 std::to_string(days_ago) + " days'; INSERT INTO ringmaster.task_history SELECT * FROM twin");
  }

  PgWorld world_;
  Master master_{world_, 1};
};

TEST_F(PgAudit, AnIdThatIsInTwoPartitionsIsFoundOnWhicheverSideOfABatchItLies) {
  for (int i = 1; i <= 5; ++i) ended(256 * i);
  EXPECT_THAT(history().odd, IsEmpty());
  plant_twin(768, 3);
  const AuditHistory all = history();
  EXPECT_EQ(all.looked_at, 6u);
  ASSERT_THAT(all.odd, SizeIs(1));
  EXPECT_EQ(all.odd[0].id, TaskId{768});
  EXPECT_TRUE(all.odd[0].twice);
  EXPECT_FALSE(all.odd[0].in_task);
  // In batches that end before, between and behind the two rows.
  for (const int limit : {2, 3, 4}) {
    std::size_t found = 0;
    std::optional<TaskId> from = TaskId{INT64_MAX};
    for (int round = 0; from && round < 10; ++round) {
      const AuditHistory part = history(*from, limit);
      found += part.odd.size();
      from = part.last == from ? TaskId{from->value - 1} : part.last;
    }
    EXPECT_GE(found, 1u) << limit;
    EXPECT_FALSE(from) << limit;
  }
}

TEST_F(PgAudit, AnEndedTaskThatWaitsAgainIsFound) {
  ended(256);
  ASSERT_TRUE(master_.accept({make_row(256)})) << "task alone does not know";
  const AuditHistory found = history();
  ASSERT_THAT(found.odd, SizeIs(1));
  EXPECT_TRUE(found.odd[0].in_task);
  EXPECT_FALSE(found.odd[0].twice);
}

TEST_F(PgAudit, StatesAndNumbersThatCannotBeAreFound) {
  for (int i = 1; i <= 4; ++i) ended(256 * i);
  world_.query("UPDATE ringmaster.task_history SET state = 1 WHERE id = 256");
  world_.query("UPDATE ringmaster.task_history SET attempt = 0 WHERE id = 512");
  world_.query("UPDATE ringmaster.task_history SET failures = 1 WHERE id = 768");
  const AuditHistory found = history();
  EXPECT_EQ(found.looked_at, 4u);
  ASSERT_THAT(found.odd, SizeIs(3));
  EXPECT_EQ(found.odd[0].failures, 1);
  EXPECT_EQ(found.odd[1].attempt, 0);
  EXPECT_EQ(found.odd[2].state, 1);
}

TEST_F(PgAudit, FenceRowsOfTheDeadAndOfNobodyAreTold) {
  Master second(world_, 2, "m2");
  ASSERT_TRUE(second.open());
  ASSERT_TRUE(second.resign());
  world_.query(
      "INSERT INTO ringmaster.fence VALUES (2, 77, 1, 1, now()), (99, 1, 1, 1, now()), (99, 2, 1, 1, now())");
  const auto rows = masters();
  ASSERT_THAT(rows, SizeIs(3));
  EXPECT_TRUE(rows[0].living);
  EXPECT_EQ(rows[0].fences, 2u);
  EXPECT_FALSE(rows[1].living);
  EXPECT_EQ(rows[1].node_id, "m2");
  EXPECT_EQ(rows[1].fences, 1u);
  EXPECT_EQ(rows[2].incarnation, Incarnation{99});
  EXPECT_EQ(rows[2].node_id, "");
  EXPECT_EQ(rows[2].fences, 2u);
}

}  // namespace
}  // namespace ringmaster
