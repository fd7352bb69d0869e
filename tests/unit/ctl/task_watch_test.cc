// `task watch` and Ctrl-C, against a master that follows a script.
#include "ctl/task_watch.h"

#include <algorithm>
#include <csignal>
#include <map>
#include <memory>
#include <sstream>

#include <CLI/CLI.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ctl/exit_code.h"
#include "ctl/interrupt.h"
#include "ctl/task_follow.h"
#include "tests/unit/client/fake_master.h"

namespace ringmaster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const TaskId kFirst = make_task_id(1, 7), kSecond = make_task_id(2, 7);

// Each task goes one state further whenever it is asked for, and stays in the last one. On the fake's loop.
struct Script {
  std::map<TaskId, std::vector<TaskState>> states;
  std::map<TaskId, std::size_t> asked;
  std::vector<ListRequest> lists;
  std::function<void()> on_wait = [] {};

  TaskView view(TaskId id) {
    const auto& of = states.at(id);
    TaskView view;
    view.row.id = id;
    view.row.worker = "w1";
    view.row.state = of[std::min(asked[id]++, of.size() - 1)];
    if (!is_terminal(view.row.state)) return view;
    view.result.emplace();
    if (view.row.state != TaskState::succeeded) view.result->outcome = Outcome::failed;
    view.result->exit_code = view.row.state == TaskState::failed ? 3 : 0;
    return view;
  }
  std::optional<Result<ApiReply>> answer(const ApiRequest& request) {
    if (const auto* get = std::get_if<GetRequest>(&request)) {
      if (!states.contains(get->id)) return fail(ErrorCode::not_found, "no such task");
      return GetReply{view(get->id)};
    }
    if (const auto* list = std::get_if<ListRequest>(&request)) {
      lists.push_back(*list);
      ListReply reply;
      for (const auto& [id, of] : states) {
        TaskView found;
        found.row.id = id;
        found.row.state = of[std::min(asked[id], of.size() - 1)];
        if (!is_terminal(found.row.state)) reply.views.push_back(found);
      }
      return reply;
    }
    const auto* wait = std::get_if<WaitRequest>(&request);
    if (wait == nullptr) return std::nullopt;
    on_wait();
    WaitReply reply;
    for (const TaskId id : wait->ids) reply.items.push_back({id, true, TaskState::running, 0, "w1"});
    return reply;
  }
};

class TaskWatch : public testing::Test {
 protected:
  // What follows `ringctl task`.
  int run(std::vector<std::string> words, const std::string& output = "text") {
    master_.answer_with([script = script_](const ApiRequest& request) { return script->answer(request); });
    Ctl ctl(out_, err_, false, false);
    ctl.options.address = master_.address();
    ctl.options.output = output;
    CLI::App app;
    add_task_commands(app, ctl);
    words.insert(words.begin(), "task");
    std::ranges::reverse(words);
    app.parse(std::move(words));
    const int status = ctl.action();
    interrupted_by_ = ctl.interrupted_by();
    return status;
  }
  // Of the lines, without the time: `task_… RUNNING on w1`.
  std::vector<std::string> changes() const {
    std::vector<std::string> lines;
    std::istringstream text(out_.str());
    for (std::string line; std::getline(text, line);) lines.push_back(line.substr(line.find(' ') + 1));
    return lines;
  }

  std::shared_ptr<Script> script_ = std::make_shared<Script>();
  FakeMaster master_{1};
  std::ostringstream out_, err_;
  int interrupted_by_ = 0;
};

TEST_F(TaskWatch, PrintsEachChangeOnceAndEndsWithTheTask) {
  using enum TaskState;
  script_->states[kFirst] = {ready, ready, running, running, failed};
  EXPECT_EQ(run({"watch", "--interval", "100ms", to_string(kFirst)}), 3) << err_.str();
  const std::string id = to_string(kFirst);
  EXPECT_THAT(changes(),
              ElementsAre(id + " READY on w1", id + " RUNNING on w1", id + " FAILED on w1: exit code 3"));
  EXPECT_EQ(err_.str(), "");
}

TEST_F(TaskWatch, ADocumentForEachChange) {
  using enum TaskState;
  script_->states[kFirst] = {ready, succeeded};
  EXPECT_EQ(run({"watch", "--interval", "100ms", to_string(kFirst)}, "jsonl"), kExitOk);
  const std::string text = out_.str();
  EXPECT_EQ(std::ranges::count(text, '\n'), 2);
  EXPECT_THAT(text, HasSubstr("\"state\":\"SUCCEEDED\""));
}

TEST_F(TaskWatch, AFilterFindsWhatHasNotEndedAndFollowsItToTheEnd) {
  using enum TaskState;
  script_->states[kFirst] = {running, running, succeeded};
  script_->states[kSecond] = {ready, lost};
  EXPECT_EQ(run({"watch", "--interval", "100ms", "--group", "nightly"}), kExitTaskFailed);
  EXPECT_EQ(err_.str(), "2 tasks: 1 SUCCEEDED, 1 LOST\n");
  master_.kill();  // what it noted is ours to read
  ASSERT_FALSE(script_->lists.empty());
  EXPECT_EQ(script_->lists[0].group, "nightly");
  EXPECT_THAT(script_->lists[0].states, ElementsAre(delayed, ready, running, cancelling, quarantined));
  EXPECT_THAT(changes(), testing::Contains(to_string(kSecond) + " LOST on w1"));
}

TEST_F(TaskWatch, NothingToWatchIsSaidAndNoError) {
  EXPECT_EQ(run({"watch"}), kExitOk);
  EXPECT_EQ(err_.str(), "no tasks to watch\n");
}

TEST_F(TaskWatch, ATaskThatThereIsNotIsAnError) {
  EXPECT_EQ(run({"watch", to_string(kFirst)}), kExitOwnError);
  EXPECT_THAT(err_.str(), HasSubstr(to_string(kFirst) + ": there is no such task"));
}

TEST_F(TaskWatch, GivesUpWhenTheTimeIsUp) {
  script_->states[kFirst] = {TaskState::running};
  EXPECT_EQ(run({"watch", "--timeout", "200ms", "--interval", "100ms", to_string(kFirst)}), kExitTimedOut);
}

TEST_F(TaskWatch, RefusesWhatCannotBeMeant) {
  const auto refusal = [&](std::vector<std::string> words) {
    err_.str({});
    EXPECT_EQ(run(std::move(words)), kExitOwnError);
    return err_.str();
  };
  EXPECT_THAT(refusal({"watch", "--group", "x", to_string(kFirst)}),
              HasSubstr("task ids or filters, not both"));
  EXPECT_THAT(refusal({"watch", "--interval", "1ms"}), HasSubstr("--interval: between 100ms and 60s"));
  EXPECT_THAT(refusal({"watch", "--limit", "5000"}), HasSubstr("--limit: at most 1000"));
  EXPECT_EQ(master_.requests(), 0);
}

TEST_F(TaskWatch, CtrlCSaysThatTheTasksGoOn) {
  script_->states[kFirst] = {TaskState::running};
  script_->on_wait = [] { ::kill(::getpid(), SIGINT); };
  EXPECT_EQ(run({"watch", "--interval", "60s", to_string(kFirst)}), 130);
  EXPECT_EQ(interrupted_by_, SIGINT);
  EXPECT_THAT(err_.str(), HasSubstr("interrupted: " + to_string(kFirst) + " goes on; wait again with"));
}

TEST_F(TaskWatch, AWaitIsInterruptedTheSameWay) {
  script_->states[kFirst] = script_->states[kSecond] = {TaskState::running};
  script_->on_wait = [] { ::kill(::getpid(), SIGTERM); };
  EXPECT_EQ(run({"wait", to_string(kFirst), to_string(kSecond)}), 143);
  EXPECT_THAT(err_.str(), HasSubstr("interrupted: 0 of 2 tasks have ended, the others go on"));
}

TEST(GoesOn, SaysWhatTheWaitWasFor) {
  EXPECT_EQ(goes_on({kFirst}, 3),
            "2 of 3 tasks have ended, the others go on; `ringctl task wait` waits again, `ringctl task "
            "cancel` ends "
            "them");
  EXPECT_EQ(goes_on({}, 1), "the task has ended");
  EXPECT_EQ(goes_on({}, 0), "no task was seen yet");
}

TEST(InterruptTest, WakesASleeperAndKillsAtTheSecondTime) {
  {
    const Interrupt interrupt;
    EXPECT_TRUE(interrupt.sleep(std::chrono::milliseconds(1)));
    ::raise(SIGINT);
    EXPECT_FALSE(interrupt.sleep(std::chrono::hours(1)));
    EXPECT_EQ(interrupt.signal(), SIGINT);
    struct sigaction now{};
    ::sigaction(SIGINT, nullptr, &now);
    EXPECT_EQ(now.sa_handler, SIG_DFL);
  }
  const Interrupt next;
  EXPECT_EQ(next.signal(), 0);
}

TEST(InterruptTest, LeavesIgnoredSignalsIgnored) {
  ::signal(SIGHUP, SIG_IGN);
  {
    const Interrupt interrupt;
    ::raise(SIGHUP);
    EXPECT_EQ(interrupt.signal(), 0);
  }
  ::signal(SIGHUP, SIG_DFL);
}

}  // namespace
}  // namespace ringmaster
