// The connection: keep-alive, pipelining, bounds, time-outs, garbage, and an orderly stop.
#include <gmock/gmock.h>

#include "master/http_server.h"
#include "tests/unit/master/http_client.h"

namespace ringmaster {
namespace {

using std::chrono::milliseconds;

TEST_F(HttpServerTest, KeepsAConnectionForManyRequests) {
  start();
  HttpTestClient client = connect();
  for (int i = 0; i < 100; ++i) ASSERT_EQ(client.get("/livez").status, 200U) << i;
}

TEST_F(HttpServerTest, ClosesWhenAsked) {
  start();
  HttpTestClient client = connect();
  const HttpAnswer answer = client.ask("GET", "/livez", {}, "Connection: close\r\n");
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.header("Connection"), "close");
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpServerTest, AnswersHttp10AndCloses) {
  start();
  HttpTestClient client = connect();
  client.send("GET /livez HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.read().status, 200U);
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  service_.answer_next(WorkersReply{});
  service_.answer_next(MastersReply{});
  start();
  HttpTestClient client = connect();
  std::string text;
  for (const char* target : {"/v1/workers", "/livez", "/v1/masters", "/nowhere"}) {
    text += std::string("GET ") + target + " HTTP/1.1\r\nHost: t\r\n\r\n";
  }
  client.send(text);
  EXPECT_EQ(client.read().body, "{\"workers\":[]}\n");
  EXPECT_EQ(client.read().body, "ok\n");
  EXPECT_EQ(client.read().body, "{\"masters\":[]}\n");
  EXPECT_EQ(client.read().status, 404U);
}

TEST_F(HttpServerTest, WorksOnOnePipelinedRequestAtATime) {
  start();
  HttpTestClient client = connect();
  client.send("GET /v1/workers HTTP/1.1\r\nHost: t\r\n\r\nGET /v1/masters HTTP/1.1\r\nHost: t\r\n\r\n");
  ApiResponder first = service_.take_open();
  ASSERT_TRUE(first);
  EXPECT_EQ(connect().get("/livez").status, 200U);
  EXPECT_EQ(service_.asked(), 1U);
  service_.answer_next(MastersReply{});
  answer_later(std::move(first), WorkersReply{});
  EXPECT_EQ(client.read().body, "{\"workers\":[]}\n");
  EXPECT_EQ(client.read().body, "{\"masters\":[]}\n");
}

TEST_F(HttpServerTest, AnswersAClientThatHasFinishedSending) {
  service_.answer_next(WorkersReply{});
  start();
  HttpTestClient client = connect();
  client.send("GET /v1/workers HTTP/1.1\r\nHost: t\r\n\r\n");
  client.finish_sending();
  EXPECT_EQ(client.read().status, 200U);
}

TEST_F(HttpServerTest, HeadHasTheHeaderOnly) {
  start();
  HttpTestClient client = connect();
  const HttpAnswer answer = client.ask("HEAD", "/livez");
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.header("Content-Length"), "3");
  EXPECT_EQ(answer.body, "");
  EXPECT_EQ(client.get("/livez").body, "ok\n");  // no stray body in between
}

TEST_F(HttpServerTest, WrongMethodIsA405WithAllow) {
  start();
  HttpTestClient client = connect();
  const HttpAnswer answer = client.ask("DELETE", "/v1/workers");
  EXPECT_EQ(answer.status, 405U);
  EXPECT_EQ(answer.header("Allow"), "GET, HEAD");
  EXPECT_EQ(answer.json().at("code"), "method_not_allowed");
  EXPECT_EQ(client.get("/livez").status, 200U);
}

TEST_F(HttpServerTest, TakesTasksAsJsonOnly) {
  start();
  EXPECT_EQ(connect().post("{}", "text/plain").status, 415U);
  EXPECT_EQ(connect().post("{}", "application/jsonx").status, 415U);
  EXPECT_EQ(connect().ask("POST", "/v1/tasks", "{}").status, 415U);
  EXPECT_EQ(
      connect()
          .ask("POST", "/v1/tasks", "{}", "Content-Type: application/json\r\nContent-Encoding: gzip\r\n")
          .status,
      415U);
  service_.answer_next(SubmitReply{{TaskId{1}}});
  EXPECT_EQ(connect().post("{}", "Application/JSON; charset=utf-8").status, 201U);
}

TEST_F(HttpServerTest, RefusesALongBodyBeforeItArrives) {
  start();
  HttpTestClient client = connect();
  client.send(
      "POST /v1/tasks HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: "
      "4194305\r\n\r\n");
  const HttpAnswer answer = client.read();
  EXPECT_EQ(answer.status, 413U);
  EXPECT_EQ(answer.json().at("code"), "content_too_large");
  EXPECT_EQ(answer.json().at("title"), "Content Too Large");
}

TEST_F(HttpServerTest, DeliversTheRefusalToAClientThatIsStillSending) {
  options_.max_body_bytes = 1000;
  start();
  HttpTestClient client = connect();
  const HttpAnswer answer = client.post("[\"" + std::string(2'000'000, 'x') + "\"]");
  EXPECT_EQ(answer.status, 413U);
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpServerTest, BoundsAChunkedBodyToo) {
  options_.max_body_bytes = 1000;
  start();
  HttpTestClient client = connect();
  client.send(
      "POST /v1/tasks HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nTransfer-Encoding: "
      "chunked\r\n\r\n");
  client.send("7d0\r\n" + std::string(2000, ' ') + "\r\n0\r\n\r\n");
  EXPECT_EQ(client.read().status, 413U);
}

TEST_F(HttpServerTest, TakesABodyOfTheFullSize) {
  service_.answer_next(SubmitReply{{TaskId{1}}});
  start();
  const std::string task = R"({"kind":"noop"})";
  EXPECT_EQ(connect().post(task + std::string(4 * 1024 * 1024 - task.size(), ' ')).status, 201U);
}

TEST_F(HttpServerTest, BoundsTheHeader) {
  start();
  EXPECT_EQ(connect().ask("GET", "/livez", {}, "X: " + std::string(20'000, 'x') + "\r\n").status, 431U);
}

TEST_F(HttpServerTest, SaysContinueWhenAskedTo) {
  service_.answer_next(SubmitReply{{TaskId{1}}});
  start();
  HttpTestClient client = connect();
  const std::string header = "POST /v1/tasks HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n";
  client.send(header + "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read().status, 100U);
  client.send("{}");
  EXPECT_EQ(client.read().status, 201U);
  client.send(header + "Content-Length: 2\r\nExpect: tea\r\n\r\n");
  EXPECT_EQ(client.read().status, 417U);
}

TEST_F(HttpServerTest, AnswersGarbageWith400AndGoesOn) {
  start();
  for (const char* garbage :
       {"\x16\x03\x01\x02\x01\x01\xfc\x03\x03\r\n\r\n", "hello\r\n\r\n", "GET /livez HTTP/9.9\r\n\r\n",
        "GET /livez HTTP/1.1\r\nbad header\r\n\r\n", "GET /livez HTTP/1.1\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "POST /v1/tasks HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    HttpTestClient client = connect();
    client.send(garbage);
    const unsigned status = client.read().status;
    EXPECT_TRUE(status == 400U || status == 505U) << garbage << ": " << status;
  }
  EXPECT_EQ(connect().get("/livez").status, 200U);
}

TEST_F(HttpServerTest, GivesUpOnASlowHeader) {
  options_.header_timeout = milliseconds(100);
  start();
  HttpTestClient client = connect();
  client.send("GET /livez HT");
  const HttpAnswer answer = client.read();
  EXPECT_EQ(answer.status, 408U);
  EXPECT_EQ(answer.header("Connection"), "close");
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpServerTest, GivesUpOnASlowBody) {
  options_.body_timeout = milliseconds(100);
  start();
  HttpTestClient client = connect();
  client.send(
      "POST /v1/tasks HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{");
  EXPECT_EQ(client.read().status, 408U);
}

TEST_F(HttpServerTest, ClosesSilentConnections) {
  options_.header_timeout = milliseconds(100);
  start();
  HttpTestClient client = connect();
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpServerTest, ClosesIdleConnections) {
  options_.idle_timeout = milliseconds(100);
  start();
  HttpTestClient client = connect();
  EXPECT_EQ(client.get("/livez").status, 200U);
  EXPECT_TRUE(client.closed());
}

TEST_F(HttpServerTest, GivesUpOnASlowServiceAndDropsItsLateAnswer) {
  options_.answer_timeout = milliseconds(100);
  start();
  HttpTestClient client = connect();
  const HttpAnswer answer = client.get("/v1/workers");
  EXPECT_EQ(answer.status, 504U);
  EXPECT_EQ(answer.json().at("code"), "deadline_exceeded");
  ApiResponder late = service_.take_open();
  client.send("GET /v1/masters HTTP/1.1\r\nHost: t\r\n\r\n");
  ApiResponder current = service_.take_open();
  ASSERT_TRUE(late && current);
  answer_later(std::move(late), WorkersReply{});
  answer_later(std::move(current), MastersReply{});
  EXPECT_EQ(client.read().body, "{\"masters\":[]}\n");
}

TEST_F(HttpServerTest, RefusesConnectionsBeyondItsBound) {
  options_.max_connections = 2;
  start();
  HttpTestClient first = connect();
  EXPECT_EQ(first.get("/livez").status, 200U);
  {
    HttpTestClient second = connect();
    EXPECT_EQ(second.get("/livez").status, 200U);
    HttpTestClient third = connect();
    const HttpAnswer answer = third.read();
    EXPECT_EQ(answer.status, 503U);
    EXPECT_NE(answer.header("Retry-After"), "");
    EXPECT_EQ(first.get("/livez").status, 200U);
  }
  // Once the others have been noticed to be gone there is room again.
  const auto give_up = std::chrono::steady_clock::now() + kHttpTestDeadline;
  unsigned status = 0;
  while (status != 200U && std::chrono::steady_clock::now() < give_up)
    status = connect().get("/livez").status;
  EXPECT_EQ(status, 200U);
}

TEST_F(HttpServerTest, AnswersWhatIsInWorkWhenItStops) {
  start();
  HttpTestClient idle = connect();
  EXPECT_EQ(idle.get("/livez").status, 200U);
  HttpTestClient busy = connect();
  busy.send("GET /v1/workers HTTP/1.1\r\nHost: t\r\n\r\n");
  ApiResponder respond = service_.take_open();
  ASSERT_TRUE(respond);
  on_loop([&] { server_->stop(); });
  EXPECT_TRUE(idle.closed());
  answer_later(std::move(respond), WorkersReply{});
  const HttpAnswer answer = busy.read();
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.header("Connection"), "close");
  EXPECT_TRUE(busy.closed());
  EXPECT_THROW(connect(), boost::system::system_error);
}

TEST_F(HttpServerTest, MayBeDestroyedWithRequestsInWork) {
  start();
  HttpTestClient client = connect();
  client.send("GET /v1/workers HTTP/1.1\r\nHost: t\r\n\r\n");
  ApiResponder respond = service_.take_open();
  ASSERT_TRUE(respond);
  on_loop([&] { server_.reset(); });
  answer_later(std::move(respond), WorkersReply{});
  EXPECT_TRUE(client.closed());
}

TEST(HttpServer, SaysWhyItCannotListen) {
  AsioLoop loop;
  Metrics metrics;
  ScriptedService service;
  HttpServer first(loop, service, {}, metrics);
  ASSERT_TRUE(first.listen("127.0.0.1:0"));
  HttpServer second(loop, service, {}, metrics);
  const auto taken = second.listen(first.bound_address());
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, ErrorCode::unavailable);
  EXPECT_THAT(taken.error().message, testing::HasSubstr(first.bound_address()));
  for (const char* bad :
       {"", "7480", ":7480", "127.0.0.1:", "127.0.0.1:x", "example.org:80", "127.0.0.1:70000"}) {
    const auto refused = HttpServer(loop, service, {}, metrics).listen(bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument) << bad;
  }
}

}  // namespace
}  // namespace ringmaster
