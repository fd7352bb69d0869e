// Submissions over a real socket: batches with an outcome for each item, keys in flight.
#include <gmock/gmock.h>

#include "tests/unit/master/http_client.h"

namespace ringmaster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kJson = "Content-Type: application/json\r\n";

TEST_F(HttpServerTest, ABatchIsAnsweredItemByItem) {
  SubmitReply reply{{TaskId{256}, TaskId{}, TaskId{512}}};
  reply.refused.push_back({1, {ErrorCode::key_reused, "it belongs to another", "idempotency_key"}});
  service_.answer_next(reply);
  start();
  const HttpAnswer answer = connect().ask(
      "POST", "/v1/tasks:batch",
      R"([{"kind": "noop"}, {"prio": 1}, {"idempotency_key": "a"}, 7, {"priority": 12}, {"kind": "noop"}])",
      kJson);
  EXPECT_EQ(answer.status, 200U);
  const auto json = answer.json();
  EXPECT_EQ(json.at("accepted"), 2);
  EXPECT_EQ(json.at("refused"), 4);
  std::vector<std::string> items;
  for (const auto& item : json.at("items").as_array()) {
    const auto& object = item.as_object();
    const auto* error = object.if_contains("error");
    const auto& text = error == nullptr ? object.at("id") : error->at("code");
    items.emplace_back(text.as_string().c_str());
    if (error != nullptr && error->as_object().contains("field"))
      items.back() += std::string(" ") + error->at("field").as_string().c_str();
  }
  EXPECT_THAT(items,
              ElementsAre(to_string(TaskId{256}), "invalid_argument prio", "key_reused idempotency_key",
                          "invalid_argument", "invalid_argument priority", to_string(TaskId{512})));
  const auto request = service_.last<SubmitRequest>();
  EXPECT_TRUE(request.each);
  EXPECT_EQ(request.tasks.size(), 3U);
}

TEST_F(HttpServerTest, ABatchOfNothingButMistakesIsAnsweredItemByItemToo) {
  service_.answer_next(SubmitReply{});
  start();
  const HttpAnswer answer = connect().ask("POST", "/v1/tasks:batch", "[1, 2]", kJson);
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.json().at("refused"), 2);
}

TEST_F(HttpServerTest, ABatchThatIsNoArrayIsRefusedAsAWhole) {
  start();
  const HttpAnswer answer = connect().ask("POST", "/v1/tasks:batch", "{}", kJson);
  EXPECT_EQ(answer.status, 400U);
  EXPECT_THAT(answer.body, HasSubstr("The body is an array of tasks."));
}

TEST_F(HttpServerTest, ABatchMayBeRepeatedOnlyIfAllOfItHasKeys) {
  start();
  HttpTestClient client = connect();
  for (const auto& [body, repeatable] : {std::pair{R"([{"idempotency_key": "a"}, {}])", false},
                                         {R"([{"idempotency_key": "a"}, {"idempotency_key": "b"}])", true}}) {
    service_.answer_next(fail(ErrorCode::unknown_outcome, "it may have happened"));
    const HttpAnswer answer = client.ask("POST", "/v1/tasks:batch", body, kJson);
    EXPECT_EQ(answer.json().at("retryable"), repeatable) << body;
  }
}

TEST_F(HttpServerTest, TheHeadersKeyOfABatchCountsPositions) {
  service_.answer_next(SubmitReply{{TaskId{256}}});
  start();
  connect().ask("POST", "/v1/tasks:batch", "[7, {}]", std::string(kJson) + "Idempotency-Key: night\r\n");
  EXPECT_EQ(service_.last<SubmitRequest>().tasks.at(0).idempotency_key, "night/1");
}

TEST_F(HttpServerTest, AKeyInFlightIs409UntilItsAnswer) {
  start();
  const std::string keyed = std::string(kJson) + "Idempotency-Key: night\r\n";
  HttpTestClient first = connect(), second = connect();
  first.send("POST /v1/tasks HTTP/1.1\r\nHost: test\r\n" + keyed + "Content-Length: 2\r\n\r\n{}");
  ApiResponder respond = service_.take_open();
  ASSERT_TRUE(respond);
  const HttpAnswer refused = second.ask("POST", "/v1/tasks", "{}", keyed);
  EXPECT_EQ(refused.status, 409U);
  EXPECT_EQ(refused.json().at("code"), "key_in_flight");
  EXPECT_EQ(refused.json().at("retryable"), true);
  EXPECT_EQ(refused.header("Retry-After"), "1");
  answer_later(std::move(respond), SubmitReply{{TaskId{256}}});
  EXPECT_EQ(first.read().status, 201U);
  service_.answer_next(SubmitReply{{TaskId{256}}});
  EXPECT_EQ(second.ask("POST", "/v1/tasks", "{}", keyed).status, 201U);
}

TEST_F(HttpServerTest, AnotherNamespacesKeyIsAnotherKey) {
  start();
  const std::string keyed = std::string(kJson) + "Idempotency-Key: night\r\n";
  HttpTestClient first = connect(), second = connect();
  first.send("POST /v1/tasks HTTP/1.1\r\nHost: test\r\n" + keyed + "Content-Length: 2\r\n\r\n{}");
  ASSERT_TRUE(service_.take_open());
  service_.answer_next(SubmitReply{{TaskId{256}}});
  EXPECT_EQ(second.ask("POST", "/v1/tasks", R"({"namespace": "other"})", keyed).status, 201U);
}

}  // namespace
}  // namespace ringmaster
