// The plan of a chaos: one for each seed, bounded, and of every kind.
#include "tests/fault/chaos/fault_plan.h"

#include <algorithm>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using ::testing::IsEmpty;

constexpr std::uint64_t kSeeds = 200;

std::vector<Fault> plan_of(std::uint64_t seed, milliseconds length = milliseconds(120'000)) {
  return make_plan({.seed = seed, .length = length});
}

std::vector<std::string> titles_of(const std::vector<Fault>& plan) {
  std::vector<std::string> titles;
  for (const Fault& fault : plan) {
    titles.push_back(std::to_string(fault.at.count()) + " " + std::to_string(fault.length.count()) + " " +
                     title_of(fault));
  }
  return titles;
}

TEST(FaultPlan, IsTheSameForTheSameSeedOnly) {
  EXPECT_EQ(titles_of(plan_of(7)), titles_of(plan_of(7)));
  for (std::uint64_t seed = 1; seed < kSeeds; ++seed) {
    const auto here = titles_of(plan_of(seed)), next = titles_of(plan_of(seed + 1));
    EXPECT_NE(here, next);
    // Nor is it the neighbour's, shifted in time.
    EXPECT_NE(
        title_of(plan_of(seed)[3]) + title_of(plan_of(seed)[4]) + title_of(plan_of(seed)[5]),
        title_of(plan_of(seed + 1)[2]) + title_of(plan_of(seed + 1)[3]) + title_of(plan_of(seed + 1)[4]));
  }
}

TEST(FaultPlan, IsTheSameOnEveryMachine) {
  const auto plan = plan_of(1, milliseconds(20'000));
  ASSERT_FALSE(plan.empty());
  EXPECT_EQ(titles_of(plan).front(), "6000 8041 freeze with supervisor w3");
}

TEST(FaultPlan, HealsEveryFaultWithinItsTimeAndBeforeTheEnd) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    milliseconds last{0};
    int long_ones = 0;
    for (const Fault& fault : plan_of(seed)) {
      EXPECT_GE(fault.at, last);
      last = fault.at;
      EXPECT_GE(fault.length, milliseconds(0));
      EXPECT_LE(fault.length, kLongFault);
      long_ones += fault.length > kLongestFault;
      EXPECT_LE(fault.end(), milliseconds(120'000));
    }
    EXPECT_LE(long_ones, 6) << "seed " << seed;
    for (const Fault& fault : plan_of(seed, milliseconds(60'000))) EXPECT_LE(fault.length, kLongestFault);
  }
}

TEST(FaultPlan, OverlapsFaultsButNeverTooManyAndNeverOnOneThing) {
  bool overlapped = false;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const auto plan = plan_of(seed);
    for (const Fault& fault : plan) {
      std::size_t at_once = 0;
      for (const Fault& other : plan) {
        if (other.at > fault.at || other.end() < fault.at) continue;
        ++at_once;
        const bool same_thing = &other != &fault && other.node == fault.node && is_of_daemon(other.kind) &&
                                is_of_daemon(fault.kind);
        EXPECT_FALSE(same_thing) << title_of(fault) << " during " << title_of(other) << ", seed " << seed;
      }
      EXPECT_LE(at_once, kMostFaultsAtOnce) << "seed " << seed;
      overlapped |= at_once > 2;
    }
  }
  EXPECT_TRUE(overlapped);
}

TEST(FaultPlan, OutlastsALeaseNowAndThen) {
  std::set<FaultKind> long_ones;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    for (const Fault& fault : plan_of(seed)) {
      if (fault.length > kLongestFault) long_ones.insert(fault.kind);
    }
  }
  EXPECT_THAT(long_ones, ::testing::ElementsAre(FaultKind::freeze, FaultKind::freeze_all, FaultKind::isolate,
                                                FaultKind::crash_database));
}

TEST(FaultPlan, LeavesPlaceForCalms) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    int calms = 0;
    milliseconds busy{0};
    for (const Fault& fault : plan_of(seed)) {
      if (fault.length > kLongestFault) continue;
      calms += fault.at >= busy + milliseconds(6'000);
      busy = std::max(busy, fault.end());
    }
    EXPECT_GE(calms, 3) << "seed " << seed;
  }
}

TEST(FaultPlan, HasEveryKindInSomeSeed) {
  std::set<FaultKind> kinds;
  std::set<std::string> hit;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    for (const Fault& fault : plan_of(seed)) {
      kinds.insert(fault.kind);
      hit.insert(fault.node);
    }
  }
  EXPECT_EQ(kinds.size(), static_cast<std::size_t>(FaultKind::lose_quorum) + 1);
  for (const char* node : {"m1", "m2", "m3", "w1", "w4", "pg", "zk-leader", "zk-follower", "zk1", "zk3"})
    EXPECT_TRUE(hit.contains(node)) << node;
}

TEST(FaultPlan, CutsPairsThatAreTwo) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    for (const Fault& fault : plan_of(seed)) {
      const bool pair = fault.kind == FaultKind::cut || fault.kind == FaultKind::cut_one_way ||
                        fault.kind == FaultKind::lose_quorum;
      EXPECT_EQ(pair, !fault.other.empty());
      EXPECT_NE(fault.node, fault.other);
    }
  }
}

TEST(FaultPlan, SlowsNoLineWhereThereIsNone) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    for (const Fault& fault : make_plan({.seed = seed, .length = milliseconds(60'000), .lines = false}))
      EXPECT_NE(fault.kind, FaultKind::slow);
  }
}

TEST(FaultPlan, IsEmptyWhereThereIsNoTime) {
  EXPECT_THAT(plan_of(1, milliseconds(0)), IsEmpty());
  EXPECT_THAT(plan_of(1, milliseconds(6'000)), IsEmpty());
}

}  // namespace
}  // namespace ringmaster
