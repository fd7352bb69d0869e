// What a benchmark says of its figures.
#include "bench/figures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST(Percentiles, AreTheLeastValueThatSoManyDoNotExceed) {
  std::vector<double> hundred;
  for (int i = 100; i >= 1; --i) hundred.push_back(i);
  EXPECT_EQ(percentile(hundred, 0.5), 50);
  EXPECT_EQ(percentile(hundred, 0.99), 99);
  EXPECT_EQ(percentile(hundred, 1), 100);
  EXPECT_EQ(percentile({7}, 0.01), 7);
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({}), 0);
}

Figures rounds(const std::vector<double>& rates, const std::vector<double>& latencies) {
  Figures figures;
  for (const double rate : rates) {
    figures.add("limit", "/s", 100);
    figures.add("ours", "/s", rate, {Figures::at_least(0.5, "limit"), Figures::at_least(60)});
  }
  for (const double latency : latencies)
    figures.add("latency", "us", latency, {Figures::at_most(2, "limit")});
  return figures;
}

TEST(FiguresOfRounds, AreMediansBesideTheirGoals) {
  const std::string text = rounds({80, 40, 55}, {150}).text();
  EXPECT_THAT(text, HasSubstr("55.0 /s"));
  EXPECT_THAT(text, HasSubstr("40.0 … 80.0"));
  EXPECT_THAT(text, HasSubstr("0.55 x limit; goal >= 0.50\n"));
  EXPECT_THAT(text, HasSubstr("goal >= 60.0: MISSED"));
}

// The weather of a round counts for both: the median of the ratios, not the ratio of the medians.
TEST(FiguresOfRounds, HoldEachAgainstTheLimitOfItsOwnRound) {
  Figures figures;
  for (const auto& [limit, ours] : {std::pair{100, 50}, {200, 100}, {400, 100}}) {
    figures.add("limit", "/s", limit);
    figures.add("ours", "/s", ours, {Figures::at_least(0.5, "limit")});
  }
  EXPECT_THAT(figures.text(), AllOf(HasSubstr("0.50 x limit"), Not(HasSubstr("MISSED"))));
}

TEST(FiguresOfRounds, ComplainOfRatiosThatAreClearlyWorseThanRecorded) {
  const std::string recorded = rounds({80}, {100}).json();
  for (const auto& as_good : {rounds({80}, {100}), rounds({65}, {120})}) {
    const auto losses = as_good.losses_against(recorded);
    ASSERT_TRUE(losses);
    EXPECT_THAT(*losses, IsEmpty());
  }
  const auto slower = rounds({50}, {200}).losses_against(recorded);
  ASSERT_TRUE(slower);
  EXPECT_THAT(*slower,
              ElementsAre("ours: 0.50 x limit, recorded 0.80", "latency: 2.00 x limit, recorded 1.00"));
}

TEST(FiguresOfRounds, SayWhatIsNotARecord) {
  EXPECT_FALSE(rounds({80}, {100}).losses_against("nonsense"));
  EXPECT_FALSE(rounds({80}, {100}).losses_against("{}"));
}

}  // namespace
}  // namespace ringmaster
