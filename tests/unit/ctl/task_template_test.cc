#include "ctl/task_template.h"

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ctl/task_show.h"
#include "ctl/task_source.h"
#include "tests/unit/ctl/pipe_input.h"

namespace ringmaster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const WallTime kNow = from_unix_micros(1'800'000'000'000'000);

NewTask task_of(const TaskOptions& options, const std::vector<std::string>& argv = {"true"}) {
  const auto made = TaskTemplate::make(options, kNow);
  EXPECT_TRUE(made) << made.error().message;
  const auto task = made->with_command(argv);
  EXPECT_TRUE(task) << task.error().message;
  return *task;
}

Error error_of(const TaskOptions& options) {
  const auto made = TaskTemplate::make(options, kNow);
  EXPECT_FALSE(made);
  return made ? Error{} : made.error();
}

TaskTemplate plain() {
  return *TaskTemplate::make({}, kNow);
}

TEST(FillIn, ReplacesEveryPlaceOrAppends) {
  EXPECT_THAT(fill_in({"sha256sum", "{}"}, "/a b"), ElementsAre("sha256sum", "/a b"));
  EXPECT_THAT(fill_in({"cp", "{}", "{}.bak", "x{}{}"}, "f"), ElementsAre("cp", "f", "f.bak", "xff"));
  EXPECT_THAT(fill_in({"echo", "-n"}, "f"), ElementsAre("echo", "-n", "f"));
  EXPECT_THAT(fill_in({"echo", "{}"}, "{}"),
              ElementsAre("echo", "{}"));  // what is filled in is not filled in again
  EXPECT_THAT(fill_in({"{", "}"}, "f"), ElementsAre("{", "}", "f"));
}

TEST(TaskTemplate, CommandBecomesTheSpecsArgv) {
  const NewTask task = task_of({}, {"echo", "a b", "{}", "[1,2]", "\"\n"});
  EXPECT_EQ(boost::json::parse(task.spec),
            boost::json::parse(R"({"argv":["echo","a b","{}","[1,2]","\"\n"]})"));
  EXPECT_EQ(task.kind, "process");
  EXPECT_EQ(task.group, "default");
}

TEST(TaskTemplate, EachOptionSetsItsField) {
  TaskOptions options;
  options.kind = "noop";
  options.group = "gpu";
  options.ns = "team";
  options.key = "user-7";
  options.routing = "strict";
  options.priority = 9;
  options.run_at = "2026-11-21T09:30:00Z";
  options.timeout = "1h30m";
  options.max_attempts = 3;
  options.on_worker_lost = "fail";
  options.labels = {"a=1", "b=x=y", "c="};
  const NewTask task = task_of(options, {});
  EXPECT_EQ(task.kind, "noop");
  EXPECT_EQ(task.group, "gpu");
  EXPECT_EQ(task.ns, "team");
  EXPECT_EQ(task.routing_key, "user-7");
  EXPECT_EQ(task.routing, Routing::strict);
  EXPECT_EQ(task.priority, 9);
  EXPECT_EQ(task.run_at, *parse_time("2026-11-21T09:30:00Z"));
  EXPECT_EQ(task.timeout, std::chrono::minutes(90));
  EXPECT_EQ(task.retry.max_attempts, 3);
  EXPECT_EQ(task.on_worker_lost, OnWorkerLost::fail);
  EXPECT_EQ(boost::json::parse(task.labels), boost::json::parse(R"({"a":"1","b":"x=y","c":""})"));
}

TEST(TaskTemplate, RunAtMayBeRelative) {
  TaskOptions options;
  options.run_at = "+10m";
  EXPECT_EQ(task_of(options).run_at, kNow + std::chrono::minutes(10));
}

TEST(TaskTemplate, SpecAndCommandMerge) {
  TaskOptions options;
  options.spec = R"({"cwd":"/tmp"})";
  EXPECT_EQ(boost::json::parse(task_of(options, {"ls"}).spec),
            boost::json::parse(R"({"cwd":"/tmp","argv":["ls"]})"));
}

TEST(TaskTemplate, NamesTheOptionAtFault) {
  TaskOptions bad;
  bad.priority = 10;
  EXPECT_EQ(error_of(bad).field, "priority");
  bad = {};
  bad.run_at = "tomorrow";
  EXPECT_EQ(error_of(bad).field, "run_at");
  bad.run_at = "+10";
  EXPECT_EQ(error_of(bad).field, "run_at");
  bad = {};
  bad.labels = {"novalue"};
  EXPECT_EQ(error_of(bad).field, "labels");
  bad.labels = {"=v"};
  EXPECT_EQ(error_of(bad).field, "labels");
  bad = {};
  bad.spec = "[1]";
  EXPECT_EQ(error_of(bad).field, "spec");
  bad.spec = "{";
  EXPECT_EQ(error_of(bad).field, "spec");
  bad = {};
  bad.timeout = "soon";
  EXPECT_EQ(error_of(bad).field, "timeout");
}

TEST(TaskTemplate, FieldsOfALineWinOverOptions) {
  TaskOptions options;
  options.group = "gpu";
  options.priority = 1;
  const auto made = TaskTemplate::make(options, kNow);
  ASSERT_TRUE(made);
  const auto task = made->with_json(R"({"priority":9,"spec":{"argv":["true"]}})");
  ASSERT_TRUE(task) << task.error().message;
  EXPECT_EQ(task->priority, 9);
  EXPECT_EQ(task->group, "gpu");
}

TEST(TaskSource, OneTaskComesOnce) {
  TaskSource source = TaskSource::one(plain(), {"true"});
  EXPECT_EQ(source.next_batch()->size(), 1U);
  EXPECT_TRUE(source.next_batch()->empty());
}

TEST(TaskSource, EachLineIsATaskAndBatchesAreBounded) {
  PipeInput input;
  std::string text;
  for (int i = 0; i < 2500; ++i) text += std::to_string(i) + "\n";
  input.write(text);
  input.end();
  TaskSource source = TaskSource::each(plain(), {"echo"}, LineReader(input.fd()));
  EXPECT_EQ(source.next_batch()->size(), 1000U);
  EXPECT_EQ(source.next_batch()->size(), 1000U);
  const auto rest = source.next_batch();
  ASSERT_EQ(rest->size(), 500U);
  EXPECT_EQ(boost::json::parse(rest->back().spec), boost::json::parse(R"({"argv":["echo","2499"]})"));
  EXPECT_TRUE(source.next_batch()->empty());
}

TEST(TaskSource, SubmitsWhatIsThereRatherThanWait) {
  PipeInput input("a\nb\n");  // and not ended
  TaskSource source = TaskSource::each(plain(), {"echo"}, LineReader(input.fd()));
  EXPECT_EQ(source.next_batch()->size(), 2U);
}

TEST(TaskSource, SkipsEmptyLines) {
  PipeInput input("{}\n\n{}\n");
  input.end();
  TaskSource source = TaskSource::json_lines(plain(), LineReader(input.fd()));
  EXPECT_EQ(source.next_batch()->size(), 2U);
}

TEST(TaskSource, NamesTheLineAtFault) {
  PipeInput input("{}\n{\"priority\":10}\n");
  input.end();
  TaskSource source = TaskSource::json_lines(plain(), LineReader(input.fd()));
  const auto batch = source.next_batch();
  ASSERT_FALSE(batch);
  EXPECT_THAT(batch.error().message, HasSubstr("line 2: priority: "));
  EXPECT_EQ(batch.error().field, "");  // no option is to blame
}

TEST(TaskSource, EachLineGetsAKeyOfItsOwn) {
  TaskOptions options;
  options.idempotency_key = "night";
  const auto made = TaskTemplate::make(options, kNow);
  ASSERT_TRUE(made);
  PipeInput input("{}\n\n{\"idempotency_key\": \"mine\"}\n{}\n");
  input.end();
  TaskSource source = TaskSource::json_lines(*made, LineReader(input.fd()));
  std::vector<std::string> keys;
  for (auto batch = source.next_batch(); batch && !batch->empty(); batch = source.next_batch()) {
    for (const NewTask& task : *batch) keys.push_back(task.idempotency_key);
  }
  EXPECT_THAT(keys, ElementsAre("night/1", "mine", "night/4"));
  EXPECT_EQ(task_of(options).idempotency_key, "night");
}

TEST(CommandText, IsAShellLine) {
  NewTask task;
  task.spec = R"({"argv":["echo","a b","it's","--x=1",""]})";
  EXPECT_EQ(command_of(task), R"(echo 'a b' 'it'\''s' --x=1 '')");
  task.spec = R"({"shell":"a | b"})";
  EXPECT_EQ(command_of(task), "a | b");
  task.spec = R"({"x":1})";
  EXPECT_EQ(command_of(task), R"({"x":1})");
}

TEST(TaskText, ShowsStateResultAndOutput) {
  TaskView view;
  view.row.id = TaskId{256};
  view.row.state = TaskState::failed;
  view.row.worker = "w1";
  view.row.task.spec = R"({"argv":["false"]})";
  view.result.emplace();
  view.result->outcome = Outcome::failed;
  view.result->exit_code = 3;
  view.result->output_tail = "one\n\x1b[2Jtwo\n";
  const std::string text = describe(view, kNow, {});
  EXPECT_THAT(text, HasSubstr("Task:         " + to_string(TaskId{256}) + "\n"));
  EXPECT_THAT(text, HasSubstr("State:        FAILED\n"));
  EXPECT_THAT(text, HasSubstr("Command:      false\n"));
  EXPECT_THAT(text, HasSubstr("exit code 3"));
  EXPECT_THAT(text, HasSubstr("Output:\none\n?[2Jtwo\n"));
}

}  // namespace
}  // namespace ringmaster
