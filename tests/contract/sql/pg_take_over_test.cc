// H3 (protocol.md): a take-over must neither starve behind the locks of a busy master nor hang on a frozen
// one. It first ends the backends that the suspect's fence rows name, again with each attempt.
#include <chrono>

#include <gmock/gmock.h>

#include "sql/pg_columns.h"
#include "sql/pg_statements.h"
#include "tests/contract/sql/store_world.h"

namespace ringmaster {
namespace {

using namespace std::chrono_literals;
using Stamp = PgPool::Stamp;

// A connection of the suspect's that its master leaves as it is, in the middle of something.
class FrozenConnection {
 public:
  FrozenConnection(const PgWorld& world, Incarnation master, int number)
      : connection_(PQconnectdb(world.conninfo().c_str()), &PQfinish) {
    const std::string arguments = std::to_string(master.value) + ", " + std::to_string(number);
    run("SELECT ringmaster.make_fence(" + arguments + ")");
    const std::string where = "incarnation = " + std::to_string(master.value);
    stamp_ = {master, number,
              std::stol(world.query("SELECT generation FROM ringmaster.master WHERE " + where))};
  }

  void run(const std::string& sql) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> rows(PQexec(connection_.get(), sql.c_str()),
                                                             &PQclear);
    const auto status = PQresultStatus(rows.get());
    ASSERT_TRUE(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) << PQerrorMessage(connection_.get());
  }
  // An insert as the store sends it, but without the sync that ends its transaction.
  void send_without_sync(std::vector<TaskRow> rows) {
    PgParams params = stamp_.params();
    put_columns(params, accept_columns(), rows, false);
    std::vector<const char*> values;
    std::vector<int> lengths;
    for (const std::string& value : params.values()) {
      values.push_back(value.data());
      lengths.push_back(static_cast<int>(value.size()));
    }
    const std::vector<int> formats(values.size(), 1);
    ASSERT_EQ(PQenterPipelineMode(connection_.get()), 1);
    ASSERT_EQ(PQsendQueryParams(connection_.get(), pg_statements().accept.sql.c_str(),
                                static_cast<int>(values.size()), nullptr, values.data(), lengths.data(),
                                formats.data(), 1),
              1);
    ASSERT_EQ(PQsendFlushRequest(connection_.get()), 1);
    ASSERT_EQ(PQflush(connection_.get()), 0);
    const std::unique_ptr<PGresult, decltype(&PQclear)> inserted(PQgetResult(connection_.get()), &PQclear);
    EXPECT_STREQ(PQcmdTuples(inserted.get()), std::to_string(rows.size()).c_str());
  }
  int backend() const { return PQbackendPID(connection_.get()); }

 private:
  std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
  Stamp stamp_;
};

class PgTakeOver : public testing::Test {
 protected:
  static constexpr int kBusy = 8;

  void SetUp() override {
    ASSERT_TRUE(suspect_.open());
    ASSERT_TRUE(suspect_.take({1, 2, 3}));
    ASSERT_TRUE(successor_.open());
  }
  std::string query(const std::string& sql) { return world_.query(sql); }

  // Each of the suspect's connections always has a statement under way, for as long as it may write.
  void keep_busy() {
    suspect_.store().accept({make_row(256 * ++next_)}, [this](const Result<>& answer) {
      accepted_ += answer ? 1 : 0;
      fenced_ += !answer && answer.error().code == ErrorCode::fenced ? 1 : 0;
      if (answer || answer.error().code != ErrorCode::fenced) world_.loop().post([this] { keep_busy(); });
    });
  }
  void take_over_in_time() {
    const auto started = std::chrono::steady_clock::now();
    const auto done = successor_.take_over(suspect_.incarnation());
    const auto took = std::chrono::steady_clock::now() - started;
    EXPECT_TRUE(done) << done.error().message;
    EXPECT_LT(took, 3s);
    EXPECT_EQ(query("SELECT state FROM ringmaster.master WHERE incarnation = 1"), "dead");
    EXPECT_EQ(query("SELECT count(*) FROM ringmaster.fence WHERE incarnation = 1"), "0");
    EXPECT_EQ(query("SELECT count(*) FROM ringmaster.shard WHERE owner = 1"), "0");
  }
  bool is_gone(int backend) {
    return world_.run_until([&] {
      return query("SELECT count(*) FROM pg_stat_activity WHERE pid = " + std::to_string(backend)) == "0";
    });
  }

  PgWorld world_;
  Master suspect_{world_, world_.make_store(kBusy), 1, "m1"};
  Master successor_{world_, 2, "m2"};
  std::int64_t next_ = 0;
  int accepted_ = 0, fenced_ = 0;
};

TEST_F(PgTakeOver, DoesNotStarveBehindBusyConnections) {
  for (int i = 0; i < 4 * kBusy; ++i) keep_busy();
  ASSERT_TRUE(world_.run_until([&] { return accepted_ > 500; }));
  take_over_in_time();
  const std::string tasks = query("SELECT count(*) FROM ringmaster.task");
  EXPECT_TRUE(world_.run_until([&] { return fenced_ == 4 * kBusy; })) << fenced_;
  EXPECT_EQ(query("SELECT count(*) FROM ringmaster.task"), tasks) << "nothing applies after the take-over";
}

TEST_F(PgTakeOver, DoesNotHangOnAMasterFrozenBetweenTwoMessagesOfATransaction) {
  FrozenConnection frozen(world_, suspect_.incarnation(), 1000);
  frozen.send_without_sync({make_row(256)});
  EXPECT_THROW(query("SET lock_timeout = '50ms'; DELETE FROM ringmaster.fence WHERE connection = 1000"),
               std::runtime_error)
      << "its fence row is locked";
  take_over_in_time();
  EXPECT_TRUE(is_gone(frozen.backend()));
  EXPECT_EQ(query("SELECT count(*) FROM ringmaster.task"), "0") << "what it had begun is undone";
}

TEST_F(PgTakeOver, DoesNotHangOnAMasterFrozenWhileItHandsOver) {
  FrozenConnection frozen(world_, suspect_.incarnation(), 1000);
  // It holds its master row, all fence rows and the shard.
  frozen.run("BEGIN; SELECT ringmaster.release_shards(1, 1000, 1, '{1}')");
  take_over_in_time();
  EXPECT_TRUE(is_gone(frozen.backend()));
}

// Nor does a take wait for one that is frozen while it takes: what that one holds is passed over.
TEST_F(PgTakeOver, ShardsThatAFrozenMasterIsTakingKeepNobodyFromTheOthers) {
  FrozenConnection frozen(world_, suspect_.incarnation(), 1000);
  frozen.run("BEGIN; UPDATE ringmaster.shard SET owner = 1, epoch = epoch + 1 WHERE id IN (4, 5)");
  const auto started = std::chrono::steady_clock::now();
  const auto taken = successor_.take({4, 5, 6});
  EXPECT_LT(std::chrono::steady_clock::now() - started, 3s);
  ASSERT_TRUE(taken) << taken.error().message;
  ASSERT_EQ(taken->size(), 1U);
  EXPECT_EQ(taken->front().shard, 6);
  take_over_in_time();
  EXPECT_EQ(successor_.take({4, 5})->size(), 2U);
}

// The rule switched off: each attempt only waits, however often it is repeated.
TEST_F(PgTakeOver, HangsOnAFrozenMasterUnlessItEndsItsBackends) {
  FrozenConnection frozen(world_, suspect_.incarnation(), 1000);
  frozen.send_without_sync({make_row(256)});
  query(
      "CREATE OR REPLACE FUNCTION ringmaster.end_backends(whose bigint, which integer) RETURNS void"
      " LANGUAGE sql AS ''");
  const std::string attempt =
      "SELECT ringmaster.take_over(2, (SELECT min(connection) FROM ringmaster.fence WHERE incarnation = 2), "
      "1)";
  for (int i = 0; i < 4; ++i) EXPECT_THROW(query(attempt), std::runtime_error);
  EXPECT_EQ(query("SELECT state FROM ringmaster.master WHERE incarnation = 1"), "living");
}

TEST_F(PgTakeOver, EndsTheBackendsOfAllFenceRows) {
  std::vector<int> backends;
  for (int i = 0; i < kBusy; ++i) {
    backends.push_back(
        std::stoi(query("SELECT backend_pid FROM ringmaster.fence WHERE incarnation = 1"
                        " ORDER BY connection OFFSET " +
                        std::to_string(i) + " LIMIT 1")));
  }
  take_over_in_time();
  for (const int backend : backends) EXPECT_TRUE(is_gone(backend));
}

// Cut short at any moment, it is begun anew, by the same successor or by another one.
TEST_F(PgTakeOver, IsResumedByAnotherSuccessor) {
  FrozenConnection frozen(world_, successor_.incarnation(), 1000);
  frozen.run("BEGIN; SELECT ringmaster.take_over(2, 1000, 1)");  // and then it freezes: all is locked
  Master third(world_, 3, "m3");
  ASSERT_TRUE(third.open());
  // The second one is suspected, too. It goes first: it holds what the third one wants.
  for (const Master* dead : {&successor_, &suspect_}) {
    const auto done = third.take_over(dead->incarnation());
    EXPECT_TRUE(done) << done.error().message;
  }
  EXPECT_EQ(third.take({1, 2, 3})->size(), 3U);
  EXPECT_TRUE(world_.run_until([&] {  // its backends were ended, too
    return successor_.take_over(suspect_.incarnation()).error().code == ErrorCode::fenced;
  }));
  EXPECT_EQ(
      query("SELECT string_agg(owner || ' ' || epoch, ', ') FROM ringmaster.shard WHERE id IN (1, 2, 3)"),
      "3 2, 3 2, 3 2");
}

// Somebody else's locks, which no take-over may end: it goes on trying, on connections where its first use
// failed.
TEST_F(PgTakeOver, GoesOnAfterALockTimeOut) {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> other(PQconnectdb(world_.conninfo().c_str()), &PQfinish);
  PQclear(PQexec(other.get(), "BEGIN; SELECT FROM ringmaster.master WHERE incarnation = 1 FOR UPDATE"));
  std::optional<Result<>> answer;
  successor_.store().take_over(suspect_.incarnation(), [&](Result<> done) { answer = std::move(done); });
  EXPECT_FALSE(world_.run_until([&] { return answer.has_value(); }, 1s)) << answer->error().message;
  PQclear(PQexec(other.get(), "COMMIT"));
  ASSERT_TRUE(world_.run_until([&] { return answer.has_value(); }));
  EXPECT_TRUE(*answer) << answer->error().message;
}

}  // namespace
}  // namespace ringmaster
