#include "base/backoff.h"

#include <limits>

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kMostRandom = std::numeric_limits<std::uint64_t>::max();

TEST(BackoffDelay, GrowsByItsFactorUpToItsLimit) {
  RetryPolicy policy;
  policy.backoff = 1s;
  policy.factor = 2;
  policy.backoff_max = 5s;
  EXPECT_EQ(backoff_delay(policy, 1), 1s);
  EXPECT_EQ(backoff_delay(policy, 2), 2s);
  EXPECT_EQ(backoff_delay(policy, 3), 4s);
  EXPECT_EQ(backoff_delay(policy, 4), 5s);
  EXPECT_EQ(backoff_delay(policy, std::numeric_limits<int>::max()), 5s);
}

TEST(BackoffDelay, IsNothingWithoutAFailure) {
  EXPECT_EQ(backoff_delay(RetryPolicy{}, 0), 0s);
}

TEST(BackoffDelay, SurvivesExtremePolicies) {
  RetryPolicy policy;
  policy.factor = 1e300;
  EXPECT_EQ(backoff_delay(policy, 1000), policy.backoff_max);
  policy.backoff = 0s;  // 0 * infinity is no number
  EXPECT_EQ(backoff_delay(policy, 1000), policy.backoff_max);
  policy.factor = 2;
  EXPECT_EQ(backoff_delay(policy, 3), 0s);
}

TEST(ReconnectBackoff, DoublesItsBoundUpToTheMaximum) {
  ReconnectBackoff backoff(100ms, 350ms);
  EXPECT_EQ(backoff.bound(), 100ms);
  backoff.next(0);
  EXPECT_EQ(backoff.bound(), 200ms);
  backoff.next(0);
  EXPECT_EQ(backoff.bound(), 350ms);
  backoff.next(0);
  EXPECT_EQ(backoff.bound(), 350ms);
  backoff.reset();
  EXPECT_EQ(backoff.bound(), 100ms);
}

TEST(ReconnectBackoff, AnswersBetweenNothingAndItsBound) {
  ReconnectBackoff backoff(100ms, 100ms);
  EXPECT_EQ(backoff.next(0), 0s);
  EXPECT_EQ(backoff.next(100'000), 100ms);
  EXPECT_EQ(backoff.next(100'001), 0s);
  for (std::uint64_t random = 1; random < kMostRandom / 3; random *= 3)
    EXPECT_LE(backoff.next(random), 100ms);
  EXPECT_LE(backoff.next(kMostRandom), 100ms);
}

TEST(ReconnectBackoff, TakesAMaximumBelowItsInitialWait) {
  ReconnectBackoff backoff(1s, 100ms);
  EXPECT_EQ(backoff.bound(), 100ms);
}

}  // namespace
}  // namespace ringmaster
