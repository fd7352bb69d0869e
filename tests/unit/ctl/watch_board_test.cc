#include "ctl/watch_board.h"

#include <algorithm>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ctl/terminal.h"

namespace ringmaster {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const WallTime kNow = from_unix_micros(1'795'253'400'000'000);  // 2026-11-21T09:30:00Z

TaskView view_of(std::int64_t number, TaskState state, std::string worker = {}) {
  TaskView view;
  view.row.id = make_task_id(number, 7);
  view.row.state = state;
  view.row.worker = std::move(worker);
  view.row.task.spec = R"({"argv": ["true"]})";
  if (state == TaskState::running) view.row.started_at = kNow - seconds(12);
  if (!is_terminal(state)) return view;
  view.result.emplace();
  view.result->outcome = state == TaskState::succeeded ? Outcome::succeeded : Outcome::failed;
  view.result->exit_code = state == TaskState::succeeded ? 0 : 3;
  view.result->started_at = kNow - seconds(12);
  view.result->finished_at = kNow - seconds(10);
  return view;
}

TEST(WatchBoard, KnowsWhatHasChanged) {
  WatchBoard board;
  EXPECT_TRUE(board.note(view_of(1, TaskState::ready))) << "new";
  EXPECT_FALSE(board.note(view_of(1, TaskState::ready)));
  EXPECT_TRUE(board.note(view_of(1, TaskState::running, "w1")));
  TaskView view = view_of(1, TaskState::running, "w1");
  view.row.started_at = kNow - seconds(3);
  EXPECT_FALSE(board.note(view)) << "that is not shown as a change";
  view.progress = Progress{0.5, "half", kNow};
  EXPECT_TRUE(board.note(view));
  view.progress->at = kNow + seconds(1);
  EXPECT_FALSE(board.note(view));
  EXPECT_TRUE(board.note(view_of(1, TaskState::succeeded, "w1")));
}

TEST(WatchBoard, WatchesUntilAllHaveEnded) {
  WatchBoard board;
  board.note(view_of(1, TaskState::running, "w1"));
  board.note(view_of(2, TaskState::quarantined));
  EXPECT_THAT(board.open(), ElementsAre(make_task_id(1, 7), make_task_id(2, 7)));
  board.note(view_of(1, TaskState::succeeded, "w1"));
  EXPECT_EQ(board.tally().counts(), "1 of 2 tasks: 1 SUCCEEDED");
  board.note(view_of(2, TaskState::failed));
  EXPECT_TRUE(board.open().empty());
  EXPECT_EQ(board.tally().exit_code(), 1);
}

TEST(WatchBoard, DrawsCountsAndATable) {
  WatchBoard board;
  board.note(view_of(1, TaskState::failed, "w1"));
  board.note(view_of(2, TaskState::running, "w2"));
  EXPECT_EQ(board.draw(kNow, {}, 24),
            "2 tasks: 1 RUNNING, 1 FAILED\n"
            "ID                  STATE    WORKER  ATTEMPT  TIME  COMMAND  WHY\n" +
                to_string(make_task_id(1, 7)) + "  FAILED   w1            1  2.0s  true     exit code 3\n" +
                to_string(make_task_id(2, 7)) + "  RUNNING  w2            1   12s  true     -\n");
}

TEST(WatchBoard, ShowsProgressOnlyIfSomeTaskTells) {
  WatchBoard board;
  board.note(view_of(1, TaskState::running, "w1"));
  EXPECT_THAT(board.draw(kNow, {}, 24), Not(HasSubstr("PROGRESS")));
  TaskView view = view_of(2, TaskState::running, "w1");
  view.progress = Progress{0.45, "loading", kNow};
  board.note(view);
  EXPECT_THAT(board.draw(kNow, {}, 24), HasSubstr("[####------]  45%  loading"));
}

TEST(WatchBoard, LeavesOutTheEndedFirstWhereThereIsNoRoom) {
  WatchBoard board;
  for (std::int64_t i = 1; i <= 50; ++i)
    board.note(view_of(i, i % 10 == 0 ? TaskState::running : TaskState::succeeded, "w1"));
  const std::string text = board.draw(kNow, {.width = 60}, 10);
  EXPECT_EQ(std::ranges::count(text, '\n'), 10);
  EXPECT_THAT(text, testing::EndsWith("… and 43 more\n"));
  for (std::int64_t i = 10; i <= 50; i += 10) EXPECT_THAT(text, HasSubstr(to_string(make_task_id(i, 7))));
}

TEST(WatchBoard, NoLineIsWiderThanTheTerminal) {
  WatchBoard board;
  board.note(view_of(1, TaskState::ready));
  board.note(view_of(2, TaskState::running, "w1"));
  board.note(view_of(3, TaskState::succeeded, "w1"));
  board.note(view_of(4, TaskState::failed, "w1"));
  std::istringstream text(board.draw(kNow, {.width = 48}, 24));
  for (std::string line; std::getline(text, line);) EXPECT_LE(display_width(line), 48U) << line;
  EXPECT_THAT(text.str(), testing::StartsWith("4 tasks: 1 READY, 1 RUNNING, 1 SUCCEEDED, 1 FAI…\n"));
}

TEST(ChangeLine, SaysWhatAndWhy) {
  const std::string id = to_string(make_task_id(1, 7));
  EXPECT_EQ(change_line(view_of(1, TaskState::ready), kNow, false),
            "2026-11-21T09:30:00Z " + id + " READY\n");
  TaskView view = view_of(1, TaskState::running, "w1");
  view.row.attempt = 2;
  view.progress = Progress{0.25, "", kNow};
  EXPECT_EQ(change_line(view, kNow, false),
            "2026-11-21T09:30:00Z " + id + " RUNNING on w1, attempt 2, 25%\n");
  EXPECT_EQ(change_line(view_of(1, TaskState::failed, "w1"), kNow, false),
            "2026-11-21T09:30:00Z " + id + " FAILED on w1 after 2.0s: exit code 3\n");
  view = view_of(1, TaskState::delayed);
  view.row.run_at = kNow + seconds(5);
  view.attempts.push_back({1, 7, "w1", view_of(1, TaskState::failed).result.value()});
  EXPECT_EQ(change_line(view, kNow, false),
            "2026-11-21T09:30:00Z " + id + " DELAYED, due in 5s: exit code 3\n");
}

TEST(ChangeLine, LetsNothingSteerTheTerminal) {
  TaskView view = view_of(1, TaskState::failed, "w\x1b[2J");
  view.result->message = "a\nb";
  EXPECT_THAT(change_line(view, kNow, false), HasSubstr("on w?[2J after 2.0s: exit code 3: a?b\n"));
}

}  // namespace
}  // namespace ringmaster
