#include "master/http_route.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster {
namespace {

struct Case {
  const char* method;
  const char* target;
  HttpOperation operation;
};

TEST(HttpRoute, FindsEachOperation) {
  const Case cases[] = {
      {"POST", "/v1/tasks", HttpOperation::submit_tasks},
      {"POST", "/v1/tasks:batch", HttpOperation::submit_batch},
      {"GET", "/v1/openapi.json", HttpOperation::openapi},
      {"GET", "/readyz?verbose", HttpOperation::readyz},
      {"GET", "/v1/tasks", HttpOperation::list_tasks},
      {"GET", "/v1/tasks/task_0000000000001", HttpOperation::get_task},
      {"GET", "/v1/tasks/task_0000000000001:explain", HttpOperation::explain_task},
      {"HEAD", "/v1/tasks/task_0000000000001:explain", HttpOperation::explain_task},
      {"POST", "/v1/tasks/task_0000000000001:cancel", HttpOperation::cancel_task},
      {"POST", "/v1/tasks/task_0000000000001:release", HttpOperation::release_task},
      {"GET", "/v1/tasks/task_0000000000001/log", HttpOperation::read_log},
      {"GET", "/v1/groups", HttpOperation::list_groups},
      {"GET", "/v1/workers", HttpOperation::list_workers},
      {"GET", "/v1/masters", HttpOperation::list_masters},
      {"GET", "/v1/cluster", HttpOperation::show_cluster},
      {"GET", "/v1/cluster/audit?full", HttpOperation::audit_cluster},
      {"GET", "/livez", HttpOperation::livez},
      {"HEAD", "/readyz", HttpOperation::readyz},
      {"GET", "/metrics", HttpOperation::metrics},
  };
  for (const Case& wanted : cases) {
    const auto route = find_route(wanted.method, wanted.target);
    ASSERT_TRUE(route) << wanted.target;
    EXPECT_EQ(route->operation, wanted.operation) << wanted.target;
  }
}

TEST(HttpRoute, DecodesIdAndQuery) {
  const auto route = find_route("GET", "/v1/tasks/task%5fx?wait=30%73");
  ASSERT_TRUE(route);
  EXPECT_EQ(route->id, "task_x");
  EXPECT_THAT(route->query, testing::ElementsAre(testing::Pair("wait", "30s")));
}

TEST(HttpRoute, TakesTheActionOffTheId) {
  for (const char* target : {"/v1/tasks/task%5fx:cancel", "/v1/tasks/task_x%3Acancel"}) {
    const auto route = find_route("POST", target);
    ASSERT_TRUE(route) << target;
    EXPECT_EQ(route->operation, HttpOperation::cancel_task);
    EXPECT_EQ(route->id, "task_x");
  }
}

TEST(HttpRoute, AnswersUnknownActionsWith404) {
  for (const char* method : {"GET", "POST", "DELETE"}) {
    for (const char* target : {"/v1/tasks/a:pause", "/v1/tasks/a:", "/v1/tasks/:cancel", "/v1/tasks/a:Cancel",
                               "/v1/tasks/a:cancel:cancel", "/v1/tasks/a:cancel/", "/v1/tasks/a/b:cancel",
                               "/v1/tasks/a%2Fb:cancel", "/v1/tasks:cancel", "/livez:cancel"}) {
      const auto route = find_route(method, target);
      ASSERT_FALSE(route) << method << ' ' << target;
      EXPECT_EQ(route.error().status, 404U) << method << ' ' << target;
    }
  }
}

TEST(HttpRoute, ActionsHaveTheirMethods) {
  const Case cases[] = {
      {"GET", "/v1/tasks/a:cancel", HttpOperation::cancel_task},
      {"HEAD", "/v1/tasks/a:release", HttpOperation::release_task},
      {"DELETE", "/v1/tasks/a:cancel", HttpOperation::cancel_task},
      {"POST", "/v1/tasks/a:explain", HttpOperation::explain_task},
  };
  for (const Case& wrong : cases) {
    const auto route = find_route(wrong.method, wrong.target);
    ASSERT_FALSE(route) << wrong.target;
    EXPECT_EQ(route.error().status, 405U) << wrong.target;
    EXPECT_EQ(route.error().allow, wrong.operation == HttpOperation::explain_task ? "GET, HEAD" : "POST");
  }
}

TEST(HttpRoute, KnowsWhatMayBeRepeated) {
  const auto repeatable = [](const char* method, const char* target) {
    return find_route(method, target).value().repeatable();
  };
  EXPECT_TRUE(repeatable("GET", "/v1/tasks/a"));
  EXPECT_TRUE(repeatable("GET", "/v1/tasks/a:explain"));
  EXPECT_TRUE(repeatable("POST", "/v1/tasks/a:cancel"));
  EXPECT_FALSE(repeatable("POST", "/v1/tasks/a:release"));
  EXPECT_FALSE(repeatable("POST", "/v1/tasks"));
}

TEST(HttpRoute, NamesEachOperation) {
  EXPECT_EQ(to_string(HttpOperation::submit_tasks), "submit_tasks");
  EXPECT_EQ(to_string(HttpOperation::explain_task), "explain_task");
  EXPECT_EQ(to_string(HttpOperation::cancel_task), "cancel_task");
  EXPECT_EQ(to_string(HttpOperation::release_task), "release_task");
  EXPECT_EQ(to_string(HttpOperation::list_workers), "list_workers");
  EXPECT_EQ(to_string(HttpOperation::metrics), "metrics");
}

TEST(HttpRoute, AnswersUnknownPathsWith404) {
  for (const char* target :
       {"/", "/v1", "/v1/task", "/v1/tasks/", "/v1/tasks/a/b", "/v1/tasks//", "/livez/"}) {
    const auto route = find_route("GET", target);
    ASSERT_FALSE(route) << target;
    EXPECT_EQ(route.error().status, 404U) << target;
  }
}

TEST(HttpRoute, NamesTheMethodsOfAPathWith405) {
  const auto both = find_route("DELETE", "/v1/tasks");
  ASSERT_FALSE(both);
  EXPECT_EQ(both.error().status, 405U);
  EXPECT_EQ(both.error().allow, "POST, GET, HEAD");
  const auto get = find_route("POST", "/v1/workers");
  ASSERT_FALSE(get);
  EXPECT_EQ(get.error().allow, "GET, HEAD");
  const auto lower = find_route("get", "/livez");  // methods are case-sensitive
  ASSERT_FALSE(lower);
  EXPECT_EQ(lower.error().status, 405U);
}

TEST(HttpRoute, RefusesUnknownAndRepeatedParameters) {
  for (const char* target :
       {"/v1/tasks?stat=READY", "/v1/tasks?limit=1&limit=2", "/v1/tasks?namespace%20group=x", "/v1/tasks?=x",
        "/livez?x=1", "/v1/tasks/a?wait=1s&wait=2s", "/v1/tasks/a:explain?wait=1s"}) {
    const auto route = find_route("GET", target);
    ASSERT_FALSE(route) << target;
    EXPECT_EQ(route.error().status, 400U) << target;
  }
  for (const char* target :
       {"/v1/tasks/a:cancel?force=1", "/v1/tasks/a:release?wait=1s", "/v1/tasks/a:cancel?=x"}) {
    const auto route = find_route("POST", target);
    ASSERT_FALSE(route) << target;
    EXPECT_EQ(route.error().status, 400U) << target;
  }
  EXPECT_TRUE(find_route("GET", "/v1/tasks?state=READY&state=RUNNING"));
}

TEST(HttpRoute, NamesTheParameterAtFault) {
  const auto route = find_route("GET", "/v1/tasks?stat=READY");
  ASSERT_FALSE(route);
  EXPECT_EQ(route.error().field, "stat");
  EXPECT_THAT(route.error().detail,
              testing::HasSubstr(
                  "namespace, group, kind, state, label, created_from, created_before, page_token, limit"));
}

// PostgreSQL would refuse them with the whole statement.
TEST(HttpRoute, RefusesValuesThatAreNoText) {
  for (const std::string value : {"%ff", "%00", "a%0ab", "%ed%a0%80"}) {
    const auto route = find_route("GET", "/v1/tasks?namespace=" + value);
    ASSERT_FALSE(route) << value;
    EXPECT_EQ(route.error().status, 400U) << value;
    EXPECT_EQ(route.error().field, "namespace") << value;
  }
  EXPECT_TRUE(find_route("GET", "/v1/tasks?namespace=%c3%bc"));
}

TEST(HttpRoute, RefusesUnreadableTargets) {
  const std::vector<std::string> targets{"*", "http://h/livez", "/%zz", "/a b", std::string(5000, '/')};
  for (const std::string& target : targets) {
    const auto route = find_route("GET", target);
    ASSERT_FALSE(route) << target;
    EXPECT_EQ(route.error().status, 400U) << target;
  }
}

}  // namespace
}  // namespace ringmaster
