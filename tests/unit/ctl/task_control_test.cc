// `task cancel`, `task release` and `task explain` from the words to the exit status, against a fake master.
#include "ctl/task_control.h"

#include <algorithm>
#include <sstream>

#include <CLI/CLI.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ctl/exit_code.h"
#include "tests/unit/client/fake_master.h"

namespace ringmaster {
namespace {

using testing::HasSubstr;

constexpr TaskId kRuns{0x100}, kEnded{0x200}, kAbsent{0x300}, kQuarantined{0x400}, kMoving{0x500},
    kLost{0x600};

Result<ApiReply> answer_of(const ControlRequest& request) {
  const bool cancel = request.action == ControlAction::cancel;
  if (request.id == kAbsent) return fail(ErrorCode::not_found, "there is no such task");
  if (request.id == kMoving) return fail(ErrorCode::unavailable, "the task has just moved: try again");
  if (request.id == kLost) return fail(ErrorCode::unknown_outcome, "this master stopped");
  if (request.id == kEnded) return fail(ErrorCode::already_exists, "the task has ended: SUCCEEDED");
  if (cancel) return ControlReply{TaskState::cancelling};
  if (request.id == kQuarantined) return ControlReply{TaskState::ready};
  return fail(ErrorCode::already_exists, "the task is not quarantined: there is nothing to release");
}

std::optional<Result<ApiReply>> script(const ApiRequest& request) {
  if (const auto* control = std::get_if<ControlRequest>(&request)) return answer_of(*control);
  const auto* explain = std::get_if<ExplainRequest>(&request);
  if (explain == nullptr) return std::nullopt;
  if (explain->id == kAbsent) return fail(ErrorCode::not_found, "there is no such task");
  return ExplainReply{TaskState::ready, {{"no_credit", "w1 has no credit left"}, {"lane", "3 tasks"}}};
}

class TaskControl : public testing::Test {
 protected:
  TaskControl() { master_.answer_with(&script); }

  // What follows `ringctl task`.
  int run(std::vector<std::string> words, const std::string& output = "text") {
    out_.str({});
    err_.str({});
    Ctl ctl(out_, err_, false, false);
    ctl.options.address = address_.empty() ? master_.address() : address_;
    ctl.options.output = output;
    CLI::App app;
    add_task_commands(app, ctl);
    words.insert(words.begin(), "task");
    std::ranges::reverse(words);
    app.parse(std::move(words));
    return ctl.action();
  }
  std::string out() const { return out_.str(); }
  std::string err() const { return err_.str(); }

  FakeMaster master_{1};
  std::string address_;
  std::ostringstream out_, err_;
};

TEST_F(TaskControl, CancelSaysTheState) {
  EXPECT_EQ(run({"cancel", to_string(kRuns)}), kExitOk);
  EXPECT_EQ(out(), to_string(kRuns) + " CANCELLING\n");
  EXPECT_EQ(err(), "");
}

TEST_F(TaskControl, ReleaseSaysTheState) {
  EXPECT_EQ(run({"release", to_string(kQuarantined)}), kExitOk);
  EXPECT_EQ(out(), to_string(kQuarantined) + " READY\n");
}

TEST_F(TaskControl, OneRefusedTaskIsARefusedRequest) {
  EXPECT_EQ(run({"cancel", to_string(kEnded)}), kExitOwnError);
  EXPECT_EQ(out(), "");
  EXPECT_EQ(err(), "ringctl: " + to_string(kEnded) + ": " + master_.address() +
                       ": the task has ended: SUCCEEDED (there is nothing left to cancel)\n");
}

TEST_F(TaskControl, AnswersEachOfSeveralAndFailsIfAnyDid) {
  EXPECT_EQ(run({"cancel", to_string(kRuns), to_string(kEnded), to_string(kQuarantined), to_string(kAbsent)}),
            kExitTaskFailed);
  EXPECT_EQ(out(), to_string(kRuns) + " CANCELLING\n" + to_string(kQuarantined) + " CANCELLING\n");
  EXPECT_THAT(err(), HasSubstr(to_string(kEnded)));
  EXPECT_THAT(err(), HasSubstr(to_string(kAbsent)));
  EXPECT_EQ(run({"cancel", to_string(kRuns), to_string(kQuarantined)}), kExitOk);
}

TEST_F(TaskControl, KeepsTheOrderOfManyIdsAndAsksOnceForEach) {
  std::vector<std::string> words{"cancel"};
  std::string wanted;
  for (std::int64_t i = 500; i > 0; --i) {
    words.push_back(to_string(make_task_id(1000 + i, 7)));
    wanted += words.back() + " CANCELLING\n";
  }
  words.push_back(words[1]);  // named twice
  EXPECT_EQ(run(words), kExitOk);
  EXPECT_EQ(out(), wanted);
  EXPECT_EQ(master_.requests(), 500);
}

TEST_F(TaskControl, SaysWhatToDo) {
  const auto words_of = [&](const char* action, TaskId id) {
    EXPECT_EQ(run({action, to_string(id)}), kExitOwnError);
    return err();
  };
  EXPECT_THAT(words_of("cancel", kAbsent), HasSubstr("no such task (`ringctl task list` shows the ids)"));
  EXPECT_THAT(words_of("release", kRuns), HasSubstr("(see `ringctl task explain " + to_string(kRuns) + "`)"));
  EXPECT_THAT(words_of("cancel", kLost), HasSubstr("(cancel it again: that does no harm)"));
  EXPECT_THAT(words_of("release", kLost),
              HasSubstr("(look with `ringctl task explain " + to_string(kLost) + "` before you repeat it)"));
  // The master was reached: no word about addresses.
  EXPECT_THAT(words_of("cancel", kMoving), testing::EndsWith("the task has just moved: try again\n"));
}

TEST_F(TaskControl, PrintsOneJsonDocumentForEachId) {
  EXPECT_EQ(run({"cancel", to_string(kRuns), to_string(kEnded)}, "jsonl"), kExitTaskFailed);
  EXPECT_EQ(out(), R"({"id":")" + to_string(kRuns) + R"(","state":"CANCELLING"})" + "\n" + R"({"id":")" +
                       to_string(kEnded) + R"(","error":{"code":"already_exists","message":")" +
                       master_.address() + R"(: the task has ended: SUCCEEDED"}})" + "\n");
  EXPECT_THAT(err(), HasSubstr("nothing left to cancel"));
}

TEST_F(TaskControl, AJsonListIsOneDocument) {
  EXPECT_EQ(run({"cancel", to_string(kRuns), to_string(kQuarantined)}, "json"), kExitOk);
  EXPECT_EQ(out(), R"([{"id":")" + to_string(kRuns) + R"(","state":"CANCELLING"},)" + "\n" + R"({"id":")" +
                       to_string(kQuarantined) + R"(","state":"CANCELLING"}])" + "\n");
}

TEST_F(TaskControl, AWordThatIsNoIdStopsEverything) {
  EXPECT_EQ(run({"cancel", to_string(kRuns), "task_17"}), kExitOwnError);
  EXPECT_EQ(out(), "");
  EXPECT_THAT(err(), HasSubstr("\"task_17\": not an id"));
  EXPECT_EQ(master_.requests(), 0);
}

TEST_F(TaskControl, NoMasterIsAnErrorOfItsOwn) {
  address_ = master_.address();
  master_.kill();
  for (const char* action : {"cancel", "release", "explain"}) {
    EXPECT_EQ(run({action, to_string(kRuns)}), kExitOwnError) << action;
    EXPECT_THAT(err(), HasSubstr("see --address")) << action;
  }
}

TEST_F(TaskControl, ExplainsLineByLine) {
  EXPECT_EQ(run({"explain", to_string(kRuns)}), kExitOk);
  EXPECT_EQ(out(), to_string(kRuns) +
                       " READY\n"
                       "  no_credit  w1 has no credit left\n"
                       "  lane       3 tasks\n");
  EXPECT_EQ(run({"explain", to_string(kRuns)}, "json"), kExitOk);
  EXPECT_EQ(out(), R"({"id":")" + to_string(kRuns) + R"(","state":"READY","reasons":[{"code":"no_credit",)" +
                       R"("text":"w1 has no credit left"},{"code":"lane","text":"3 tasks"}]})" + "\n");
  EXPECT_EQ(run({"explain", to_string(kAbsent)}), kExitOwnError);
  EXPECT_THAT(err(), HasSubstr("there is no such task"));
}

TEST(Explanation, LetsNothingSteerTheTerminal) {
  const ExplainReply reply{TaskState::quarantined, {{"quarantined", "w\x1b[31m1\n died"}}};
  EXPECT_EQ(explanation(kRuns, reply, false),
            to_string(kRuns) + " QUARANTINED\n  quarantined  w?[31m1? died\n");
  EXPECT_EQ(explanation(kRuns, {TaskState::ready, {}}, false), to_string(kRuns) + " READY\n");
}

TEST(Explanation, ColoursStateAndCode) {
  EXPECT_EQ(explanation(kRuns, {TaskState::quarantined, {{"x", "y"}}}, true),
            to_string(kRuns) + " \x1b[31mQUARANTINED\x1b[0m\n  \x1b[2mx\x1b[0m  y\n");
}

}  // namespace
}  // namespace ringmaster
