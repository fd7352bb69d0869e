#include "base/api.h"

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

using namespace std::chrono_literals;

TEST(Validate, TakesADefaultTask) {
  EXPECT_TRUE(validate(NewTask{}));
}

TEST(Validate, NamesTheFieldAtFault) {
  const std::vector<std::pair<std::string, std::function<void(NewTask&)>>> cases{
      {"namespace", [](NewTask& t) { t.ns = ""; }},
      {"namespace", [](NewTask& t) { t.ns = std::string(65, 'a'); }},
      {"kind", [](NewTask& t) { t.kind = "a b"; }},
      {"group", [](NewTask& t) { t.group = "a/b"; }},
      {"routing_key", [](NewTask& t) { t.routing_key = std::string(257, 'a'); }},
      {"routing_key", [](NewTask& t) { t.routing_key = "a\nb"; }},
      {"traceparent", [](NewTask& t) { t.traceparent = "\xff"; }},
      {"created_by", [](NewTask& t) { t.created_by = std::string(1, '\0'); }},
      {"priority", [](NewTask& t) { t.priority = -1; }},
      {"priority", [](NewTask& t) { t.priority = 10; }},
      {"routing", [](NewTask& t) { t.routing = static_cast<Routing>(2); }},
      {"on_worker_lost", [](NewTask& t) { t.on_worker_lost = static_cast<OnWorkerLost>(3); }},
      {"run_at", [](NewTask& t) { t.run_at = WallTime::max(); }},
      {"run_at", [](NewTask& t) { t.run_at = WallTime(-1us); }},
      {"timeout", [](NewTask& t) { t.timeout = -1us; }},
      {"timeout", [](NewTask& t) { t.timeout = 365 * 24h + 1us; }},
      {"start_deadline", [](NewTask& t) { t.start_deadline = Duration::max(); }},
      {"retry.max_attempts", [](NewTask& t) { t.retry.max_attempts = 0; }},
      {"retry.max_attempts", [](NewTask& t) { t.retry.max_attempts = 1001; }},
      {"retry.factor", [](NewTask& t) { t.retry.factor = 0.5; }},
      {"retry.factor", [](NewTask& t) { t.retry.factor = std::nan(""); }},
      {"retry.backoff", [](NewTask& t) { t.retry.backoff = -1s; }},
      {"retry.backoff_max", [](NewTask& t) { t.retry.backoff_max = 366 * 24h; }},
  };
  for (const auto& [field, spoil] : cases) {
    NewTask task;
    spoil(task);
    const auto checked = validate(task);
    ASSERT_FALSE(checked) << field;
    EXPECT_EQ(checked.error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(checked.error().field, field);
    EXPECT_TRUE(checked.error().message.starts_with(field)) << checked.error().message;
  }
}

TEST(Validate, TakesEveryBound) {
  NewTask task;
  task.ns = std::string(64, 'A');
  task.kind = "a-b_c.9";
  task.routing_key = std::string(256, 'k');
  task.priority = 9;
  task.timeout = task.start_deadline = task.retry.backoff = task.retry.backoff_max = 365 * 24h;
  task.retry.max_attempts = 1000;
  task.retry.factor = 1;
  task.run_at = WallTime{};
  EXPECT_TRUE(validate(task));
}

TEST(Validate, TakesOnlyAnObjectAsSpec) {
  NewTask task;
  for (const char* good :
       {"{}", " {} ", R"({"argv":["sh","-c","true"],"env":{"A":"b"},"n":-1.5e3,"x":null,"y":true})",
        R"({"text":"é \u00e9 \ud83d\ude80"})"}) {
    task.spec = good;
    EXPECT_TRUE(validate(task)) << good;
  }
  for (const char* bad : {"",
                          "[]",
                          "null",
                          "1",
                          "\"x\"",
                          "true",
                          "{",
                          "{}{}",
                          "{} x",
                          "{\"a\":}",
                          "{\"a\":1,}",
                          "{'a':1}",
                          "{\"a\":\"\xff\"}",
                          "{\"a\":\"\\ud800\"}",
                          "{\"a\":\"x\\u0000y\"}",
                          "{\"\\u0000\":1}",
                          "[{}]",
                          "{\"a\":NaN}",
                          "{\"a\":1e999}",
                          "// x\n{}"}) {
    task.spec = bad;
    const auto checked = validate(task);
    ASSERT_FALSE(checked) << bad;
    EXPECT_EQ(checked.error().field, "spec");
  }
}

TEST(Validate, BoundsTheSpecInBytesAndDepth) {
  NewTask task;
  task.spec = "{\"a\":\"" + std::string(kMaxSpecBytes - 8, 'x') + "\"}";
  EXPECT_TRUE(validate(task));
  task.spec.insert(6, "x");
  EXPECT_FALSE(validate(task));
  task.spec = "{\"a\":" + std::string(100, '[') + std::string(100, ']') + "}";
  EXPECT_FALSE(validate(task));
}

TEST(Validate, TakesOnlyStringsAsLabels) {
  NewTask task;
  for (const char* good : {"", "{}", R"({"team":"data","k":""})"}) {
    task.labels = good;
    EXPECT_TRUE(validate(task)) << good;
  }
  for (const std::string& bad : {std::string("[]"), std::string(R"({"a":1})"), std::string(R"({"a":{}})"),
                                 std::string(R"({"a":["x"]})"), std::string(R"({"a":null})"),
                                 std::string("x"), "{\"a\":\"" + std::string(4096, 'x') + "\"}"}) {
    task.labels = bad;
    const auto checked = validate(task);
    ASSERT_FALSE(checked) << bad;
    EXPECT_EQ(checked.error().field, "labels");
  }
}

TEST(ValidateSubmit, BoundsTheNumberOfTasks) {
  SubmitRequest request;
  EXPECT_EQ(validate(request).error().field, "tasks");
  request.tasks.resize(10'000);
  EXPECT_TRUE(validate(request));
  request.tasks.resize(10'001);
  EXPECT_EQ(validate(request).error().field, "tasks");
}

TEST(ValidateSubmit, BoundsTheBytesOfAllTasks) {
  SubmitRequest request;
  request.tasks.resize(17);
  for (NewTask& task : request.tasks) task.spec = "{\"a\":\"" + std::string(250'000, 'x') + "\"}";
  EXPECT_EQ(validate(request).error().field, "tasks");
  request.tasks.resize(16);
  EXPECT_TRUE(validate(request));
}

TEST(ValidateSubmit, SaysWhichTaskIsAtFault) {
  SubmitRequest request;
  request.tasks.resize(4);
  request.tasks[3].priority = 42;
  const auto checked = validate(request);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().field, "tasks[3].priority");
  EXPECT_TRUE(checked.error().message.starts_with("tasks[3].priority")) << checked.error().message;
}

}  // namespace
}  // namespace ringmaster
