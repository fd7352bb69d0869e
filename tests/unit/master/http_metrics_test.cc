#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "master/metrics.h"

namespace ringmaster {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using testing::HasSubstr;

TEST(Metrics, ExposesCountersAndGaugesByFamily) {
  Metrics metrics;
  metrics.counter("b_total", "Bees.", {{"kind", "worker"}}).add(3);
  metrics.counter("b_total", "Bees.", {{"kind", "queen"}}).add();
  metrics.gauge("a", "Ants.").set(1.5);
  EXPECT_EQ(metrics.expose(),
            "# HELP a Ants.\n# TYPE a gauge\na 1.5\n"
            "# HELP b_total Bees.\n# TYPE b_total counter\nb_total{kind=\"queen\"} "
            "1\nb_total{kind=\"worker\"} 3\n");
}

TEST(Metrics, GivesTheSameInstrumentForTheSameLabels) {
  Metrics metrics;
  Counter& first = metrics.counter("x_total", "X.", {{"a", "1"}});
  for (int i = 0; i < 100; ++i) metrics.counter("x_total", "X.", {{"a", std::to_string(i)}});
  EXPECT_EQ(&first, &metrics.counter("x_total", "X.", {{"a", "1"}}));
}

TEST(Metrics, EscapesLabelValues) {
  Metrics metrics;
  metrics.counter("x_total", "X.", {{"a", "q\"b\\n\n"}}).add();
  EXPECT_THAT(metrics.expose(), HasSubstr("x_total{a=\"q\\\"b\\\\n\\n\"} 1\n"));
}

TEST(Metrics, HistogramsAreCumulativeAndInSeconds) {
  Metrics metrics;
  Histogram& histogram = metrics.histogram("t_seconds", "T.", {{"op", "x"}});
  histogram.observe(microseconds(100));  // a bound belongs to its own bucket
  histogram.observe(microseconds(101));
  histogram.observe(milliseconds(700));
  histogram.observe(std::chrono::minutes(2));
  const std::string text = metrics.expose();
  EXPECT_THAT(text, HasSubstr("t_seconds_bucket{op=\"x\",le=\"0.0001\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_bucket{op=\"x\",le=\"0.00025\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_bucket{op=\"x\",le=\"0.5\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_bucket{op=\"x\",le=\"1\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_bucket{op=\"x\",le=\"60\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_bucket{op=\"x\",le=\"+Inf\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_sum{op=\"x\"} 120.700201\n"));
  EXPECT_THAT(text, HasSubstr("t_seconds_count{op=\"x\"} 4\n"));
}

TEST(Metrics, RefreshesBeforeEachExposition) {
  Metrics metrics;
  Gauge& gauge = metrics.gauge("g", "G.");
  metrics.before_expose([&gauge] { gauge.add(1); });
  EXPECT_THAT(metrics.expose(), HasSubstr("g 1\n"));
  EXPECT_THAT(metrics.expose(), HasSubstr("g 2\n"));
}

TEST(Metrics, ATotalCountedElsewhereNeverFalls) {
  Counter counter;
  counter.raise_to(5);
  counter.raise_to(3);
  EXPECT_EQ(counter.value(), 5U);
}

TEST(MetricsDeathTest, OneNameHasOneKind) {
  Metrics metrics;
  metrics.counter("x", "X.");
  EXPECT_DEATH(metrics.gauge("x", "X."), "two kinds");
}

}  // namespace
}  // namespace ringmaster
