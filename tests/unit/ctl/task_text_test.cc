// How one task looks: its attempts, and results that came too late.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ctl/task_show.h"

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::Not;

const WallTime kBegin = from_unix_micros(1'795'253'400'000'000);  // 2026-11-21T09:30:00Z

AttemptResult result_of(Outcome outcome, Duration after, Duration took, std::string message = {}) {
  AttemptResult result;
  result.outcome = outcome;
  result.started_at = kBegin + after;
  result.finished_at = result.started_at + took;
  result.message = std::move(message);
  return result;
}

// Lost with w1, failed on w2, succeeded on w3; w1 came back and reported after all.
TaskView eventful() {
  TaskView view;
  view.row.id = make_task_id(42, 7);
  view.row.created_at = kBegin;
  view.row.attempt = 3;
  view.row.failures = 1;
  view.row.crashes = 1;
  view.row.state = TaskState::succeeded;
  view.row.worker = "w3";
  view.row.epoch = 9;
  view.attempts.push_back({1, 7, "w1", result_of(Outcome::lost, seconds(0), seconds(4), "its worker died")});
  view.attempts.push_back({2, 8, "w2", result_of(Outcome::failed, seconds(5), milliseconds(42))});
  view.attempts.back().result.exit_code = 3;
  view.result = result_of(Outcome::succeeded, seconds(7), seconds(125));
  view.row.started_at = view.result->started_at;
  view.finished_at = view.result->finished_at;
  return view;
}

std::string shown(const TaskView& view) {
  return describe(view, kBegin + seconds(200), {});
}

TEST(DescribeTask, ShowsEveryAttemptInOneTable) {
  EXPECT_THAT(
      shown(eventful()),
      HasSubstr("Result:       succeeded, took 2m 5s\n"
                "Attempts:\n"
                "ATTEMPT  WORKER  TOKEN  STARTED                      TOOK    OUTCOME    WHY\n"
                "      1  w1      7.1    2026-11-21T09:30:00.000000Z  4.0s    lost       its worker died\n"
                "      2  w2      8.2    2026-11-21T09:30:05.000000Z  0.042s  failed     exit code 3\n"
                "      3  w3      9.3    2026-11-21T09:30:07.000000Z  2m 5s   succeeded  -\n"));
}

TEST(DescribeTask, ShowsLateResultsApart) {
  TaskView view = eventful();
  EXPECT_THAT(shown(view), Not(HasSubstr("Late")));
  view.late.push_back({1, 7, "w1", result_of(Outcome::failed, seconds(0), seconds(60), "killed")});
  view.late.back().result.signal = 9;
  EXPECT_THAT(shown(view),
              testing::EndsWith(
                  "Late results (their attempt had been given up when they came: they changed nothing):\n"
                  "ATTEMPT  WORKER  TOKEN  STARTED                      TOOK   OUTCOME  WHY\n"
                  "      1  w1      7.1    2026-11-21T09:30:00.000000Z  1m 0s  failed   signal 9: killed\n"));
}

TEST(DescribeTask, ShowsTheAttemptThatRuns) {
  TaskView view = eventful();
  view.row.state = TaskState::running;
  view.result.reset();
  view.finished_at.reset();
  view.attempts.pop_back();
  view.row.attempt = 2;
  view.row.epoch = 0;  // not known yet
  EXPECT_THAT(
      shown(view),
      HasSubstr("      1  w1      7.1    2026-11-21T09:30:00.000000Z  4.0s  lost     its worker died\n"
                "      2  w3      -      2026-11-21T09:30:07.000000Z  -     running  -\n"));
}

TEST(DescribeTask, ShowsHowFarItIs) {
  TaskView view;
  view.row.state = TaskState::running;
  view.progress = Progress{0.456, "loading", kBegin + seconds(190)};
  EXPECT_THAT(shown(view), HasSubstr("Progress:     [####------]  45%  loading (10s ago)\n"));
  view.progress = Progress{1, "", kBegin + seconds(200)};
  EXPECT_THAT(shown(view), HasSubstr("Progress:     [##########] 100% (now)\n"));
}

TEST(DescribeTask, CutsNothingThatIsPiped) {
  TaskView view;
  const std::string word(500, 'x');
  view.row.task.spec = R"({"argv": ["echo", ")" + word + R"("]})";
  TextTable table = task_table();
  add_row(table, view, "now");
  EXPECT_THAT(table.render({}), HasSubstr(word + "\n"));
  EXPECT_THAT(table.render({.width = 80}), HasSubstr("…\n"));
}

TEST(DescribeTask, AWaitingTaskHasNoAttempts) {
  TaskView view;
  view.row.worker = "w1";  // recorded, and not started
  EXPECT_THAT(shown(view), Not(HasSubstr("Attempts:")));
}

TEST(DescribeTask, OneThatEndedWithoutRunningHasNoAttempt) {
  TaskView view;
  view.row.state = TaskState::cancelled;
  view.result.emplace();
  view.result->outcome = Outcome::cancelled;
  view.result->message = "cancelled before it ran";
  EXPECT_THAT(shown(view), HasSubstr("Result:       cancelled: cancelled before it ran\n"));
  EXPECT_THAT(shown(view), Not(HasSubstr("Attempts:")));
}

TEST(DescribeTask, NamesAnExitCodeOnlyIfItExited) {
  TaskView view;
  view.row.state = TaskState::failed;
  view.row.worker = "w1";
  view.result.emplace();
  view.result->outcome = Outcome::failed;
  view.result->message = "no such file: ./job";
  EXPECT_THAT(shown(view), HasSubstr("Result:       failed: no such file: ./job\n"));
  EXPECT_THAT(shown(view),
              HasSubstr("      1  w1      -      -        -     failed   no such file: ./job\n"));
  view.result->started_at = kBegin;
  view.result->finished_at = kBegin;
  EXPECT_THAT(shown(view), HasSubstr("failed, took 0.000s: no such file"));
}

TEST(DescribeTask, PromisesNoRunWhereThereIsNone) {
  TaskView view;
  EXPECT_THAT(shown(view), HasSubstr("Runs at:"));
  for (const TaskState state : {TaskState::quarantined, TaskState::cancelled}) {
    view.row.state = state;
    EXPECT_THAT(shown(view), Not(HasSubstr("Runs at:")));
  }
}

TEST(WhyOf, SaysNothingTwice) {
  AttemptResult result;
  EXPECT_EQ(why_of(result), "");
  result.outcome = Outcome::failed;
  result.exit_code = 3;
  EXPECT_EQ(why_of(result), "exit code 3");
  result.message = "exit code 3";
  EXPECT_EQ(why_of(result), "exit code 3");
  result.message = "stopped on request: killed by signal 15 (Terminated)";
  result.outcome = Outcome::cancelled;
  result.signal = 15;
  EXPECT_EQ(why_of(result), result.message);
  result.signal = 9;
  EXPECT_EQ(why_of(result), "signal 9: " + result.message);
}

}  // namespace
}  // namespace ringmaster
