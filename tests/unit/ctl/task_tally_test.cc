#include "ctl/task_tally.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ctl/relative_time.h"

namespace ringmaster {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(TaskTally, ProgressShowsShareFailuresRateAndRest) {
  TaskTally tally(1000);
  EXPECT_EQ(tally.progress(Duration{0}, 79), "[--------------------]  0/1000  0%");
  for (int i = 0; i < 248; ++i) tally.ended(TaskState::succeeded);
  tally.ended(TaskState::failed);
  tally.missing();
  EXPECT_EQ(tally.progress(seconds(2), 79),
            "[#####---------------]  250/1000  25%  2 failed  125/s  6s left");
  EXPECT_EQ(tally.progress(seconds(2), 30).size(), 30U);
}

TEST(TaskTally, ProgressOfACompleteSetHasNothingLeft) {
  TaskTally tally(2);
  tally.ended(TaskState::succeeded);
  tally.ended(TaskState::succeeded);
  EXPECT_EQ(tally.progress(seconds(1), 79), "[####################]  2/2  100%  2/s");
}

TEST(TaskTally, SummaryCountsByState) {
  TaskTally tally(4);
  tally.ended(TaskState::succeeded);
  tally.ended(TaskState::succeeded);
  tally.ended(TaskState::failed);
  EXPECT_EQ(tally.summary(milliseconds(1200)), "3 of 4 tasks in 1.2s: 2 SUCCEEDED, 1 FAILED");
  tally.missing();
  EXPECT_EQ(tally.summary(milliseconds(1200)), "4 tasks in 1.2s: 2 SUCCEEDED, 1 FAILED, 1 unknown");
}

TEST(TaskTally, ExitsWith0OnlyIfAllSucceeded) {
  TaskTally tally(2);
  tally.ended(TaskState::succeeded);
  EXPECT_EQ(tally.exit_code(), 124);  // one has not ended
  TaskTally good = tally, bad = tally, unknown = tally;
  good.ended(TaskState::succeeded);
  bad.ended(TaskState::lost);
  unknown.missing();
  EXPECT_EQ(good.exit_code(), 0);
  EXPECT_EQ(bad.exit_code(), 1);
  EXPECT_EQ(unknown.exit_code(), 1);
}

int code_of(TaskState state, int exit_code, int signal) {
  TaskView view;
  view.row.state = state;
  if (is_terminal(state)) view.result.emplace();
  if (view.result) view.result->exit_code = exit_code;
  if (view.result) view.result->signal = signal;
  return exit_code_of(view);
}

TEST(TaskExitCode, IsTheTasksOwn) {
  EXPECT_EQ(code_of(TaskState::succeeded, 0, 0), 0);
  EXPECT_EQ(code_of(TaskState::succeeded, 3, 0), 0);  // 3 was declared a success
  EXPECT_EQ(code_of(TaskState::failed, 7, 0), 7);
  EXPECT_EQ(code_of(TaskState::failed, 255, 0), 255);
  EXPECT_EQ(code_of(TaskState::failed, 512, 0), 1);  // cut to 8 bits it would be a success
  EXPECT_EQ(code_of(TaskState::failed, 0, 9), 137);
  EXPECT_EQ(code_of(TaskState::failed, 0, 0), 1);  // could not start
  EXPECT_EQ(code_of(TaskState::timed_out, 0, 15), 124);
  EXPECT_EQ(code_of(TaskState::lost, 0, 0), 1);
  EXPECT_EQ(code_of(TaskState::cancelled, 0, 15), 1);
  EXPECT_EQ(code_of(TaskState::running, 0, 0), 124);
}

TEST(RelativeTime, HasOneUnit) {
  const WallTime now = from_unix_micros(1'000'000'000'000'000);
  EXPECT_EQ(relative_time(now, now), "now");
  EXPECT_EQ(relative_time(now - milliseconds(999), now), "now");
  EXPECT_EQ(relative_time(now - seconds(59), now), "59s ago");
  EXPECT_EQ(relative_time(now - minutes(61), now), "1h ago");
  EXPECT_EQ(relative_time(now + minutes(5), now), "in 5m");
  EXPECT_EQ(relative_time(now - hours(49), now), "2d ago");
}

TEST(RoughDuration, HasNoFractions) {
  EXPECT_EQ(rough_duration(milliseconds(999)), "0s");
  EXPECT_EQ(rough_duration(seconds(59)), "59s");
  EXPECT_EQ(rough_duration(seconds(125)), "2m 5s");
  EXPECT_EQ(rough_duration(minutes(62)), "1h 2m");
}

TEST(ShortDuration, SuitsItsSize) {
  EXPECT_EQ(short_duration(milliseconds(42)), "0.042s");
  EXPECT_EQ(short_duration(milliseconds(3140)), "3.1s");
  EXPECT_EQ(short_duration(seconds(125)), "2m 5s");
  EXPECT_EQ(short_duration(minutes(62)), "1h 2m");
}

}  // namespace
}  // namespace ringmaster
