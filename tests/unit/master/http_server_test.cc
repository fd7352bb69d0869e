// The routes over a real socket: what they ask of the service and how its answers look.
#include "master/http_server.h"

#include <cctype>
#include <set>

#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>

#include "base/time.h"
#include "tests/unit/master/http_client.h"

namespace ringmaster {
namespace {

using testing::HasSubstr;

const std::string kId = to_string(TaskId{0x1200});

TaskView view_of(std::int64_t id, TaskState state) {
  TaskView view;
  view.row.id = TaskId{id};
  view.row.state = state;
  view.row.task.spec = R"({"argv":["true"]})";
  return view;
}

TEST_F(HttpServerTest, AcceptsOneTask) {
  service_.answer_next(SubmitReply{{TaskId{0x1200}}});
  start();
  const HttpAnswer answer = connect().post(R"({"spec":{"argv":["true"]},"priority":9,"group":"gpu"})");
  EXPECT_EQ(answer.status, 201U);
  EXPECT_EQ(answer.body, "{\"id\":\"" + kId + "\"}\n");
  EXPECT_EQ(answer.header("Location"), "/v1/tasks/" + kId);
  EXPECT_EQ(answer.header("Content-Type"), "application/json");
  const auto request = service_.last<SubmitRequest>();
  ASSERT_EQ(request.tasks.size(), 1U);
  EXPECT_EQ(request.tasks[0].priority, 9);
  EXPECT_EQ(request.tasks[0].group, "gpu");
  EXPECT_EQ(boost::json::parse(request.tasks[0].spec), boost::json::parse(R"({"argv":["true"]})"));
}

TEST_F(HttpServerTest, AcceptsSeveralTasksInOrder) {
  service_.answer_next(SubmitReply{{TaskId{0x100}, TaskId{0x201}}});
  start();
  const HttpAnswer answer =
      connect().post(R"([{"kind":"noop"},{"kind":"process","spec":{"argv":["true"]}}])");
  EXPECT_EQ(answer.status, 201U);
  EXPECT_EQ(answer.json(),
            (boost::json::object{{"ids", {to_string(TaskId{0x100}), to_string(TaskId{0x201})}}}));
  const auto request = service_.last<SubmitRequest>();
  ASSERT_EQ(request.tasks.size(), 2U);
  EXPECT_EQ(request.tasks[0].kind, "noop");
  EXPECT_EQ(request.tasks[1].kind, "process");
}

TEST_F(HttpServerTest, SaysNothingBeforeTheServiceHasAnswered) {
  start();
  HttpTestClient client = connect();
  client.send(
      "POST /v1/tasks HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
  ApiResponder respond = service_.take_open();
  ASSERT_TRUE(respond);
  // Another connection is served meanwhile, and this one stays silent: its answer can only come from
  // `respond`.
  EXPECT_EQ(connect().get("/livez").status, 200U);
  answer_later(std::move(respond), SubmitReply{{TaskId{0x1200}}});
  EXPECT_EQ(client.read().status, 201U);
}

TEST_F(HttpServerTest, NamesTheFieldAtFault) {
  start();
  HttpTestClient client = connect();
  const auto field_of = [&](const std::string& body) {
    const HttpAnswer answer = client.post(body);
    EXPECT_EQ(answer.status, 400U) << body;
    EXPECT_EQ(answer.header("Content-Type"), "application/problem+json");
    const auto problem = answer.json();
    EXPECT_EQ(problem.at("code"), "invalid_argument");
    EXPECT_EQ(problem.at("type"), "urn:ringmaster:problem:invalid_argument");
    EXPECT_EQ(problem.at("title"), "Bad Request");
    EXPECT_EQ(problem.at("status"), 400);
    EXPECT_EQ(problem.at("retryable"), false);
    EXPECT_NE(problem.at("detail"), "");
    return std::string(problem.contains("field") ? problem.at("field").as_string().c_str() : "");
  };
  EXPECT_EQ(field_of(R"({"priority":10})"), "priority");
  EXPECT_EQ(field_of(R"({"prioritty":1})"), "prioritty");
  EXPECT_EQ(field_of(R"([{},{"priority":-1}])"), "[1].priority");
  EXPECT_EQ(field_of(R"([{},7])"), "[1]");
  EXPECT_EQ(field_of("[]"), "");
  EXPECT_EQ(field_of("7"), "");
  EXPECT_EQ(service_.asked(), 0U);
}

TEST_F(HttpServerTest, RefusesWhatIsNotJson) {
  start();
  HttpTestClient client = connect();
  for (const char* body : {"{", "nonsense", R"({"spec":{}} x)"}) {
    const HttpAnswer answer = client.post(body);
    EXPECT_EQ(answer.status, 400U);
    EXPECT_EQ(answer.json().at("code"), "malformed_request");
  }
  EXPECT_EQ(client.post(std::string(1000, '[')).status, 400U);  // deeper than a task can be
}

TEST_F(HttpServerTest, ShowsATaskAndPassesTheWaitOn) {
  service_.answer_next(GetReply{view_of(0x1200, TaskState::succeeded)});
  start();
  const HttpAnswer answer = connect().get("/v1/tasks/" + kId + "?wait=30s");
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.json().at("id").as_string(), kId);
  EXPECT_EQ(answer.json().at("state"), "SUCCEEDED");
  EXPECT_EQ(service_.last<GetRequest>().id, TaskId{0x1200});
  EXPECT_EQ(service_.last<GetRequest>().wait, std::chrono::seconds(30));
  EXPECT_FALSE(service_.last<GetRequest>().forwarded);
}

TEST_F(HttpServerTest, RefusesBadWaits) {
  start();
  HttpTestClient client = connect();
  for (const char* wait : {"61s", "30", "-1s", "", "x"}) {
    const HttpAnswer answer = client.get("/v1/tasks/" + kId + "?wait=" + wait);
    EXPECT_EQ(answer.status, 400U) << wait;
    EXPECT_EQ(answer.json().at("field"), "wait") << wait;
  }
}

TEST_F(HttpServerTest, KnowsNoTaskOfAnUnreadableId) {
  start();
  const HttpAnswer answer = connect().get("/v1/tasks/17");
  EXPECT_EQ(answer.status, 404U);
  EXPECT_EQ(answer.json().at("code"), "not_found");
  EXPECT_EQ(service_.asked(), 0U);
}

TEST_F(HttpServerTest, ListsWithFiltersAndAPageToken) {
  ListReply reply;
  reply.views = {view_of(0x100, TaskState::ready), view_of(0x200, TaskState::running)};
  reply.next = TaskId{0x200};
  service_.answer_next(reply);
  start();
  const HttpAnswer answer =
      connect().get("/v1/tasks?namespace=a&group=b&kind=c&state=READY,RUNNING&state=FAILED&limit=2" +
                    std::string("&page_token=") + kId);
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.json().at("tasks").as_array().size(), 2U);
  EXPECT_EQ(answer.json().at("next_page_token").as_string(), to_string(TaskId{0x200}));
  const auto request = service_.last<ListRequest>();
  EXPECT_EQ(request.ns + request.group + request.kind, "abc");
  EXPECT_THAT(request.states, testing::ElementsAre(TaskState::ready, TaskState::running, TaskState::failed));
  EXPECT_EQ(request.limit, 2U);
  EXPECT_EQ(request.after, TaskId{0x1200});
}

TEST_F(HttpServerTest, EndsAPageOfHugeTasksEarly) {
  ListReply reply;
  for (std::int64_t id = 1; id <= 100; ++id) {
    reply.views.push_back(view_of(id, TaskState::ready));
    reply.views.back().row.task.spec = R"({"stdin":")" + std::string(200'000, 'x') + "\"}";
  }
  service_.answer_next(reply);
  start();
  const auto page = connect().get("/v1/tasks").json();
  const auto& tasks = page.at("tasks").as_array();
  ASSERT_LT(tasks.size(), 100U);
  ASSERT_GT(tasks.size(), 1U);
  EXPECT_EQ(page.at("next_page_token"), tasks.back().at("id"));
}

TEST_F(HttpServerTest, RefusesBadListParameters) {
  start();
  HttpTestClient client = connect();
  const std::pair<const char*, const char*> cases[] = {
      {"limit=0", "limit"},      {"limit=1001", "limit"},       {"limit=ten", "limit"},
      {"limit=", "limit"},       {"state=ready", "state"},      {"state=", "state"},
      {"state=READY,", "state"}, {"page_token=3", "page_token"}};
  for (const auto& [query, field] : cases) {
    const HttpAnswer answer = client.get(std::string("/v1/tasks?") + query);
    EXPECT_EQ(answer.status, 400U) << query;
    EXPECT_EQ(answer.json().at("field").as_string(), field) << query;
  }
}

TEST_F(HttpServerTest, ShowsWorkersMastersAndCluster) {
  WorkerView worker;
  worker.id = "w1";
  worker.slots = 4;
  MasterView master;
  master.id = "m1";
  ClusterReply cluster;
  cluster.cluster = "demo";
  cluster.lanes.push_back({"default", 7, 2, true, 1});
  service_.answer_next(WorkersReply{{worker}});
  service_.answer_next(MastersReply{{master}});
  service_.answer_next(cluster);
  start();
  HttpTestClient client = connect();
  const auto workers = client.get("/v1/workers").json();
  EXPECT_EQ(workers.at("workers").as_array().at(0).at("id"), "w1");
  const auto masters = client.get("/v1/masters").json();
  EXPECT_EQ(masters.at("masters").as_array().at(0).at("id"), "m1");
  const auto shown = client.get("/v1/cluster").json();
  EXPECT_EQ(shown.at("cluster"), "demo");
  EXPECT_EQ(shown.at("lanes").as_array().size(), 1U);
}

TEST_F(HttpServerTest, IsReadyOnlyWithStoreRegistryAndShards) {
  ClusterReply ready;
  ready.store_up = ready.registry_up = true;
  ready.shards_owned = 256;
  ClusterReply no_store = ready, no_registry = ready, no_shards = ready;
  no_store.store_up = false;
  no_registry.registry_up = false;
  no_shards.shards_owned = 0;
  service_.answer_next(ready);
  service_.answer_next(no_store);
  service_.answer_next(no_registry);
  service_.answer_next(no_shards);
  service_.answer_next(fail(ErrorCode::unavailable, "not joined"));
  start();
  HttpTestClient client = connect();
  EXPECT_EQ(client.get("/readyz").status, 200U);
  for (const char* reason : {"database", "registry", "shard", "not joined"}) {
    const HttpAnswer answer = client.get("/readyz");
    EXPECT_EQ(answer.status, 503U);
    EXPECT_THAT(answer.body, HasSubstr(reason));
  }
}

TEST_F(HttpServerTest, SaysEachCheckOfItsReadinessWhereThatIsAsked) {
  ClusterReply reply;
  reply.registry_up = true;
  reply.shards_owned = 3;
  service_.answer_next(reply);
  start();
  const HttpAnswer answer = connect().get("/readyz?verbose");
  EXPECT_EQ(answer.status, 503U);
  EXPECT_EQ(boost::json::serialize(answer.json().at("checks")),
            R"([{"name":"database","ok":false,"detail":"the database cannot be reached"},)"
            R"({"name":"registry","ok":true},{"name":"shards","ok":true}])");
}

TEST_F(HttpServerTest, TheOpenApiDescribesEveryRouteAndNothingElse) {
  start();
  const auto paths = connect().get("/v1/openapi.json").json().at("paths").as_object();
  std::set<std::string> described;
  for (const auto& [path, item] : paths) {
    for (const auto& [method, operation] : item.as_object()) {
      std::string target(path), verb(method);
      if (const auto id = target.find("{id}"); id != std::string::npos)
        target.replace(id, 4, to_string(TaskId{0x1200}));
      for (char& c : verb) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      const auto route = find_route(verb, target);
      ASSERT_TRUE(route) << verb << " " << target;
      EXPECT_EQ(operation.at("operationId").as_string(), to_string(route->operation));
      described.insert(operation.at("operationId").as_string().c_str());
    }
  }
  EXPECT_EQ(described.size(), kHttpOperations);
}

TEST_F(HttpServerTest, LivesWithoutTheService) {
  start();
  const HttpAnswer answer = connect().get("/livez");
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.body, "ok\n");
  EXPECT_EQ(service_.asked(), 0U);
}

TEST_F(HttpServerTest, ExposesMetricsOfItsOwnRequests) {
  start();
  HttpTestClient client = connect();
  client.get("/livez");
  client.get("/nowhere");
  const HttpAnswer answer = client.get("/metrics");
  EXPECT_EQ(answer.header("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(answer.body,
              HasSubstr("ringmaster_http_requests_total{operation=\"livez\",status=\"200\"} 1\n"));
  EXPECT_THAT(answer.body,
              HasSubstr("ringmaster_http_requests_total{operation=\"none\",status=\"404\"} 1\n"));
  EXPECT_THAT(answer.body, HasSubstr("ringmaster_http_request_seconds_count{operation=\"livez\"} 1\n"));
  EXPECT_THAT(answer.body, HasSubstr("ringmaster_http_connections 1\n"));
}

TEST_F(HttpServerTest, TellsServiceErrorsApart) {
  struct Case {
    ErrorCode code;
    unsigned status;
    bool retry_after, get_retryable, post_retryable;
  };
  const Case cases[] = {
      {ErrorCode::invalid_argument, 400, false, false, false},
      {ErrorCode::unauthenticated, 403, false, false, false},
      {ErrorCode::not_found, 404, false, false, false},
      {ErrorCode::already_exists, 409, false, false, false},
      {ErrorCode::resource_exhausted, 429, true, true, true},
      {ErrorCode::internal, 500, false, false, false},
      {ErrorCode::unavailable, 503, true, true, true},
      {ErrorCode::fenced, 503, true, true, true},
      {ErrorCode::unknown_outcome, 503, true, true, false},
      {ErrorCode::cancelled, 503, true, true, false},
      {ErrorCode::deadline_exceeded, 504, false, true, false},
  };
  start();
  HttpTestClient client = connect();
  for (const Case& wanted : cases) {
    service_.answer_next(fail(wanted.code, "because"));
    const HttpAnswer get = client.get("/v1/tasks/" + kId);
    EXPECT_EQ(get.status, wanted.status);
    EXPECT_EQ(get.json().at("code").as_string(), std::string(to_string(wanted.code)));
    EXPECT_EQ(get.json().at("detail"), "because");
    EXPECT_EQ(get.json().at("retryable"), wanted.get_retryable) << to_string(wanted.code);
    EXPECT_EQ(get.header("Retry-After").empty(), !wanted.retry_after) << to_string(wanted.code);
    service_.answer_next(fail(wanted.code, "because"));
    EXPECT_EQ(client.post("{}").json().at("retryable"), wanted.post_retryable) << to_string(wanted.code);
  }
}

TEST_F(HttpServerTest, AnAnswerToAnotherQuestionIsA500) {
  service_.answer_next(MastersReply{});
  start();
  EXPECT_EQ(connect().get("/v1/workers").status, 500U);
}

}  // namespace
}  // namespace ringmaster
