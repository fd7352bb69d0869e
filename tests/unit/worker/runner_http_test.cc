#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/worker/http_fixture.h"

namespace ringmaster {
namespace {

using testing::ElementsAre;
using testing::EndsWith;

// ---- what is sent -----------------------------------------------------------------------------------------

TEST_F(HttpRunnerPlain, SendsAGetThatSaysWhoAsks) {
  server_.answer = http_answer("200 OK", "fine");
  traceparent_ = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  start(token_of(5, 3), spec_of(server_.url("/a?b=%20c")));
  const auto result = result_of(token_of(5, 3));
  EXPECT_EQ(result.outcome, Outcome::succeeded) << result.message;
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.message, "");
  EXPECT_EQ(result.output_tail, "fine");
  EXPECT_GT(result.started_at, WallTime{});
  EXPECT_GE(result.finished_at, result.started_at);
  EXPECT_THAT(handler_.started, ElementsAre(token_of(5, 3)));

  ASSERT_EQ(server_.requests.size(), 1U);
  const auto task = to_string(token_of(5, 3).task);
  std::vector<std::string> lines;
  for (const auto& field : server_.requests[0])
    lines.push_back(std::string(field.name_string()) + ": " + std::string(field.value()));
  EXPECT_EQ(server_.requests[0].method_string(), "GET");
  EXPECT_EQ(server_.requests[0].target(), "/a?b=%20c");
  EXPECT_EQ(server_.requests[0].body(), "");
  EXPECT_THAT(lines, testing::UnorderedElementsAre(
                         "Host: " + server_.address(), "User-Agent: ringworker/" RINGMASTER_VERSION,
                         "Ringmaster-Task-Id: " + task, "Ringmaster-Attempt: 3", "Ringmaster-Fence: 7.3",
                         "Idempotency-Key: " + task, "traceparent: " + traceparent_, "Connection: close"));
}

TEST_F(HttpRunnerPlain, SendsMethodHeadersAndBody) {
  EXPECT_EQ(
      get_answered(http_answer("200 OK"), R"(,"method":"PUT","headers":{"X-A":"1"},"body":"a\nb")").outcome,
      Outcome::succeeded);
  EXPECT_EQ(server_.requests.at(0).method_string(), "PUT");
  EXPECT_EQ(server_.requests[0].body(), "a\nb");
  EXPECT_EQ(header("Content-Length"), "3");
  EXPECT_EQ(header("X-A"), "1");
  EXPECT_EQ(server_.requests[0].count("Content-Type"), 0U);
}

TEST_F(HttpRunnerPlain, SendsJsonAsJson) {
  get_answered(http_answer("200 OK"), R"(,"method":"POST","body":{"a":[1]})");
  EXPECT_EQ(server_.requests.at(0).body(), R"({"a":[1]})");
  EXPECT_EQ(header("Content-Type"), "application/json");
}

TEST_F(HttpRunnerPlain, LeavesTheHeadersOfTheSpecAlone) {
  traceparent_ = "00-own";
  get_answered(http_answer("200 OK"), R"(,"body":[],"headers":{"content-type":"application/cbor",
      "idempotency-key":"mine","user-agent":"me","Traceparent":"00-mine"})");
  EXPECT_EQ(header("Content-Type"), "application/cbor");
  EXPECT_EQ(header("Idempotency-Key"), "mine");
  EXPECT_EQ(header("User-Agent"), "me");
  EXPECT_EQ(header("traceparent"), "00-mine");
  for (const auto* name : {"Content-Type", "Idempotency-Key", "User-Agent", "traceparent"})
    EXPECT_EQ(server_.requests[0].count(name), 1U) << name;
}

TEST_F(HttpRunnerPlain, SaysThatThereIsNoBodyWhereOneIsUsual) {
  server_.answer = http_answer("200 OK");
  for (const auto& [method, length] :
       {std::pair("POST", "0"), {"PUT", "0"}, {"PATCH", "0"}, {"GET", ""}, {"DELETE", ""}}) {
    server_.requests.clear();
    get(R"(,"method":")" + std::string(method) + "\"");
    EXPECT_EQ(header("Content-Length"), length) << method;
  }
}

TEST_F(HttpRunnerPlain, SendsNoTraceThatWouldBeAHeaderOfItsOwn) {
  traceparent_ = "00\r\nX-Evil: 1";
  get_answered(http_answer("200 OK"));
  EXPECT_EQ(server_.requests.at(0).count("traceparent"), 0U);
  EXPECT_EQ(server_.requests[0].count("X-Evil"), 0U);
}

TEST_F(HttpRunnerPlain, SendsTheLargestBodyThereCanBe) {
  const std::string body(kMaxSpecBytes - 200, 'x');
  EXPECT_EQ(get_answered(http_answer("200 OK"), R"(,"method":"POST","body":")" + body + "\"").message, "");
  EXPECT_EQ(server_.requests.at(0).body(), body);
}

// ---- what comes back --------------------------------------------------------------------------------------

TEST_F(HttpRunnerPlain, FailsWithTheStatusThatIsNotExpectedAndKeepsItsBody) {
  const auto result = get_answered(http_answer("503 Go Away", "why"));
  expect_failed(result, 503, "HTTP 503 Service Unavailable");
  EXPECT_EQ(result.output_tail, "why");
  expect_failed(get_answered(http_answer("404 Not Found")), 404, "HTTP 404 Not Found");
  expect_failed(get_answered(http_answer("299 Odd"), R"(,"expected_status":[200])"), 299, "HTTP 299");
}

TEST_F(HttpRunnerPlain, SucceedsWithTheStatusThatIsExpected) {
  const auto result = get_answered(http_answer("404 Not Found", "gone"), R"(,"expected_status":["2xx",404])");
  EXPECT_EQ(result.outcome, Outcome::succeeded);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.output_tail, "gone");
}

TEST_F(HttpRunnerPlain, DoesNotFollowARedirect) {
  expect_failed(get_answered(http_answer("302 Found\r\nLocation: " + server_.url("/there"))), 302,
                "HTTP 302 Found");
  EXPECT_EQ(server_.requests.size(), 1U);
}

TEST_F(HttpRunnerPlain, WaitsForTheAnswerBehindInterimOnes) {
  const auto result =
      get_answered("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" +
                   http_answer("201 Created", "done"));
  EXPECT_EQ(result.outcome, Outcome::succeeded) << result.message;
  EXPECT_EQ(result.output_tail, "done");
}

TEST_F(HttpRunnerPlain, GivesUpAServerThatSendsNothingButInterimAnswers) {
  std::string answers;
  for (int i = 0; i < 100; ++i) answers += "HTTP/1.1 100 Continue\r\n\r\n";
  expect_failed(get_answered(answers), 0,
                server_.address() + " does not answer in HTTP/1.1 (bad status); check scheme and port");
}

TEST_F(HttpRunnerPlain, ReadsChunks) {
  const auto result = get_answered(
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nHello\r\n8\r\n, world!\r\n0\r\nT: "
      "1\r\n\r\n");
  EXPECT_EQ(result.outcome, Outcome::succeeded) << result.message;
  EXPECT_EQ(result.output_tail, "Hello, world!");
}

TEST_F(HttpRunnerPlain, ReadsToTheEndOfTheConnectionWhereThereIsNoLength) {
  const auto result = get_answered("HTTP/1.0 200 OK\r\n\r\n" + std::string(100'000, 'x') + "end");
  EXPECT_EQ(result.outcome, Outcome::succeeded) << result.message;
  EXPECT_THAT(result.output_tail, EndsWith("xend"));
}

TEST_F(HttpRunnerPlain, NeedsNoMoreThanTheAnswer) {
  server_.closes = false;
  EXPECT_EQ(get_answered(http_answer("200 OK", "x")).outcome, Outcome::succeeded);
  EXPECT_EQ(get_answered("HTTP/1.1 204 No Content\r\n\r\n").outcome, Outcome::succeeded);
  EXPECT_TRUE(run_until([&] { return server_.closed_by_client == 2; }));
}

TEST_F(HttpRunnerPlain, ExpectsNoBodyOfAHead) {
  server_.closes = false;
  const auto result =
      get_answered("HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n", R"(,"method":"HEAD")");
  EXPECT_EQ(result.outcome, Outcome::succeeded) << result.message;
  EXPECT_EQ(result.output_tail, "");
}

TEST_F(HttpRunnerPlain, KeepsTheTailOfALargeBodyAndAllOfItInTheLog) {
  std::string body;
  for (int i = 0; i < 50'000; ++i) body += std::to_string(i) + "\n";
  for (const int header : {0, 30'000}) {  // a long one makes the reads after it longer
    const Token token = token_of(1 + header);
    server_.answer = http_answer("200 OK\r\nX: " + std::string(static_cast<std::size_t>(header), 'x'), body);
    start(token, spec_of(server_.url()));
    EXPECT_EQ(result_of(token).output_tail, body.substr(body.size() - kMaxOutputTail));
    EXPECT_TRUE(contents(log_of(token)) == body);
  }
}

TEST_F(HttpRunnerPlain, LogsNoMoreThanItMay) {
  options_.log_limit = 3;
  server_.answer = http_answer("200 OK", "abcdef");
  start(token_of(1), spec_of(server_.url()));
  EXPECT_EQ(result_of(token_of(1)).output_tail, "abcdef");
  EXPECT_EQ(contents(log_of(token_of(1))), "[output from byte 00000000000000000003]\ndef");
}

TEST_F(HttpRunnerPlain, ALogThatCannotBeMadeCostsOnlyTheLog) {
  make_runner();
  std::filesystem::remove(directory_.path());
  const auto result = get_answered(http_answer("200 OK", "x"));
  EXPECT_EQ(result.outcome, Outcome::succeeded);
  EXPECT_EQ(result.output_tail, "x");
}

TEST_F(HttpRunnerPlain, FailsWithABodyOverTheCapHoweverItComes) {
  options_.max_body_bytes = 10;
  const std::string why = "HTTP 200 OK, but the body is larger than 10 bytes";
  expect_failed(get_answered(http_answer("200 OK", "01234567890")), 200, why);
  expect_failed(
      get_answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n6\r\nabcdef\r\n"), 200,
      why);
  expect_failed(get_answered("HTTP/1.0 200 OK\r\n\r\n01234567890"), 200, why);
  EXPECT_EQ(get_answered(http_answer("200 OK", "0123456789")).output_tail, "0123456789");
}

}  // namespace
}  // namespace ringmaster
