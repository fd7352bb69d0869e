// What only PostgreSQL has: lost connections, fences under locks, restarts, migrations, partitions.
#include <future>
#include <thread>

#include <boost/asio/ip/tcp.hpp>
#include <gmock/gmock.h>

#include "tests/contract/sql/pg_store_fixture.h"

namespace ringmaster {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using enum WriteFate;

TEST_F(PgTaskStoreTest, EveryConnectionHasItsOwnFenceRow) {
  open(3);
  EXPECT_EQ(query("SELECT count(*) FROM ringmaster.fence WHERE incarnation = 2"), "3");
  EXPECT_EQ(query("SELECT count(*) FROM ringmaster.fence f JOIN pg_stat_activity a"
                  " ON a.pid = f.backend_pid AND a.backend_start = f.backend_start WHERE incarnation = 2"),
            "3");
}

// What was answered survives a crash whatever somebody has made the default of this database.
TEST_F(PgTaskStoreTest, ItsCommitsWaitForTheDiskWhateverTheDefaultIs) {
  const std::string database = query("SELECT current_database()");
  query("ALTER DATABASE " + database + " SET synchronous_commit = off");
  query("CREATE TABLE seen (setting text)");
  query(
      "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
      " INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$");
  query("CREATE TRIGGER see AFTER INSERT ON ringmaster.task FOR EACH STATEMENT EXECUTE FUNCTION see()");
  ASSERT_EQ(query("SELECT current_setting('synchronous_commit')"), "off");
  open(2);
  ASSERT_TRUE(master_->accept({make_row(256)}));
  EXPECT_EQ(query("SELECT string_agg(setting, ',') FROM seen"), "on");
}

TEST_F(PgTaskStoreTest, AUnixSocketAndAHostNameWorkToo) {
  for (const std::string& conninfo :
       {world_.server().socket_conninfo(world_.database()),
        "host=localhost" + world_.conninfo().substr(std::string("host=127.0.0.1").size())}) {
    auto store = std::make_unique<PgTaskStore>(world_.loop(), PgStoreOptions{.conninfo = conninfo});
    Master master(world_, std::move(store), ++incarnation_);
    const auto opened = master.open();
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_TRUE(master.accept({make_row(256 * incarnation_)}));
  }
}

TEST_F(PgTaskStoreTest, AStatementKilledMidwayIsUnknownOnlyOnceItCannotHappenAnyMore) {
  Session blocker(world_);
  blocker.run("BEGIN; LOCK TABLE ringmaster.task IN SHARE MODE");
  std::optional<Result<>> answer;
  master_->store().accept({make_row(256)}, [&](Result<> result) { answer = std::move(result); });
  ASSERT_TRUE(a_statement_waits_for_a_lock());
  const std::string lost = query(
      "SELECT connection FROM ringmaster.fence f JOIN pg_stat_activity a"
      " ON a.pid = f.backend_pid WHERE a.wait_event_type = 'Lock'");
  kill_backends();
  ASSERT_TRUE(world_.run_until([&] { return answer.has_value(); }));
  ASSERT_FALSE(*answer);
  EXPECT_EQ(answer->error().code, ErrorCode::unknown_outcome);
  EXPECT_EQ(query("SELECT count(*) FROM ringmaster.fence WHERE connection = " + lost), "0");
  blocker.run("COMMIT");
  EXPECT_FALSE(master_->lookup({TaskId{256}}).front().row);
  EXPECT_TRUE(master_->accept({make_row(256)})) << "what is absent may be repeated";
}

// The link breaks, and the server does not notice: its backend goes on waiting, with its fence row locked.
TEST_F(PgTaskStoreTest, ALostStatementThatStillHoldsItsLocksIsDefeatedBeforeTheAnswer) {
  Session blocker(world_);
  blocker.run("BEGIN; LOCK TABLE ringmaster.task IN SHARE MODE");
  std::optional<Result<>> answer;
  master_->store().accept({make_row(256)}, [&](Result<> result) { answer = std::move(result); });
  ASSERT_TRUE(a_statement_waits_for_a_lock());
  // What settling does, from another master's connection and in the order of the store: it does not wait for
  // ever.
  const auto started = std::chrono::steady_clock::now();
  std::string settled;
  for (int i = 0; i < 20 && settled.empty(); ++i) {
    try {
      settled = query(
          "SELECT ringmaster.settle(1, connection) FROM ringmaster.fence f JOIN pg_stat_activity a"
          " ON a.pid = f.backend_pid WHERE a.wait_event_type = 'Lock'");
    } catch (const std::runtime_error& lock_timeout) {
      EXPECT_THAT(lock_timeout.what(), HasSubstr("lock timeout"));
    }
  }
  EXPECT_LT(std::chrono::steady_clock::now() - started, 5s);
  ASSERT_TRUE(world_.run_until([&] { return answer.has_value(); }));
  EXPECT_EQ(answer->error().code, ErrorCode::unknown_outcome);
  blocker.run("COMMIT");
  EXPECT_EQ(query("SELECT count(*) FROM ringmaster.task"), "0");
}

TEST_F(PgTaskStoreTest, TakeOverDoesNotWaitForAFrozenHolderOfTheFence) {
  Session blocker(world_);
  blocker.run("BEGIN; LOCK TABLE ringmaster.task IN SHARE MODE");
  int answers = 0;
  for (int i = 1; i <= 8; ++i) master_->store().accept({make_row(256 * i)}, [&](Result<>) { ++answers; });
  ASSERT_TRUE(a_statement_waits_for_a_lock());
  Master other(world_, 100, "m2");
  ASSERT_TRUE(other.open());
  const auto started = std::chrono::steady_clock::now();
  ASSERT_TRUE(other.take_over(Incarnation{1}));
  EXPECT_LT(std::chrono::steady_clock::now() - started, 5s);
  blocker.run("COMMIT");
  EXPECT_TRUE(world_.run_until([&] { return answers == 8; }));
  EXPECT_EQ(query("SELECT count(*) FROM ringmaster.task"), "0");
  EXPECT_EQ(query("SELECT count(*) FROM ringmaster.fence WHERE incarnation = 1"), "0");
  EXPECT_EQ(query("SELECT state FROM ringmaster.master WHERE incarnation = 1"), "dead");
}

TEST_F(PgTaskStoreTest, KilledConnectionsComeBackUnderNewFenceRows) {
  for (int round = 0; round < 3; ++round) {
    kill_backends();
    ASSERT_TRUE(world_.run_until([&] { return master_->accept({make_row(256 * (round + 1))}).has_value(); }));
  }
  EXPECT_TRUE(becomes("SELECT count(*) FROM ringmaster.fence", "2"));
  EXPECT_EQ(query("SELECT min(connection) > 2 FROM ringmaster.fence"), "t") << "numbers are never used again";
}

TEST_F(PgTaskStoreTest, ConnectionsLostAtRandomLoseAndDoubleNothing) {
  constexpr int kTasks = 400;
  int settled = 0, in_flight = 0, next = 1;
  std::function<void(int)> submit = [&](int n) {
    master_->store().accept({make_row(256 * n)}, [&, n](Result<> result) {
      if (result) {
        ++settled;
        --in_flight;
        return;
      }
      if (result.error().code == ErrorCode::unavailable) return submit(n);
      ASSERT_EQ(result.error().code, ErrorCode::unknown_outcome) << result.error().message;
      // Settled: what is there now stays, what is absent may be repeated.
      const bool there =
          query("SELECT count(*) FROM ringmaster.task WHERE id = " + std::to_string(256 * n)) == "1";
      if (!there) return submit(n);
      ++settled;
      --in_flight;
    });
  };
  const bool done = world_.run_until(
      [&] {
        while (in_flight < 20 && next <= kTasks) {
          ++in_flight;
          submit(next++);
        }
        if (next % 60 == 0) kill_backends();
        return settled == kTasks;
      },
      60s);
  EXPECT_TRUE(done) << settled;
  EXPECT_EQ(query("SELECT count(*) FROM ringmaster.task"), std::to_string(kTasks));
}

TEST_F(PgTaskStoreTest, WorkGoesOnAfterARestartOfTheServer) {
  ASSERT_TRUE(master_->accept({make_row(256)}));
  world_.server().stop(SIGQUIT);
  // Sent before the loop could see the end: nothing is told of it until the server is back and it is settled.
  std::optional<Result<>> answer;
  master_->store().accept({make_row(512)}, [&](Result<> result) { answer = std::move(result); });
  EXPECT_FALSE(world_.run_until([&] { return answer.has_value(); }, 300ms));
  EXPECT_EQ(master_->accept({make_row(512)}).error().code, ErrorCode::unavailable);
  EXPECT_EQ(master_->get(TaskId{256}).error().code, ErrorCode::unavailable);
  world_.server().start();
  ASSERT_TRUE(world_.run_until([&] { return answer.has_value(); }));
  EXPECT_EQ(answer->error().code, ErrorCode::unknown_outcome);
  EXPECT_TRUE(world_.run_until([&] { return master_->accept({make_row(768)}).has_value(); }));
  EXPECT_TRUE(master_->get(TaskId{256}));
}

TEST_F(PgTaskStoreTest, OpenSaysWhatToDoAboutAnotherSchema) {
  query("INSERT INTO ringmaster.schema_migration VALUES (99, 'later', 'x')");
  Master newer(world_, 50);
  auto refused = newer.open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(refused.error().message, HasSubstr("version 99"));
  const auto migrated = migrate(world_.conninfo());
  ASSERT_FALSE(migrated);
  EXPECT_EQ(migrated.error().code, ErrorCode::invalid_argument);

  query("DROP SCHEMA ringmaster CASCADE");
  Master older(world_, 51);
  refused = older.open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(refused.error().message, HasSubstr("ringmaster migrate"));
}

TEST_F(PgTaskStoreTest, OpenFailsWhereThereIsNoServer) {
  for (const std::string conninfo : {"host=127.0.0.1 port=1 user=x", "host=/nowhere user=x", "nonsense"}) {
    Master master(world_, std::make_unique<PgTaskStore>(world_.loop(), PgStoreOptions{.conninfo = conninfo}),
                  60);
    EXPECT_FALSE(master.open()) << conninfo;
  }
}

// ---- migrations and partitions ----

// A host that takes connections and answers nothing, as one that is gone without a word.
TEST_F(PgTaskStoreTest, AHostThatIsSilentIsLeftForTheNext) {
  boost::asio::ip::tcp::acceptor silent(world_.loop().context(),
                                        {boost::asio::ip::address_v4::loopback(), 0});
  const std::string conninfo = world_.conninfo();
  const auto port = conninfo.find("port=") + 5;
  const std::string rest = conninfo.substr(conninfo.find(' ', port));
  const std::string ports = std::to_string(silent.local_endpoint().port()) + "," +
                            conninfo.substr(port, conninfo.find(' ', port) - port);
  PgStoreOptions options{.conninfo = "host=127.0.0.1,127.0.0.1 port=" + ports + rest, .connections = 2};
  auto store = std::make_unique<PgTaskStore>(world_.loop(), std::move(options));
  Master master(world_, std::move(store), ++incarnation_);
  const auto opened = master.open();
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_TRUE(master.accept({make_row(256 * incarnation_)}));
}

TEST_F(PgTaskStoreTest, MigratingAgainChangesNothing) {
  const std::string store_id = query("SELECT store_id FROM ringmaster.meta");
  const auto again = migrate(world_.conninfo());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->version_before, schema_version());
  EXPECT_THAT(again->applied, testing::IsEmpty());
  EXPECT_EQ(query("SELECT store_id FROM ringmaster.meta"), store_id);
  query("UPDATE ringmaster.schema_migration SET checksum = 'changed'");
  EXPECT_EQ(migrate(world_.conninfo()).error().code, ErrorCode::invalid_argument);
}

TEST_F(PgTaskStoreTest, MigrationsAtTheSameTimeApplyOnce) {
  const std::string conninfo = world_.server().conninfo(world_.server().make_database());
  std::vector<std::future<Result<MigrateReport>>> migrators;
  for (int i = 0; i < 4; ++i)
    migrators.push_back(std::async(std::launch::async, [&] { return migrate(conninfo); }));
  std::size_t applied_in_all = 0;
  for (auto& migrator : migrators) {
    const auto report = migrator.get();
    ASSERT_TRUE(report) << report.error().message;
    applied_in_all += report->applied.size();
  }
  EXPECT_EQ(applied_in_all, migrations().size());
}

TEST_F(PgTaskStoreTest, PartitionsAreMadeAheadAndDroppedWhenTheirTimeIsOver) {
  const std::string count =
      "SELECT count(*) FROM pg_inherits WHERE inhparent = 'ringmaster.task_history'::regclass";
  EXPECT_EQ(query(count), "5") << "today, three days ahead, and the default one";
  query("SELECT ringmaster.make_history_partition(current_date - 3)");
  query("SELECT ringmaster.make_history_partition(current_date - 2)");
  ASSERT_TRUE(master_->accept({make_row(256)}));
  ASSERT_THAT(*master_->complete({make_completion(256)}), ElementsAre(applied));
  EXPECT_EQ(query("SELECT count(*) FROM ringmaster.task_history_default"), "0")
      << "it is in the partition of today";
  query(
      "INSERT INTO ringmaster.task_history (id, rank, run_at, created_at, finished_at, attempt, state, "
      "outcome,"
      " priority, ns, kind, grp, spec) VALUES (512, 0, now(), now(), now() - interval '3 days', 1, 10, 0, 5, "
      "'', '',"
      " '', ''), (768, 0, now(), now(), now() - interval '40 days', 1, 10, 0, 5, '', '', '', '')");
  EXPECT_TRUE(master_->get(TaskId{512}));
  EXPECT_TRUE(master_->get(TaskId{768}));
  const auto maintained = master_->maintain(5, 48h);
  ASSERT_TRUE(maintained) << maintained.error().message;
  EXPECT_EQ(query(count), "8")
      << "today, five ahead, the default one, and the day that may still be asked for";
  EXPECT_TRUE(master_->get(TaskId{256}));
  EXPECT_FALSE(master_->get(TaskId{512}));
  EXPECT_FALSE(master_->get(TaskId{768}));
  EXPECT_TRUE(master_->maintain(5, 48h)) << "again";
}

TEST_F(PgTaskStoreTest, AKeyIsForgottenAfterADay) {
  TaskRow row = make_row(256);
  row.task.idempotency_key = "a";
  ASSERT_TRUE(master_->accept_keyed({row}));
  query("UPDATE ringmaster.task_key SET created_at = now() - interval '23 hours 59 minutes'");
  ASSERT_TRUE(master_->maintain(1, 24h));
  EXPECT_EQ(query("SELECT count(*) FROM ringmaster.task_key"), "1");
  query("UPDATE ringmaster.task_key SET created_at = now() - interval '24 hours 1 minute'");
  ASSERT_TRUE(master_->maintain(1, 24h));
  EXPECT_EQ(query("SELECT count(*) FROM ringmaster.task_key"), "0");
}

TEST_F(PgTaskStoreTest, CompletionsGoOnWhenNobodyMadeAPartition) {
  query(
      "DO $$ DECLARE p text; BEGIN FOR p IN SELECT inhrelid::regclass::text FROM pg_inherits"
      " WHERE inhparent = 'ringmaster.task_history'::regclass AND inhrelid::regclass::text !~ 'default'"
      " LOOP EXECUTE 'DROP TABLE ' || p; END LOOP; END $$");
  ASSERT_TRUE(master_->accept({make_row(256)}));
  EXPECT_THAT(*master_->complete({make_completion(256)}), ElementsAre(applied));
  EXPECT_TRUE(master_->maintain(2, 24h)) << "the day whose rows are in the default partition stays there";
  EXPECT_TRUE(master_->get(TaskId{256}));
}

TEST_F(PgTaskStoreTest, MarkingAndCancellingATaskAreHotUpdates) {
  ASSERT_TRUE(master_->accept({make_row(256)}));
  ASSERT_TRUE(master_->control({{TaskId{256}, ControlAction::cancel, kStart}}));
  query("UPDATE ringmaster.task SET cancel_requested_at = NULL");
  ASSERT_TRUE(master_->mark({{{TaskId{256}, 1, 1}, "w1", {9}, kStart, {}}}));
  kill_backends();  // statistics are flushed when a session ends
  EXPECT_TRUE(becomes(
      "SELECT n_tup_upd || ' ' || n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'task'", "3 3"));
}

}  // namespace
}  // namespace ringmaster
