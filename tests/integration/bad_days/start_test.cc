// Bad days at the start: what a daemon cannot have it says, and either ends with exit code 1 or waits for it
// without spinning.
#include "tests/integration/bad_days/bad_day.h"

namespace ringmaster {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

constexpr double kIdle = 0.3;  // of one processor: far above what waiting takes, far below spinning

class BadStart : public BadDay {
 protected:
  std::vector<std::string> with_database(std::vector<std::string> flags) const {
    std::vector<std::string> all{"--cluster", "test", "--database", cluster_.conninfo()};
    all.insert(all.end(), flags.begin(), flags.end());
    return master_argv(std::move(all));
  }
};

TEST_F(BadStart, APortInUseIsNamed) {
  cluster_.start_master("m1");
  ASSERT_TRUE(says("m1", "serving cluster test"));
  const std::string rpc = "127.0.0.1:" + cluster_.port_of("m1"), http = http_address("m1");
  EXPECT_EQ(outcome_of(with_database({"--node-id", "m2", "--listen", rpc})),
            "1, ringmaster: cannot listen on " + rpc + ": Address already in use");
  EXPECT_EQ(
      outcome_of({BINARY_ROOT "/ringmaster", "serve", "--node-id", "m2", "--database", cluster_.conninfo(),
                  "--zookeeper", cluster_.zookeeper(), "--listen", "127.0.0.1:0", "--http-listen", http}),
      "1, ringmaster: Cannot listen on " + http + ": Address already in use.");
  EXPECT_EQ(outcome_of(
                worker_argv({"--node-id", "w1", "--listen", rpc, "--data-dir", cluster_.directory() / "w1"})),
            "1, ringworker: cannot listen on " + rpc + ": Address already in use");
}

TEST_F(BadStart, ASchemaThatIsTooOldOrTooNewEndsTheMasterWithWhatToDo) {
  const std::string version = cluster_.query("SELECT max(version) FROM ringmaster.schema_migration");
  cluster_.query("UPDATE ringmaster.schema_migration SET version = 99 WHERE version = " + version);
  const auto flags = with_database({"--node-id", "m1", "--listen", "127.0.0.1:0"});
  EXPECT_EQ(outcome_of(flags), "1, the database's schema is at version 99, this binary needs version " +
                                   version + ": use the binary that ran `ringmaster migrate` last");
  cluster_.query("DROP SCHEMA ringmaster CASCADE");
  EXPECT_EQ(outcome_of(flags), "1, the database's schema is at version 0, this binary needs version " +
                                   version + ": run `ringmaster migrate`");
}

// Two clusters on one database would take each other's masters for dead.
TEST_F(BadStart, AnotherClustersDatabaseIsRefused) {
  cluster_.start_master("m1");
  ASSERT_TRUE(says("m1", "serving cluster test"));
  EXPECT_EQ(
      outcome_of(master_argv({"--node-id", "m9", "--cluster", "other", "--listen", "127.0.0.1:0",
                              "--database", cluster_.conninfo()})),
      "1, the database belongs to cluster test, this master to other: give each cluster a database of its "
      "own, or mend the setting `cluster`");
  EXPECT_THAT(cluster_.log_of("m1"), ::testing::Not(HasSubstr("fenced")));
  EXPECT_THAT(cluster_.log_of("m1"), ::testing::Not(HasSubstr("channel to worker w1 is down")));
}

TEST_F(BadStart, ADatabaseThatDoesNotKeepWhatItCommitsIsSaid) {
  PostgresServer& server = PostgresServer::shared();
  server.query("postgres", "ALTER SYSTEM SET fsync = off");
  server.query("postgres", "SELECT pg_reload_conf()");
  cluster_.start_master("m1");
  EXPECT_TRUE(says("m1",
                   "PostgreSQL runs with fsync = off: when its machine crashes, tasks that were answered may "
                   "be lost or damaged; switch it on"));
  server.query("postgres", "ALTER SYSTEM RESET fsync");
  server.query("postgres", "SELECT pg_reload_conf()");
}

TEST_F(BadStart, AMasterWithoutItsDatabaseSaysSoAndServesOnceItIsThere) {
  PostgresServer::shared().stop();
  ChildProcess& master = cluster_.start_master("m1");
  EXPECT_TRUE(says("m1", "cannot start yet, and tries again: "));
  EXPECT_THAT(cluster_.log_of("m1"),
              HasSubstr("is PostgreSQL running, and is the setting `database` right?"));
  EXPECT_LT(load_of(master.pid()), kIdle);
  const auto refused = http("m1", "POST", "/v1/tasks", R"({"kind": "noop"})");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.detail(), "this master is starting: try again");
  PostgresServer::shared().start();
  EXPECT_TRUE(says("m1", "took 256 shards"));
  submit("m1", R"({"kind": "noop"})");
}

TEST_F(BadStart, WithoutZooKeeperDaemonsSaySoWaitAndEndInOrder) {
  cluster_.zookeeper_server().stop();
  ChildProcess& master = cluster_.start_master("m1");
  ChildProcess& worker = cluster_.start_worker("w1");
  for (const char* node : {"m1", "w1"}) {
    EXPECT_TRUE(
        says(node, "ZooKeeper at " + cluster_.zookeeper() +
                       " does not answer: until it does, nobody joins or leaves the cluster, and what runs "
                       "goes on; is it running, and is the setting `zookeeper` right?"));
  }
  EXPECT_LT(load_of(master.pid()), kIdle);
  EXPECT_LT(load_of(worker.pid()), kIdle);
  const auto ready = http("m1", "GET", "/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_EQ(ready.detail(), "Not ready: the registry cannot be reached, this master owns no shard yet.");
  cluster_.stop_worker("w1");  // expects exit code 0
  cluster_.zookeeper_server().start();
  cluster_.start_worker("w1");
  const auto task = [&] { return http("m1", "POST", "/v1/tasks", R"({"kind": "noop"})").status; };
  EXPECT_TRUE(Cluster::eventually([&] { return task() == 201; }, seconds(20)));
}

TEST_F(BadStart, ASecondMasterWithTheSameIdWaitsForTheFirstAndFencesNobody) {
  cluster_.start_master("m1");
  cluster_.start_worker("w1");
  cluster_.wait_for(1, 1);
  const auto twin = start("twin", with_database({"--node-id", "m1", "--listen", "127.0.0.1:0"}));
  EXPECT_TRUE(
      says("twin", "another master with node_id m1 serves at 127.0.0.1:" + cluster_.port_of("m1") +
                       ": give each master a node_id of its own; this one waits until that one has ended"));
  EXPECT_LT(load_of(twin->pid()), kIdle);
  submit("m1", R"({"kind": "noop"})");
  EXPECT_THAT(cluster_.log_of("m1"), ::testing::Not(HasSubstr("fenced")));
  EXPECT_EQ(cluster_.query("SELECT count(DISTINCT owner) FROM ringmaster.shard"), "1");
  EXPECT_THAT(cluster_.log_of("twin"), ::testing::Not(HasSubstr("took")));
  cluster_.stop_master("m1", SIGKILL);
  EXPECT_TRUE(says("twin", "took 256 shards")) << "then it is a successor like any other";
}

TEST_F(BadStart, ASecondWorkerWithTheSameIdOrDirectoryIsToldSo) {
  cluster_.start_worker("w1");
  ASSERT_TRUE(says("w1", "registered in cluster test"));
  const std::string data = cluster_.directory() / "w1";
  EXPECT_EQ(outcome_of(worker_argv({"--node-id", "w2", "--listen", "127.0.0.1:0", "--data-dir", data})),
            "1, ringworker: another worker daemon uses " + data +
                "/spool: stop it, or give this one its own data_dir");
  const auto twin = start("twin", worker_argv({"--node-id", "w1", "--listen", "127.0.0.1:0", "--data-dir",
                                               cluster_.directory() / "twin"}));
  EXPECT_TRUE(says("twin", "/ringmaster/test/workers/w1 belongs to session "));
  EXPECT_THAT(
      cluster_.log_of("twin"),
      HasSubstr("waiting for its end; if another daemon has the node_id w1, give one of them another"));
  EXPECT_LT(load_of(twin->pid()), kIdle);
  cluster_.stop_worker("w1");
  EXPECT_TRUE(says("twin", "registered in cluster test"));
}

}  // namespace
}  // namespace ringmaster
