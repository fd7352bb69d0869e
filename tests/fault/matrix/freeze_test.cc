// Processes that stop for a while and then go on as if nothing had happened.
#include "tests/fault/fault_test.h"

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class Freezes : public FaultTest {
 protected:
  void last(seconds time) {
    const auto until = std::chrono::steady_clock::now() + time;
    expect_progress();
    Cluster::eventually([&] { return std::chrono::steady_clock::now() >= until; }, time + seconds(1));
  }
};

TEST_F(Freezes, AMasterThatWakesAfterItsReplacementChangesNothing) {
  start();
  const auto tasks = begin_tasks(12, seconds(10), OnWorkerLost::rerun_after_lease);
  const std::string incarnation = living_incarnation("m2");
  cluster().signal("m2", SIGSTOP);
  expect_replaced(incarnation, seconds(10));
  last(seconds(full_or(20, 4)));
  cluster().signal("m2", SIGCONT);
  cluster().wait_for(3, 3);
  EXPECT_EQ(cluster().query("SELECT state FROM ringmaster.master WHERE incarnation = " + incarnation),
            "dead");
  expect_promises_kept(Workers::none_was_lost);
  expect_undisturbed(tasks);
}

// Their channels and sessions end, so that what they held is lost; what must not overlap waits for its lease.
TEST_F(Freezes, AWorkersDaemonThatStopsOverlapsNothingUnderALease) {
  start();
  begin_tasks(6, seconds(full_or(90, 20)), OnWorkerLost::rerun_after_lease);
  begin_tasks(6, seconds(full_or(90, 20)), OnWorkerLost::fail);
  cluster().signal("w1", SIGSTOP);
  last(seconds(full_or(60, 8)));
  cluster().signal("w1", SIGCONT);
  expect_promises_kept(Workers::some_were_lost);
}

// Nothing on that host but the guard can end the leases of its attempts; their reruns begin meanwhile.
TEST_F(Freezes, AWorkersDaemonAndSupervisorThatStopOverlapNothingUnderALease) {
  start();
  begin_tasks(6, seconds(full_or(90, 60)), OnWorkerLost::rerun_after_lease);
  const pid_t worker = cluster().process("w1").pid();
  const pid_t supervisor = supervisor_of(worker);
  ::kill(supervisor, SIGSTOP);
  ::kill(worker, SIGSTOP);
  last(seconds(full_or(60, 44)));
  ::kill(supervisor, SIGCONT);
  ::kill(worker, SIGCONT);
  expect_promises_kept(Workers::some_were_lost);
}

}  // namespace
}  // namespace ringmaster
