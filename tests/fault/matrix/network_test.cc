// Faults of the network: cuts of one way and both, resets, silence, slowness and loss.
#include "tests/fault/fault_test.h"

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class NetworkFaults : public FaultTest {};

TEST_F(NetworkFaults, AClusterInANetworkOfItsOwnWorks) {
  start();
  expect_progress(2000);
  expect_promises_kept(Workers::none_was_lost);
}

}  // namespace
}  // namespace ringmaster
