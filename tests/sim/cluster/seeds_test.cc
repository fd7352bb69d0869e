#include <cstdlib>

#include <gtest/gtest.h>

#include "tests/sim/sim_cluster.h"

namespace ringmaster {
namespace {

// More by RINGMASTER_SIM_SEEDS; a sanitizer build runs fewer.
std::uint64_t seeds() {
  const char* wanted = std::getenv("RINGMASTER_SIM_SEEDS");
  return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 1'000;
}

std::string story(std::uint64_t seed, const SimReport& report) {
  std::string text =
      "seed " + std::to_string(seed) + "; replay: ./dev sim --seed " + std::to_string(seed) + " --trace\n";
  for (const std::string& violation : report.violations) text += "  " + violation + "\n";
  return text;
}

TEST(SimulatedCluster, KeepsEveryInvariantInEverySeed) {
  for (std::uint64_t seed = 1; seed <= seeds(); ++seed) {
    const SimReport report = run_simulation({.seed = seed});
    ASSERT_TRUE(report.violations.empty()) << story(seed, report);
  }
}

TEST(SimulatedCluster, TheSameSeedIsTheSameRun) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const SimReport first = run_simulation({.seed = seed}), second = run_simulation({.seed = seed});
    EXPECT_EQ(first.steps, second.steps) << "seed " << seed;
    EXPECT_EQ(first.runs, second.runs) << "seed " << seed;
    EXPECT_EQ(first.simulated, second.simulated) << "seed " << seed;
  }
}

TEST(SimulatedCluster, HasSomethingToCheck) {
  std::size_t accepted = 0, runs = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const SimReport report = run_simulation({.seed = seed});
    accepted += report.accepted;
    runs += report.runs;
  }
  EXPECT_GT(accepted, 1000u);
  EXPECT_GE(runs, accepted);
}

class PlantedBugs : public ::testing::TestWithParam<PlantedBugCase> {};

TEST_P(PlantedBugs, AreCaughtWithinTheStatedNumberOfSeeds) {
  const PlantedBugCase& planted = GetParam();
  for (std::uint64_t seed = 1; seed <= planted.seeds; ++seed) {
    if (!run_simulation({.seed = seed, .bug = planted.bug}).violations.empty()) return;
  }
  FAIL() << planted.name << " was not caught within " << planted.seeds << " seeds";
}

INSTANTIATE_TEST_SUITE_P(Simulator, PlantedBugs, ::testing::ValuesIn(all_planted_bugs()),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace ringmaster
