// A short chaos of one seed; ./dev chaos does longer ones.
#include "tests/fault/chaos/chaos_report.h"
#include "tests/fault/chaos/chaos_run.h"
#include "tests/fault/fault_test.h"

namespace ringmaster {
namespace {

using std::chrono::milliseconds;

TEST(Chaos, OfOneSeedBreaksNoPromise) {
  BridgedNetwork network;
  if (!network.made()) GTEST_SKIP() << "only root can make a network";
  ChaosRun chaos(network, {.plan = {.seed = 1,
                                    .length = full_or(milliseconds(180'000), milliseconds(30'000)),
                                    .lines = can_make_lines()}});
  const ChaosRecord record = chaos.run();
  EXPECT_THAT(record.broken, ::testing::IsEmpty()) << report_of(record);
  EXPECT_GT(record.accepted, 1'000U);
  EXPECT_FALSE(record.faults.empty());
}

}  // namespace
}  // namespace ringmaster
