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
      {"GET", "/v1/tasks", HttpOperation::list_tasks},
      {"GET", "/v1/tasks/task_0000000000001", HttpOperation::get_task},
      {"GET", "/v1/workers", HttpOperation::list_workers},
      {"GET", "/v1/masters", HttpOperation::list_masters},
      {"GET", "/v1/cluster", HttpOperation::show_cluster},
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
        "/livez?x=1", "/v1/tasks/a?wait=1s&wait=2s"}) {
    const auto route = find_route("GET", target);
    ASSERT_FALSE(route) << target;
    EXPECT_EQ(route.error().status, 400U) << target;
  }
  EXPECT_TRUE(find_route("GET", "/v1/tasks?state=READY&state=RUNNING"));
}

TEST(HttpRoute, NamesTheParameterAtFault) {
  const auto route = find_route("GET", "/v1/tasks?stat=READY");
  ASSERT_FALSE(route);
  EXPECT_EQ(route.error().field, "stat");
  EXPECT_THAT(route.error().detail, testing::HasSubstr("namespace, group, kind, state, page_token, limit"));
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
