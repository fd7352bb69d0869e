// What operators do on purpose, under load: restarts one by one, more nodes, fewer nodes. No task is lost or
// run twice.
#include "tests/fault/fault_test.h"

namespace ringmaster {
namespace {

using std::chrono::seconds;

class Rolling : public FaultTest {};

TEST_F(Rolling, RestartsOfEverythingLoseAndRepeatNothing) {
  start();
  for (int round = 0; round < full_or(3, 1); ++round) {
    for (const char* master : {"m1", "m2", "m3"}) {
      cluster().stop_master(master);
      start_master(master);
      cluster().wait_for(3, 3);
    }
    for (const char* worker : {"w1", "w2", "w3"}) {
      cluster().stop_worker(worker);
      start_worker(worker);
      cluster().wait_for(3, 3);
    }
    expect_progress();
  }
  expect_promises_kept(Workers::none_was_lost);
}

TEST_F(Rolling, MoreWorkersAndFewerAgain) {
  start({.workers = 2});
  for (const char* worker : {"w3", "w4", "w5", "w6"}) start_worker(worker);
  cluster().wait_for(3, 6);
  expect_progress();
  for (const char* worker : {"w1", "w4", "w6"}) cluster().stop_worker(worker);
  cluster().wait_for(3, 3);
  expect_progress();
  expect_promises_kept(Workers::none_was_lost);
}

TEST_F(Rolling, MoreMastersAndFewerAgain) {
  start({.masters = 1, .workers = 2});
  start_master("m2");
  start_master("m3");
  cluster().wait_for(3, 2);
  expect_progress();
  cluster().stop_master("m2");  // the load knows m1 alone
  cluster().wait_for(2, 2);
  expect_progress();
  expect_promises_kept(Workers::none_was_lost);
}

}  // namespace
}  // namespace ringmaster
