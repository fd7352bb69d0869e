// What a chaos reports: figures that follow from what was recorded, the verdict first, and a picture.
#include "tests/fault/chaos/chaos_report.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fault/chaos/timeline.h"

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using ::testing::DoubleNear;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr milliseconds at(int ms) {
  return milliseconds(ms);
}

// 100 results a second for 30 s, but for a silence from 10 s to 14 s.
ChaosRecord a_silence() {
  ChaosRecord record{.seed = 5, .length = at(25'000), .nodes = {"m1", "w1", "pg"}, .loaded = at(30'000)};
  for (int ms = 5; ms < 30'000; ms += 10) {
    if (ms < 10'000 || ms > 14'000) record.results.push_back({at(ms), 1});
  }
  record.faults = {
      {.fault = {.kind = FaultKind::kill, .node = "m1"}, .begun = at(10'000), .ended = at(12'000)},
      {.fault = {.kind = FaultKind::cut, .node = "w1", .other = "pg"},
       .begun = at(20'000),
       .ended = at(22'000)}};
  record.answers = {{.asked = at(1'000), .answered = at(1'010), .accepted = 100},
                    {.asked = at(10'500), .answered = at(13'500), .accepted = 0}};
  record.accepted = 2'600;
  return record;
}

TEST(ChaosRecord, TellsWhatAFaultDid) {
  const ChaosRecord record = a_silence();
  EXPECT_THAT(usual_rate(record), DoubleNear(100, 1));
  const auto effects = effects_of(record);
  ASSERT_EQ(effects.size(), 2U);
  EXPECT_THAT(effects[0].before, DoubleNear(100, 1));
  EXPECT_THAT(effects[0].during, DoubleNear(0, 1));
  EXPECT_THAT(effects[0].after, DoubleNear(60, 1));
  EXPECT_NEAR(static_cast<double>(effects[0].longest_gap.count()), 4'000, 25);
  EXPECT_EQ(effects[0].longest_answer, at(3'000));
  // Half of the rate is reached in the second that is half silent.
  EXPECT_NEAR(static_cast<double>(effects[0].recovery.count()), 1'500, 110);
}

TEST(ChaosRecord, TellsThatAFaultWasNotFelt) {
  const Effect felt_nothing = effects_of(a_silence())[1];
  EXPECT_EQ(felt_nothing.recovery, at(0));
  EXPECT_EQ(felt_nothing.longest_gap, at(10));
  EXPECT_EQ(felt_nothing.longest_answer, at(0));
  EXPECT_THAT(felt_nothing.during, DoubleNear(100, 1));
}

TEST(ChaosRecord, CountsASilenceUntilTheEnd) {
  ChaosRecord record = a_silence();
  std::erase_if(record.results, [](const auto& result) { return result.at > at(14'000); });
  const Effect effect = effects_of(record)[1];
  EXPECT_EQ(effect.recovery, at(8'000));  // never, while there was a load
  EXPECT_NEAR(static_cast<double>(effect.longest_gap.count()), 20'000, 25);
}

TEST(ChaosRecord, HasRatesForEachStep) {
  const ChaosRecord record = a_silence();
  const auto results = result_rates(record, at(500));
  ASSERT_EQ(results.size(), 60U);
  EXPECT_THAT(results[0], DoubleNear(100, 1));
  EXPECT_THAT(results[24], DoubleNear(0, 1));
  const auto accepts = accept_rates(record, at(500));
  ASSERT_EQ(accepts.size(), 60U);
  EXPECT_THAT(accepts[2], DoubleNear(200, 1));
  EXPECT_THAT(accepts[3], DoubleNear(0, 1));
}

TEST(ChaosRecord, OfNothingIsNothing) {
  const ChaosRecord nothing;
  EXPECT_EQ(usual_rate(nothing), 0);
  EXPECT_THAT(report_of(nothing), HasSubstr("0 faults"));
  EXPECT_THAT(timeline_of(nothing), HasSubstr("</svg>"));
}

TEST(ChaosReport, SaysTheVerdictFirst) {
  ChaosRecord record = a_silence();
  EXPECT_THAT(report_of(record),
              StartsWith("# Chaos of seed 5: clean\n\n2 faults in 25 s, 2600 tasks accepted"));
  record.broken = {"task_1 was accepted and is lost"};
  EXPECT_THAT(report_of(record), StartsWith("# Chaos of seed 5: 1 found\n"));
  EXPECT_THAT(report_of(record), HasSubstr("- task_1 was accepted and is lost\n"));
}

TEST(ChaosReport, HasARowForEachFaultAndForEachKind) {
  ChaosRecord record = a_silence();
  EXPECT_THAT(report_of(record), HasSubstr("| 10.0 | 2.0 | kill m1 | 100 | 0 | 60 | 4.0 | 3.0 | 1.5 |"));
  EXPECT_THAT(report_of(record),
              HasSubstr("| 20.0 | 2.0 | cut w1 and pg | 100 | 100 | 100 | 0.0 | 0.0 | 0.0 |"));
  EXPECT_THAT(report_of(record), HasSubstr("| kill | 1 | 1.5 | 1.5 | 4.0 | 4.0 |"));
  record.faults[0].skipped = "it was down";
  EXPECT_THAT(report_of(record), HasSubstr("kill m1: not done, it was down"));
  EXPECT_THAT(report_of(record), StartsWith("# Chaos of seed 5: clean\n\n1 faults"));
  EXPECT_THAT(report_of(record), Not(HasSubstr("| kill | 1 |")));
}

TEST(ChaosReport, IsNotFloodedByWhatWasFound) {
  ChaosRecord record = a_silence();
  for (int i = 0; i < 1'000; ++i) record.broken.push_back("finding " + std::to_string(i));
  const std::string report = report_of(record);
  EXPECT_THAT(report, HasSubstr("- finding 49\n"));
  EXPECT_THAT(report, Not(HasSubstr("- finding 50\n")));
  EXPECT_THAT(report, HasSubstr("and 950 more"));
}

std::ptrdiff_t bars_of(const std::string& picture) {
  std::ptrdiff_t bars = 0;
  for (auto found = picture.find("<title>"); found != std::string::npos;
       found = picture.find("<title>", found + 1))
    ++bars;
  return bars;
}

TEST(Timeline, HasABarOnEachLaneThatAFaultConcerns) {
  ChaosRecord record = a_silence();
  const std::string picture = timeline_of(record);
  EXPECT_THAT(picture, StartsWith("<svg "));
  EXPECT_THAT(picture, HasSubstr("<title>kill m1, from 10.0 s for 2.0 s</title>"));
  EXPECT_EQ(bars_of(picture), 3);  // the cut is on two lanes
  record.faults[1].skipped = "why not";
  EXPECT_EQ(bars_of(timeline_of(record)), 1);
}

TEST(Timeline, OpensAndClosesTheSameElements) {
  const std::string picture = timeline_of(a_silence());
  for (const std::string element : {"svg", "text", "tspan", "title"}) {
    std::ptrdiff_t opened = 0, closed = 0;
    for (std::size_t i = 0; i < picture.size(); ++i) {
      opened += picture.compare(i, element.size() + 1, "<" + element) == 0;
      closed += picture.compare(i, element.size() + 3, "</" + element + ">") == 0;
    }
    EXPECT_EQ(opened, closed) << element;
    EXPECT_GT(opened, 0) << element;
  }
}

}  // namespace
}  // namespace ringmaster
