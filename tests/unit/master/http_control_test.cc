// Cancel, release and explain over a real socket.
#include <gmock/gmock.h>

#include "master/http_server.h"
#include "tests/unit/master/http_client.h"

namespace ringmaster {
namespace {

using testing::HasSubstr;

const std::string kId = to_string(TaskId{0x1200});
const std::string kTask = "/v1/tasks/" + kId;
constexpr const char* kJson = "Content-Type: application/json\r\n";

TEST_F(HttpServerTest, TheKeyOfTheHeaderIsThatOfTheTask) {
  start();
  HttpTestClient client = connect();
  const auto keys_of = [&](const std::string& body) {
    service_.answer_next(SubmitReply{{TaskId{256}, TaskId{512}}});
    client.ask("POST", "/v1/tasks", body, std::string(kJson) + "Idempotency-Key: night\r\n");
    std::vector<std::string> keys;
    for (const NewTask& task : service_.last<SubmitRequest>().tasks) keys.push_back(task.idempotency_key);
    return keys;
  };
  EXPECT_EQ(keys_of("{}"), (std::vector<std::string>{"night"}));
  EXPECT_EQ(keys_of("[{}, {}]"), (std::vector<std::string>{"night/0", "night/1"}));
  const std::size_t asked = service_.asked();
  const HttpAnswer twice = client.ask("POST", "/v1/tasks", R"({"idempotency_key": "x"})",
                                      std::string(kJson) + "Idempotency-Key: night\r\n");
  EXPECT_EQ(twice.status, 400U);
  EXPECT_EQ(twice.json().at("field"), "idempotency_key");
  EXPECT_EQ(service_.asked(), asked);
}

TEST_F(HttpServerTest, AReusedKeyIs422AndAKeyedSubmissionMayBeRepeated) {
  start();
  HttpTestClient client = connect();
  const std::string keyed = std::string(kJson) + "Idempotency-Key: night\r\n";
  service_.answer_next(fail(ErrorCode::key_reused, "it belongs to another", "idempotency_key"));
  const HttpAnswer reused = client.ask("POST", "/v1/tasks", "{}", keyed);
  EXPECT_EQ(reused.status, 422U);
  EXPECT_EQ(reused.json().at("code"), "key_reused");
  EXPECT_EQ(reused.json().at("retryable"), false);
  for (const bool with_key : {true, false}) {
    service_.answer_next(fail(ErrorCode::unknown_outcome, "it may have happened"));
    const HttpAnswer unknown = client.ask("POST", "/v1/tasks", "{}", with_key ? keyed : std::string(kJson));
    EXPECT_EQ(unknown.status, 503U);
    EXPECT_EQ(unknown.json().at("retryable"), with_key);
  }
}

TEST_F(HttpServerTest, AcceptsACancel) {
  service_.answer_next(ControlReply{TaskState::cancelling});
  start();
  const HttpAnswer answer = connect().ask("POST", kTask + ":cancel");
  EXPECT_EQ(answer.status, 202U);
  EXPECT_EQ(answer.header("Content-Type"), "application/json");
  EXPECT_EQ(answer.body, "{\"id\":\"" + kId + "\",\"state\":\"CANCELLING\"}\n");
  const auto request = service_.last<ControlRequest>();
  EXPECT_EQ(request.id, TaskId{0x1200});
  EXPECT_EQ(request.action, ControlAction::cancel);
  EXPECT_FALSE(request.forwarded);
}

TEST_F(HttpServerTest, Releases) {
  service_.answer_next(ControlReply{TaskState::ready});
  start();
  const HttpAnswer answer = connect().ask("POST", kTask + ":release");
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.body, "{\"id\":\"" + kId + "\",\"state\":\"READY\"}\n");
  EXPECT_EQ(service_.last<ControlRequest>().action, ControlAction::release);
}

TEST_F(HttpServerTest, Explains) {
  service_.answer_next(ExplainReply{TaskState::ready, {{"no_credit", "w1 has no credit left"}}});
  start();
  const HttpAnswer answer = connect().get(kTask + ":explain");
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.body, R"({"id":")" + kId + R"(","state":"READY","reasons":[)" +
                             R"({"code":"no_credit","text":"w1 has no credit left"}]})" + "\n");
  EXPECT_EQ(service_.last<ExplainRequest>().id, TaskId{0x1200});
  EXPECT_FALSE(service_.last<ExplainRequest>().forwarded);
}

TEST_F(HttpServerTest, AnswersOutputAsItWasWrittenAndWhereToGoOn) {
  const std::string bytes("one\0\xff\n", 6);
  service_.answer_next(LogReply{2, "w1", bytes, 46, true});
  start();
  const HttpAnswer answer = connect().get(kTask + "/log?attempt=2&offset=40&limit=6");
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.body, bytes);
  EXPECT_EQ(answer.header("Content-Type"), "text/plain; charset=utf-8");
  EXPECT_EQ(answer.header("Ringmaster-Attempt"), "2");
  EXPECT_EQ(answer.header("Ringmaster-Worker"), "w1");
  EXPECT_EQ(answer.header("Ringmaster-Offset"), "40");
  EXPECT_EQ(answer.header("Ringmaster-Next-Offset"), "46");
  EXPECT_EQ(answer.header("Ringmaster-Log-Over"), "true");
  const auto request = service_.last<LogRequest>();
  EXPECT_EQ(request.id, TaskId{0x1200});
  EXPECT_EQ(request.attempt, 2);
  EXPECT_EQ(request.offset, 40U);
  EXPECT_EQ(request.limit, 6U);
}

TEST_F(HttpServerTest, RefusesBadPiecesOfOutput) {
  start();
  HttpTestClient client = connect();
  for (const auto& [query, field] : {std::pair{"attempt=0", "attempt"},
                                     {"attempt=x", "attempt"},
                                     {"offset=-1", "offset"},
                                     {"limit=0", "limit"},
                                     {"limit=1048577", "limit"},
                                     {"follow=maybe", "follow"}}) {
    const HttpAnswer answer = client.get(kTask + "/log?" + query);
    EXPECT_EQ(answer.status, 400U) << query;
    EXPECT_EQ(answer.json().at("field"), field) << query;
  }
  EXPECT_EQ(service_.asked(), 0U);
}

TEST_F(HttpServerTest, ListsGroups) {
  service_.answer_next(GroupsReply{{{"gpu", 1, 4, 10, 4, true}}, {"m2"}});
  start();
  const HttpAnswer answer = connect().get("/v1/groups");
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.body,
            R"({"groups":[{"group":"gpu","workers":1,"slots":4,"waiting_in_memory":10,"dispatched":4,)"
            R"("more_in_store":true}],"not_answered":["m2"]})"
            "\n");
}

TEST_F(HttpServerTest, ListsByLabelAndTime) {
  service_.answer_next(ListReply{});
  start();
  HttpTestClient client = connect();
  EXPECT_EQ(client
                .get("/v1/tasks?label=team%3Ddata&label=a=b=c&created_from=2026-11-21T09:30:00Z"
                     "&created_before=2026-11-21T10:00:00Z")
                .status,
            200U);
  const auto request = service_.last<ListRequest>();
  EXPECT_EQ(request.labels, R"({"team":"data","a":"b=c"})");
  EXPECT_EQ(format_time(*request.created_from), "2026-11-21T09:30:00.000000Z");
  EXPECT_EQ(format_time(*request.created_before), "2026-11-21T10:00:00.000000Z");
  for (const auto& [query, field] : {std::pair{"label=team", "label"},
                                     {"label==x", "label"},
                                     {"created_from=yesterday", "created_from"}}) {
    const HttpAnswer answer = client.get(std::string("/v1/tasks?") + query);
    EXPECT_EQ(answer.status, 400U) << query;
    EXPECT_EQ(answer.json().at("field"), field) << query;
  }
}

TEST_F(HttpServerTest, ActionsTakeAnEmptyObjectOrNoBody) {
  start();
  HttpTestClient client = connect();
  for (const char* body : {"", "{}", " { } "}) {
    service_.answer_next(ControlReply{TaskState::cancelling});
    EXPECT_EQ(client.ask("POST", kTask + ":cancel", body, kJson).status, 202U) << body;
  }
  service_.answer_next(ControlReply{TaskState::cancelling});
  EXPECT_EQ(client.ask("POST", kTask + ":cancel", {}, "Content-Length: 0\r\n").status, 202U);
  EXPECT_EQ(service_.asked(), 4U);
}

TEST_F(HttpServerTest, ActionsRefuseAnyOtherBody) {
  start();
  HttpTestClient client = connect();
  const auto refused = [&](const std::string& body) {
    const HttpAnswer answer = client.ask("POST", kTask + ":release", body, kJson);
    EXPECT_EQ(answer.status, 400U) << body;
    return answer.json();
  };
  const auto field = refused(R"({"force":true})");
  EXPECT_EQ(field.at("code"), "invalid_argument");
  EXPECT_EQ(field.at("field"), "force");
  EXPECT_THAT(std::string(field.at("detail").as_string()), HasSubstr("force"));
  EXPECT_EQ(refused("[]").at("code"), "invalid_argument");
  EXPECT_EQ(refused("null").at("code"), "invalid_argument");
  EXPECT_EQ(refused("{").at("code"), "malformed_request");
  EXPECT_EQ(connect().ask("POST", kTask + ":cancel", "{}").status, 415U);
  EXPECT_EQ(connect().ask("POST", kTask + ":cancel", "x=1", "Content-Type: text/plain\r\n").status, 415U);
  EXPECT_EQ(service_.asked(), 0U);
}

TEST_F(HttpServerTest, ActionsAreStrictAboutMethodNameAndQuery) {
  start();
  HttpTestClient client = connect();
  const HttpAnswer get = client.get(kTask + ":cancel");
  EXPECT_EQ(get.status, 405U);
  EXPECT_EQ(get.header("Allow"), "POST");
  const HttpAnswer post = client.ask("POST", kTask + ":explain");
  EXPECT_EQ(post.status, 405U);
  EXPECT_EQ(post.header("Allow"), "GET, HEAD");
  EXPECT_EQ(client.ask("POST", kTask + ":pause").status, 404U);
  EXPECT_EQ(client.ask("POST", "/v1/tasks/17:cancel").status, 404U);
  EXPECT_EQ(client.get("/v1/tasks/17:explain").status, 404U);
  const HttpAnswer query = client.ask("POST", kTask + ":cancel?force=1");
  EXPECT_EQ(query.status, 400U);
  EXPECT_EQ(query.json().at("field"), "force");
  EXPECT_EQ(service_.asked(), 0U);
}

TEST_F(HttpServerTest, ActionsTellTheirErrorsApart) {
  struct Case {
    ErrorCode code;
    unsigned status;
    bool retry_after, cancel_retryable, release_retryable;
  };
  const Case cases[] = {
      {ErrorCode::not_found, 404, false, false, false},       // no such task
      {ErrorCode::already_exists, 409, false, false, false},  // it has ended, or is not quarantined
      {ErrorCode::resource_exhausted, 429, true, true, true},
      {ErrorCode::unavailable, 503, true, true, true},
      {ErrorCode::unknown_outcome, 503, true, true, false},
      {ErrorCode::deadline_exceeded, 504, false, true, false},
  };
  start();
  HttpTestClient client = connect();
  for (const Case& wanted : cases) {
    for (const bool cancel : {true, false}) {
      service_.answer_next(fail(wanted.code, "because"));
      const HttpAnswer answer = client.ask("POST", kTask + (cancel ? ":cancel" : ":release"));
      EXPECT_EQ(answer.status, wanted.status);
      EXPECT_EQ(answer.json().at("code").as_string(), std::string(to_string(wanted.code)));
      EXPECT_EQ(answer.json().at("detail"), "because");
      EXPECT_EQ(answer.json().at("retryable"), cancel ? wanted.cancel_retryable : wanted.release_retryable)
          << to_string(wanted.code);
      EXPECT_EQ(answer.header("Retry-After"), wanted.retry_after ? "1" : "") << to_string(wanted.code);
    }
  }
}

TEST_F(HttpServerTest, CountsActionsByName) {
  service_.answer_next(ControlReply{TaskState::cancelling});
  start();
  HttpTestClient client = connect();
  client.ask("POST", kTask + ":cancel");
  EXPECT_THAT(client.get("/metrics").body,
              HasSubstr("ringmaster_http_requests_total{operation=\"cancel_task\",status=\"202\"} 1\n"));
}

}  // namespace
}  // namespace ringmaster
