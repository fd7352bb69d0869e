// With a synchronous standby, what is answered is on it: nothing that a master acts on or tells can be lost
// with the primary.
#include "tests/contract/sql/store_world.h"

namespace ringmaster {
namespace {

class PgStandby : public testing::Test {
 protected:
  PgStandby() {
    primary_.query("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'standby'");
    primary_.query("postgres", "SELECT pg_reload_conf()");
  }
  void SetUp() override {
    ASSERT_TRUE(becomes("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'", 1));
    const auto opened = master_.open();
    ASSERT_TRUE(opened) << opened.error().message;
    ASSERT_TRUE(master_.accept({make_row(256)}));
    standby_.freeze_all();
  }
  void TearDown() override { standby_.thaw_all(); }

  bool becomes(const std::string& question, int at_least) {
    return world_.run_until([&] { return std::stoi(world_.query(question)) >= at_least; });
  }
  // So many statements have done their work and wait for the standby.
  bool wait(int statements) {
    return becomes(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ringmaster' AND wait_event = "
        "'SyncRep'",
        statements);
  }
  template <class T>
  auto count(int& answers) {
    return [&answers](Result<T> result) { answers += result.has_value(); };
  }

  PostgresServer primary_;
  PostgresServer standby_{{}, primary_};
  PgWorld world_{primary_};
  Master master_{world_, world_.make_store(8), 1};
};

TEST_F(PgStandby, NothingIsAnsweredThatItHasNotGot) {
  int answers = 0;
  TaskStore& store = master_.store();
  store.accept({make_row(512)}, count<void>(answers));
  ASSERT_TRUE(wait(1));
  store.lookup({TaskId{256}}, count<std::vector<Lookup>>(answers));
  store.prove(count<void>(answers));
  store.next_ids(1, count<IdBlock>(answers));
  ASSERT_TRUE(wait(4)) << "what was read may be gone with the primary";
  store.next_ids(1, count<IdBlock>(answers));
  ASSERT_TRUE(wait(5)) << "not each value of a sequence is journalled";
  EXPECT_EQ(answers, 0);
  standby_.thaw_all();
  EXPECT_TRUE(world_.run_until([&] { return answers == 5; }));
}

// Ending a backend that waits for the standby shows what it has committed to the others on the primary.
TEST_F(PgStandby, AnUnknownCommitIsSettledThereToo) {
  std::optional<Result<>> answer;
  master_.store().accept({make_row(512)}, [&](Result<> result) { answer = std::move(result); });
  for (int lost = 0; lost < 4; ++lost) {
    ASSERT_TRUE(wait(1));
    world_.query(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
  }
  ASSERT_TRUE(wait(1));
  EXPECT_FALSE(answer) << "the standby knows nothing of it";
  standby_.thaw_all();
  ASSERT_TRUE(world_.run_until([&] { return answer.has_value(); }));
  EXPECT_EQ(answer->error().code, ErrorCode::unknown_outcome);
}

}  // namespace
}  // namespace ringmaster
