// The fence, statement by statement: each write is run by hand under a stamp of the test's choice.
#include <gmock/gmock.h>

#include "sql/pg_columns.h"
#include "sql/pg_statements.h"
#include "tests/contract/sql/store_world.h"

namespace ringmaster {
namespace {

using Stamp = PgPool::Stamp;

// A session that runs the store's statements in transactions of the test's choice.
class RawSession {
 public:
  explicit RawSession(const PgWorld& world) : connection_(PQconnectdb(world.conninfo().c_str()), &PQfinish) {}

  PgRows run(const std::string& sql, const PgParams& params = {}) {
    std::vector<const char*> values;
    std::vector<int> lengths;
    for (const std::string& value : params.values()) {
      values.push_back(value.data());
      lengths.push_back(static_cast<int>(value.size()));
    }
    const std::vector<int> formats(values.size(), 1);
    PGresult* result = PQexecParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()), nullptr,
                                    values.data(), lengths.data(), formats.data(), 1);
    const auto status = PQresultStatus(result);
    EXPECT_TRUE(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) << PQerrorMessage(connection_.get());
    return PgRows(result);
  }

 private:
  std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
};

struct Write {
  std::string name;
  std::function<bool(RawSession&, const Stamp&)> changes;  // whether it changed anything
};

template <class Item>
Write write_of(const PgStatement& statement, std::span<const PgColumn<Item>> columns, Item item, bool plain) {
  return {statement.name, [&statement, columns, items = std::vector<Item>{item}, plain](RawSession& session,
                                                                                        const Stamp& stamp) {
            PgParams params = stamp.params();
            put_columns(params, columns, items, plain);
            return session.run(statement.sql, params).affected() == 1;
          }};
}

// In an order in which each one can apply after the ones before.
std::vector<Write> writes() {
  const auto& s = pg_statements();
  const Write take{"take_shards", [&s](RawSession& session, const Stamp& stamp) {
                     PgParams params = stamp.params();
                     PgArray ids(PgType::int2);
                     ids.integer(9);
                     params.array(std::move(ids));
                     const PgRows rows = session.run(s.take_shards.sql, params);
                     EXPECT_EQ(rows.integer(0, 0) == 1, !rows.is_null(0, 1)) << "it says whether it held";
                     return !rows.is_null(0, 1);
                   }};
  // It answers whether the fence held, which is not whether it changed anything.
  const Write late{"keep_late", [&s](RawSession& session, const Stamp& stamp) {
                     PgParams params = stamp.params();
                     put_columns<LateResult>(params, late_columns(), {{{TaskId{256}, 1, 1}, "w1", {}}},
                                             false);
                     const bool held = session.run(s.keep_late.sql, params).size() == 1;
                     const PgRows kept = session.run("SELECT count(*) FROM ringmaster.late_result");
                     EXPECT_EQ(held, kept.integer(0, 0) == 1) << "it says whether it held";
                     return held;
                   }};
  const Write prove{"prove", [&s](RawSession& session, const Stamp& stamp) {
                      return session.run(s.prove.sql, stamp.params()).size() == 1;
                    }};
  return {take,
          late,
          prove,
          write_of(s.accept, accept_columns(), make_row(256), false),
          write_of(s.accept_plain, accept_columns(), make_row(512), true),
          write_of(s.mark_running, mark_columns(), RunningMark{{TaskId{256}, 1, 1}, "w1", {9}, kStart, {}},
                   false),
          write_of(s.retry, retry_columns(), make_retry(256), false),
          write_of(s.control, control_columns(), TaskControl{.id = {256}, .cancel_at = kStart}, false),
          write_of(s.complete, complete_columns(), make_completion(256, 2), false),
          write_of(s.complete_plain, complete_columns(), make_completion(512), true)};
}

class PgFence : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(master_.open());
    const auto number = [&](const char* column) {
      return std::stol(world_.query(std::string("SELECT ") + column + " FROM ringmaster.fence LIMIT 1"));
    };
    stamp_ = {master_.incarnation(), static_cast<int>(number("connection")), number("generation")};
  }

  bool a_statement_waits_for_a_row() {
    return world_.run_until([&] {
      return world_.query("SELECT count(*) FROM pg_locks WHERE NOT granted AND database IS NULL") != "0";
    });
  }

  PgWorld world_;
  Master master_{world_, world_.make_store(1), 1};
  Stamp stamp_;
};

TEST_F(PgFence, EveryWriteNeedsItsIncarnationItsConnectionAndItsGeneration) {
  RawSession session(world_);
  for (const Write& write : writes()) {
    for (const Stamp& wrong : {Stamp{{2}, stamp_.connection, stamp_.generation},
                               Stamp{stamp_.incarnation, stamp_.connection + 1, stamp_.generation},
                               Stamp{stamp_.incarnation, stamp_.connection, stamp_.generation + 1}}) {
      EXPECT_FALSE(write.changes(session, wrong)) << write.name;
    }
    EXPECT_TRUE(write.changes(session, stamp_)) << write.name;
  }
}

// Otherwise an answer could say that a statement cannot happen any more while it is about to commit.
TEST_F(PgFence, EveryWriteHoldsItsRowUntilItsTransactionEnds) {
  RawSession session(world_);
  for (const Write& write : writes()) {
    session.run("BEGIN");
    ASSERT_TRUE(write.changes(session, stamp_)) << write.name;
    for (const std::string change :
         {"DELETE FROM ringmaster.fence", "UPDATE ringmaster.fence SET generation = 7"}) {
      EXPECT_THROW(world_.query("SET lock_timeout = '50ms'; " + change), std::runtime_error) << write.name;
    }
    session.run("COMMIT");
  }
}

TEST_F(PgFence, AWriteThatWaitedForAReleaseDoesNothing) {
  ASSERT_TRUE(master_.take({0}));
  RawSession releasing(world_);
  PgParams params = stamp_.params();
  PgArray ids(PgType::int2);
  ids.integer(0);
  params.array(std::move(ids));
  releasing.run("BEGIN");
  EXPECT_FALSE(releasing.run(pg_statements().release_shards.sql, params).is_null(0, 0));
  std::optional<Result<>> answer;
  master_.store().accept({make_row(256)}, [&](Result<> result) { answer = std::move(result); });
  ASSERT_TRUE(a_statement_waits_for_a_row());
  releasing.run("COMMIT");
  ASSERT_TRUE(world_.run_until([&] { return answer.has_value(); }));
  ASSERT_FALSE(*answer);
  EXPECT_EQ(answer->error().code, ErrorCode::fenced);
  EXPECT_EQ(world_.query("SELECT count(*) FROM ringmaster.task"), "0");
}

TEST_F(PgFence, AProofThatWaitedForATakeOverIsNone) {
  RawSession taking_over(world_);
  taking_over.run("BEGIN");
  taking_over.run("DELETE FROM ringmaster.fence WHERE incarnation = 1");
  std::optional<Result<>> answer;
  master_.store().prove([&](Result<> result) { answer = std::move(result); });
  ASSERT_TRUE(a_statement_waits_for_a_row());
  EXPECT_FALSE(answer);
  taking_over.run("COMMIT");
  ASSERT_TRUE(world_.run_until([&] { return answer.has_value(); }));
  ASSERT_FALSE(*answer);
  EXPECT_EQ(answer->error().code, ErrorCode::fenced);
}

// So that it waits for a synchronous standby, as every write does.
TEST_F(PgFence, AProofWritesIntoItsFenceRow) {
  const std::string locked_by =
      "SELECT xmax FROM ringmaster.fence WHERE connection = " + std::to_string(stamp_.connection);
  const std::string before = world_.query(locked_by);
  ASSERT_EQ(RawSession(world_).run(pg_statements().prove.sql, stamp_.params()).size(), 1);
  EXPECT_NE(world_.query(locked_by), before);
}

// Both waited for the row that a cancel was changing, and look at it again.
TEST_F(PgFence, WhatWaitedForACancelIsCancelling) {
  ASSERT_TRUE(master_.accept({make_row(256)}));
  const std::string cancel = "UPDATE ringmaster.task SET cancel_requested_at = now()";
  for (const bool marks : {false, true}) {
    world_.query("UPDATE ringmaster.task SET cancel_requested_at = NULL");
    RawSession cancelling(world_);
    cancelling.run("BEGIN");
    cancelling.run(cancel);
    std::optional<Result<std::vector<WriteFate>>> fates;
    const auto keep = [&](Result<std::vector<WriteFate>> answer) { fates = std::move(answer); };
    if (marks) {
      master_.store().mark_running({{{TaskId{256}, 1, 1}, "w1", {9}, {}, {}}}, keep);
    } else {
      master_.store().retry({make_retry(256)}, keep);
    }
    ASSERT_TRUE(a_statement_waits_for_a_row());
    cancelling.run("COMMIT");
    ASSERT_TRUE(world_.run_until([&] { return fates.has_value(); }));
    EXPECT_THAT(**fates, testing::ElementsAre(WriteFate::cancelling));
  }
  EXPECT_EQ(world_.query("SELECT attempt || coalesce(worker, '') FROM ringmaster.task"), "1");
}

TEST_F(PgFence, TheFirstCancelsTimeIsKept) {
  ASSERT_TRUE(master_.accept({make_row(256)}));
  ASSERT_TRUE(master_.control({{TaskId{256}}}));
  const std::string question = "SELECT cancel_requested_at FROM ringmaster.task";
  const std::string first = world_.query(question);
  EXPECT_NE(first, "");
  ASSERT_TRUE(master_.control({{TaskId{256}}}));
  EXPECT_EQ(world_.query(question), first);
  ASSERT_TRUE(master_.complete({make_completion(256, 1, TaskState::cancelled)}));
  EXPECT_EQ(world_.query("SELECT cancel_requested_at FROM ringmaster.task_history"), first);
}

TEST_F(PgFence, AMasterThatIsDeclaredDeadWhileItTakesOverDoesNot) {
  Master victim(world_, 2, "m2");
  ASSERT_TRUE(victim.open());
  ASSERT_TRUE(victim.take({3}));
  world_.query("UPDATE ringmaster.master SET state = 'dead' WHERE incarnation = 1");
  EXPECT_EQ(master_.take_over({2}).error().code, ErrorCode::fenced);
  EXPECT_EQ(victim.shards()[3].owner, Incarnation{2});
  EXPECT_TRUE(victim.accept({make_row(256)}));
}

}  // namespace
}  // namespace ringmaster
