// Faults of the network: cuts of one way and both, isolation, resets, silence, slowness and loss.
#include <thread>

#include "tests/fault/fault_test.h"

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class NetworkFaults : public FaultTest {
 protected:
  // The fault lasts, and the cluster goes on meanwhile.
  void last(seconds time) {
    const auto until = std::chrono::steady_clock::now() + time;
    expect_progress();
    Cluster::eventually([&] { return std::chrono::steady_clock::now() >= until; }, time + seconds(1));
  }
};

// Longer than worker_timeout: others reach the worker, so it is not lost, and they pass its results on.
TEST_F(NetworkFaults, AWorkerCutFromOneMasterGoesOnThroughTheOthers) {
  start();
  const auto tasks = begin_tasks(12, seconds(13), OnWorkerLost::rerun);
  network().cut("w1", "m1");
  last(seconds(15));
  network().heal();
  expect_promises_kept(Workers::some_were_lost);
  expect_undisturbed(tasks);
}

TEST_F(NetworkFaults, AWorkerCutFromAllMastersOverlapsNothingUnderALease) {
  start();
  begin_tasks(6, seconds(full_or(90, 20)), OnWorkerLost::rerun_after_lease);
  begin_tasks(6, seconds(full_or(90, 20)), OnWorkerLost::fail);
  for (const char* master : {"m1", "m2", "m3"}) network().cut("w1", master);
  last(seconds(full_or(60, 12)));
  network().heal();
  expect_promises_kept(Workers::some_were_lost);
}

TEST_F(NetworkFaults, CutsOfOneWayLoseAndDoubleNothing) {
  start();
  network().cut_one_way("w1", "m1");
  last(seconds(full_or(20, 6)));
  network().heal();
  network().cut_one_way("m2", "w2");
  last(seconds(full_or(20, 6)));
  network().heal();
  network().cut_one_way("pg", "m3");
  last(seconds(full_or(20, 6)));
  network().heal();
  expect_promises_kept(Workers::some_were_lost);
}

TEST_F(NetworkFaults, AMasterCutFromPostgresGivesWayAndNoAttemptNotices) {
  start();
  const auto tasks = begin_tasks(12, seconds(15), OnWorkerLost::rerun);
  const std::string incarnation = living_incarnation("m1");
  network().cut("m1", "pg");
  expect_replaced(incarnation, seconds(15));
  expect_progress();
  network().heal();
  cluster().wait_for(3, 3);
  expect_promises_kept(Workers::none_was_lost);
  expect_undisturbed(tasks);
}

TEST_F(NetworkFaults, AMasterCutFromTheOtherMastersKeepsItsShards) {
  start();
  const std::string incarnation = living_incarnation("m1");
  network().cut("m1", "m2");
  network().cut("m1", "m3");
  last(seconds(full_or(40, 12)));
  EXPECT_EQ(living_incarnation("m1"), incarnation);
  network().heal();
  expect_promises_kept(Workers::none_was_lost);
}

TEST_F(NetworkFaults, AMasterCutFromPostgresAndTheOtherMastersGivesWay) {
  start();
  const std::string incarnation = living_incarnation("m1");
  for (const char* other : {"pg", "m2", "m3"}) network().cut("m1", other);
  expect_replaced(incarnation, seconds(25));
  expect_progress();
  network().heal();
  cluster().wait_for(3, 3);
  expect_promises_kept(Workers::none_was_lost);
}

TEST_F(NetworkFaults, AMasterOutOfReachOfEverybodyIsReplaced) {
  start();
  const auto tasks = begin_tasks(12, seconds(10), OnWorkerLost::rerun_after_lease);
  const std::string incarnation = living_incarnation("m1");
  network().isolate("m1");
  expect_replaced(incarnation, seconds(12));
  expect_progress();
  network().heal();
  cluster().wait_for(3, 3);
  expect_promises_kept(Workers::none_was_lost);
  expect_undisturbed(tasks);
}

TEST_F(NetworkFaults, AWorkerOutOfReachIsNoticedWithinThreeSecondsAndItsTasksRunElsewhere) {
  start();
  network().isolate("w1");
  const auto begun = std::chrono::steady_clock::now();
  const auto is_connected = [&] {
    const auto seen = cluster().client("m1").workers();
    return !seen || std::ranges::any_of(seen->workers, [](const WorkerView& worker) {
      return worker.id == "w1" && worker.connected;
    });
  };
  EXPECT_TRUE(Cluster::eventually([&] { return !is_connected(); }, seconds(10)));
  const auto took = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begun);
  std::printf("its silence was noticed after %lld ms\n", static_cast<long long>(took.count()));
  EXPECT_LE(took, full_or(milliseconds(3'500), milliseconds(6'000)));
  last(seconds(full_or(20, 5)));
  network().heal();
  expect_promises_kept(Workers::some_were_lost);
}

TEST_F(NetworkFaults, AStormOfResetsLosesAndRepeatsNothing) {
  start();
  std::size_t resets = 0;
  for (int round = 0; round < full_or(40, 8); ++round) {
    for (const char* node : {"m1", "w1", "m2", "w2", "m3", "w3", "pg"})
      resets += network().reset_connections(node);
    expect_progress(50);
  }
  std::printf("%zu connections were reset\n", resets);
  EXPECT_GT(resets, 100U);
  expect_promises_kept(Workers::none_was_lost);
}

TEST_F(NetworkFaults, SlownessAndLossAreNoDeath) {
  start({.worker_flags = {"--slots", "32"}, .lines = {"m1", "w1"}});
  network().disturb("m1", milliseconds(100), 20);
  network().disturb("w1", milliseconds(100), 20);
  last(seconds(full_or(60, 12)));
  network().disturb("m1", milliseconds(0), 0);
  network().disturb("w1", milliseconds(0), 0);
  expect_promises_kept(Workers::none_was_lost);
}

}  // namespace
}  // namespace ringmaster
