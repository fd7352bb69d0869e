#include "base/task.h"

#include <limits>

#include <gtest/gtest.h>

#include "base/result.h"

namespace ringmaster {
namespace {

TEST(TaskState, NamesRoundTrip) {
  for (const int number : {0, 1, 2, 3, 4, 10, 11, 12, 13, 14}) {
    const auto state = static_cast<TaskState>(number);
    EXPECT_EQ(parse_task_state(to_string(state)), state);
    EXPECT_EQ(is_terminal(state), number >= 10);
  }
  EXPECT_EQ(to_string(TaskState::timed_out), "TIMED_OUT");
  EXPECT_EQ(parse_task_state("succeeded"), std::nullopt);
}

TEST(Progress, IsBoundedWhateverAnAttemptWrites) {
  const auto fraction = [](double given) { return bounded({given, "", {}}).fraction; };
  EXPECT_EQ(fraction(-1), 0);
  EXPECT_EQ(fraction(std::numeric_limits<double>::quiet_NaN()), 0);
  EXPECT_EQ(fraction(0.4), 0.4);
  EXPECT_EQ(fraction(40), 1);
  Progress told;
  const std::string most(kMaxProgressMessage - 1, 'x');
  told.message = most;
  told.message.append("\xC3\xA4");
  EXPECT_EQ(bounded(told).message, most) << "no half of a character";
  told.message = "\xFF";
  EXPECT_EQ(bounded(told).message, "\xEF\xBF\xBD");
}

TEST(OnWorkerLost, NamesRoundTrip) {
  for (const auto choice : {OnWorkerLost::rerun, OnWorkerLost::rerun_after_lease, OnWorkerLost::fail}) {
    EXPECT_EQ(parse_on_worker_lost(to_string(choice)), choice);
  }
  EXPECT_EQ(to_string(OnWorkerLost::rerun_after_lease), "rerun_after_lease");
  EXPECT_EQ(parse_on_worker_lost(""), std::nullopt);
}

TEST(Routing, NamesRoundTrip) {
  for (const auto choice : {Routing::bounded, Routing::strict})
    EXPECT_EQ(parse_routing(to_string(choice)), choice);
  EXPECT_EQ(parse_routing("loose"), std::nullopt);
}

TEST(Outcome, NamesRoundTrip) {
  for (int number = 0; number <= 4; ++number) {
    const auto outcome = static_cast<Outcome>(number);
    EXPECT_EQ(parse_outcome(to_string(outcome)), outcome);
  }
  EXPECT_EQ(to_string(Outcome::timed_out), "timed_out");
  EXPECT_EQ(to_string(static_cast<Outcome>(99)), "UNKNOWN");
}

TEST(ErrorCode, HasAStableName) {
  EXPECT_EQ(to_string(ErrorCode::invalid_argument), "invalid_argument");
  EXPECT_EQ(to_string(ErrorCode::unknown_outcome), "unknown_outcome");
}

TEST(Rank, APriorityIsWorthOneAgeingStep) {
  const WallTime at = from_unix_micros(1'000'000'000);
  EXPECT_EQ(rank_of(at, 0, kDefaultAgeingStep), 1'000'000'000);
  EXPECT_EQ(rank_of(at, 1, kDefaultAgeingStep), rank_of(at - kDefaultAgeingStep, 0, kDefaultAgeingStep));
}

}  // namespace
}  // namespace ringmaster
