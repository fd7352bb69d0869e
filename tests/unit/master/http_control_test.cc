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
