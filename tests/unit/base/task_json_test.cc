#include "base/task_json.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

#include "base/api.h"

namespace ringmaster {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

Result<NewTask> read(const std::string& text) {
  return new_task_from_json(json::parse(text).as_object());
}

TEST(NewTaskFromJson, TakesDefaultsForWhatIsAbsent) {
  const auto task = read("{}");
  ASSERT_TRUE(task);
  EXPECT_EQ(task->ns, "default");
  EXPECT_EQ(task->spec, "{}");
  EXPECT_EQ(task->retry, RetryPolicy{});
  EXPECT_EQ(task->run_at, std::nullopt);
  EXPECT_TRUE(validate(*task));
}

TEST(NewTaskFromJson, ReadsEveryField) {
  const auto task =
      read(R"({"namespace":"n","kind":"k","spec":{"argv":["true"]},"group":"g","routing_key":"r",
    "routing":"strict","priority":9,"run_at":"2026-11-21T10:30:00+01:00","timeout":"1h30m","start_deadline":"5m",
    "retry":{"max_attempts":3,"backoff":"2s","factor":3,"backoff_max":"1m"},"on_worker_lost":"rerun_after_lease",
    "labels":{"team":"data"},"traceparent":"00-ab-cd-01","created_by":"me"})");
  ASSERT_TRUE(task) << task.error().message;
  EXPECT_EQ(task->ns, "n");
  EXPECT_EQ(task->kind, "k");
  EXPECT_EQ(task->spec, R"({"argv":["true"]})");
  EXPECT_EQ(task->group, "g");
  EXPECT_EQ(task->routing_key, "r");
  EXPECT_EQ(task->routing, Routing::strict);
  EXPECT_EQ(task->priority, 9);
  EXPECT_EQ(format_time(*task->run_at), "2026-11-21T09:30:00.000000Z");
  EXPECT_EQ(task->timeout, 90min);
  EXPECT_EQ(task->start_deadline, 5min);
  EXPECT_EQ(task->retry, (RetryPolicy{3, 2s, 3, 1min}));
  EXPECT_EQ(task->on_worker_lost, OnWorkerLost::rerun_after_lease);
  EXPECT_EQ(task->labels, R"({"team":"data"})");
  EXPECT_EQ(task->traceparent, "00-ab-cd-01");
  EXPECT_EQ(task->created_by, "me");
}

TEST(NewTaskFromJson, NamesTheFieldAtFault) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"namespace", R"({"namespace":1})"},
      {"kind", R"({"kind":null})"},
      {"spec", R"({"spec":"{}"})"},
      {"spec", R"({"spec":[]})"},
      {"group", R"({"group":{}})"},
      {"routing_key", R"({"routing_key":7})"},
      {"routing", R"({"routing":"loose"})"},
      {"routing", R"({"routing":0})"},
      {"priority", R"({"priority":"5"})"},
      {"priority", R"({"priority":5.0})"},
      {"priority", R"({"priority":4294967301})"},
      {"run_at", R"({"run_at":"tomorrow"})"},
      {"run_at", R"({"run_at":1795253400})"},
      {"timeout", R"({"timeout":30})"},
      {"timeout", R"({"timeout":"30"})"},
      {"start_deadline", R"({"start_deadline":"-1s"})"},
      {"retry", R"({"retry":3})"},
      {"retry.max_attempts", R"({"retry":{"max_attempts":"3"}})"},
      {"retry.backoff", R"({"retry":{"backoff":1}})"},
      {"retry.factor", R"({"retry":{"factor":"2"}})"},
      {"retry.backoff_max", R"({"retry":{"backoff_max":"x"}})"},
      {"retry.jitter", R"({"retry":{"jitter":1}})"},
      {"on_worker_lost", R"({"on_worker_lost":"panic"})"},
      {"labels", R"({"labels":{"a":1}})"},
      {"labels", R"({"labels":[]})"},
      {"traceparent", R"({"traceparent":false})"},
      {"created_by", R"({"created_by":[]})"},
      {"pririty", R"({"pririty":5})"},
      {"", R"({"":5})"},
  };
  for (const auto& [field, text] : cases) {
    const auto task = read(text);
    ASSERT_FALSE(task) << text;
    EXPECT_EQ(task.error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(task.error().field, field);
    EXPECT_NE(task.error().message.find(field), std::string::npos) << task.error().message;
  }
}

TEST(NewTaskFromJson, ListsTheAllowedFields) {
  EXPECT_EQ(read(R"({"retry":{"tries":1}})").error().message,
            "unknown field retry.tries; allowed are max_attempts, backoff, factor, backoff_max");
}

TaskView finished_view() {
  TaskView view;
  view.row.id = make_task_id(42, 7);
  view.row.task.spec = R"({"argv":["echo","é"]})";
  view.row.task.labels = R"({"team":"data"})";
  view.row.state = TaskState::failed;
  view.row.attempt = 2;
  view.row.failures = 2;
  view.row.crashes = 1;
  view.row.epoch = 6;
  view.row.worker = "w1";
  view.row.worker_incarnation = Incarnation{99};
  view.row.started_at = from_unix_micros(1'795'253'400'000'001);
  view.finished_at = from_unix_micros(1'795'253'401'000'000);
  AttemptResult result;
  result.outcome = Outcome::failed;
  result.exit_code = 3;
  result.usage = {1000, 2000, 4096};
  result.output_tail = "bad \xff byte";
  view.result = result;
  view.attempts.push_back({1, 5, "w0", result});
  return view;
}

TEST(TaskViewToJson, ShowsAFinishedTask) {
  const json::object out = task_view_to_json(finished_view());
  EXPECT_EQ(out.at("id"), "task_0000000000ag7");
  EXPECT_EQ(out.at("state"), "FAILED");
  EXPECT_EQ(out.at("attempt"), 2);
  EXPECT_EQ(out.at("spec").at("argv").at(1), "é");
  EXPECT_EQ(out.at("labels").at("team"), "data");
  EXPECT_EQ(out.at("retry").at("backoff_max"), "5m");
  EXPECT_EQ(out.at("started_at"), "2026-11-21T09:30:00.000001Z");
  EXPECT_EQ(out.at("finished_at"), "2026-11-21T09:30:01.000000Z");
  EXPECT_EQ(out.at("worker_incarnation"), json::value(to_string(Incarnation{99})));
  EXPECT_EQ(out.at("result").at("outcome"), "failed");
  EXPECT_EQ(out.at("result").at("exit_code"), 3);
  EXPECT_EQ(out.at("result").at("usage").at("max_rss_kib"), 4096);
  EXPECT_EQ(out.at("result").at("output_tail"), "bad \ufffd byte");
  EXPECT_EQ(out.at("epoch"), 6);
  EXPECT_EQ(out.at("failures"), 2);
  EXPECT_EQ(out.at("crashes"), 1);
  EXPECT_EQ(out.at("attempts").at(0).at("worker"), "w0");
  EXPECT_EQ(out.at("attempts").at(0).at("epoch"), 5);
}

TEST(TaskViewToJson, ShowsLateResultsAsItShowsAttempts) {
  TaskView view = finished_view();
  view.late.push_back(view.attempts.front());
  const json::object out = task_view_to_json(view);
  EXPECT_EQ(out.at("late"), out.at("attempts"));
}

TEST(TaskViewToJson, LeavesOutWhatIsRarelySo) {
  TaskView view;
  json::object out = task_view_to_json(view);
  EXPECT_FALSE(out.contains("late"));
  EXPECT_FALSE(out.contains("cancel_requested"));
  view.row.cancel_requested = true;
  out = task_view_to_json(view);
  EXPECT_EQ(out.at("cancel_requested"), true);
}

TEST(TaskViewToJson, ShowsNullForWhatHasNotHappened) {
  const json::object out = task_view_to_json(TaskView{});
  for (const char* name :
       {"epoch", "worker", "worker_incarnation", "started_at", "finished_at", "result", "traceparent"}) {
    EXPECT_TRUE(out.at(name).is_null()) << name;
  }
  EXPECT_TRUE(out.at("attempts").as_array().empty());
  EXPECT_TRUE(out.at("labels").as_object().empty());
}

// Whoever copies a shown task into a new one meets no surprise: each submitted field is shown as it is taken.
TEST(TaskViewToJson, ShowsFieldsAsTheyAreTaken) {
  TaskView view = finished_view();
  view.row.task.traceparent = "00-ab-cd-01";
  view.row.task.created_by = "me";
  const json::object shown = task_view_to_json(view);
  json::object again;
  for (const char* name :
       {"namespace", "kind", "spec", "group", "routing_key", "routing", "priority", "run_at", "timeout",
        "start_deadline", "retry", "on_worker_lost", "labels", "traceparent", "created_by"}) {
    again[name] = shown.at(name);
  }
  const auto task = new_task_from_json(again);
  ASSERT_TRUE(task) << task.error().message;
  EXPECT_EQ(task->spec, view.row.task.spec);
  EXPECT_EQ(task->labels, view.row.task.labels);
  EXPECT_EQ(task->retry, view.row.task.retry);
}

}  // namespace
}  // namespace ringmaster
