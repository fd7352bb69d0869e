// Faults of the registry: an ensemble of three that loses its leader, its quorum, or the way to some nodes.
// None of them is anybody's death.
#include "tests/fault/fault_test.h"

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class RegistryFaults : public FaultTest {
 protected:
  void SetUp() override {
    FaultTest::SetUp();
    if (!IsSkipped()) start({.registry_nodes = 3});
  }
  void last(seconds time) {
    const auto until = std::chrono::steady_clock::now() + time;
    expect_progress();
    Cluster::eventually([&] { return std::chrono::steady_clock::now() >= until; }, time + seconds(1));
  }
  ZooKeeperServer& leader() {
    for (std::size_t number = 1; number <= 3; ++number) {
      ZooKeeperServer& server = cluster().zookeeper_server(number);
      if (server.four_letter_word("srvr").contains("Mode: leader")) return server;
    }
    throw std::runtime_error("the ensemble has no leader");
  }
  std::string owners() {
    return cluster().query(
        "SELECT string_agg(concat(owner, ' ', epoch), ',' ORDER BY id) FROM ringmaster.shard");
  }
};

TEST_F(RegistryFaults, AWorkerCutFromTheRegistryRunsOn) {
  const auto tasks = begin_tasks(12, seconds(10), OnWorkerLost::rerun_after_lease);
  for (const char* server : {"zk1", "zk2", "zk3"}) network().cut("w1", server);
  last(seconds(full_or(30, 8)));
  network().heal();
  cluster().wait_for(3, 3);
  expect_promises_kept(Workers::none_was_lost);
  expect_undisturbed(tasks);
}

TEST_F(RegistryFaults, AMasterCutFromTheRegistryIsReplacedAndNoAttemptNotices) {
  const auto tasks = begin_tasks(12, seconds(10), OnWorkerLost::rerun);
  const std::string incarnation = living_incarnation("m1");
  for (const char* server : {"zk1", "zk2", "zk3"}) network().cut("m1", server);
  expect_replaced(incarnation, seconds(10));
  last(seconds(full_or(20, 3)));
  network().heal();
  cluster().wait_for(3, 3);
  expect_promises_kept(Workers::none_was_lost);
  expect_undisturbed(tasks);
}

TEST_F(RegistryFaults, AFrozenLeaderMovesNothing) {
  const auto tasks = begin_tasks(12, seconds(10), OnWorkerLost::rerun);
  const std::string before = owners();
  ZooKeeperServer& frozen = leader();
  frozen.freeze();
  last(seconds(full_or(20, 6)));
  frozen.thaw();
  cluster().wait_for(3, 3);
  EXPECT_EQ(owners(), before) << "no shard has moved";
  expect_promises_kept(Workers::none_was_lost);
  expect_undisturbed(tasks);
}

TEST_F(RegistryFaults, WithoutAQuorumEverythingGoesOnAndNothingMoves) {
  const auto tasks = begin_tasks(12, seconds(10), OnWorkerLost::rerun_after_lease);
  const std::string before = owners();
  cluster().zookeeper_server(1).stop(SIGKILL);
  cluster().zookeeper_server(2).stop(SIGKILL);
  last(seconds(full_or(30, 8)));
  EXPECT_EQ(owners(), before);
  cluster().zookeeper_server(1).launch();
  cluster().zookeeper_server(2).launch();
  cluster().zookeeper_server(1).wait_until_ready();
  expect_progress();
  cluster().wait_for(3, 3);
  expect_promises_kept(Workers::none_was_lost);
  expect_undisturbed(tasks);
}

}  // namespace
}  // namespace ringmaster
