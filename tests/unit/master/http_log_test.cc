// What attempts write, over a real socket: pieces, and the stream that follows one.
#include <gmock/gmock.h>

#include "tests/unit/master/http_client.h"

namespace ringmaster {
namespace {

const std::string kLog = "/v1/tasks/" + to_string(TaskId{0x1200}) + "/log";

class HttpLogs : public HttpServerTest {
 protected:
  HttpLogs() {
    options_.follow.poll = std::chrono::milliseconds(5);
    options_.follow.patience = std::chrono::milliseconds(200);
  }
  static LogReply piece(std::string bytes, std::uint64_t next, bool over = false) {
    return {2, "w1", std::move(bytes), next, over};
  }
};

TEST_F(HttpLogs, FollowsAnAttemptUntilItIsOver) {
  service_.answer_next(fail(ErrorCode::unavailable, "attempt 2 has not started"));
  service_.answer_next(piece("one\n", 4));
  service_.answer_next(piece("", 4));
  service_.answer_next(fail(ErrorCode::unavailable, "the worker is out of reach"));
  service_.answer_next(piece("two\n", 8));
  service_.answer_next(piece("", 8, true));
  start();
  HttpTestClient client = connect();
  const HttpAnswer answer = client.get(kLog + "?follow=true");
  EXPECT_EQ(answer.status, 200U);
  EXPECT_EQ(answer.body, "one\ntwo\n");
  EXPECT_EQ(answer.header("Transfer-Encoding"), "chunked");
  EXPECT_EQ(answer.header("Ringmaster-Attempt"), "2");
  EXPECT_EQ(answer.header("Ringmaster-Worker"), "w1");
  const auto last = service_.last<LogRequest>();
  EXPECT_EQ(last.attempt, 2) << "that attempt, whatever runs afterwards";
  EXPECT_EQ(last.offset, 8U);
  EXPECT_EQ(client.get("/livez").status, 200U) << "the connection goes on";
}

TEST_F(HttpLogs, ARefusalBeforeTheFirstPieceIsAnOrdinaryReply) {
  service_.answer_next(fail(ErrorCode::not_found, "there is no such task"));
  start();
  HttpTestClient client = connect();
  EXPECT_EQ(client.get(kLog + "?follow=true").status, 404U);
  EXPECT_EQ(client.get("/livez").status, 200U);
}

TEST_F(HttpLogs, AnAttemptThatDoesNotStartIsNotWaitedForForEver) {
  for (int i = 0; i < 200; ++i) service_.answer_next(fail(ErrorCode::unavailable, "it has not started"));
  start();
  const HttpAnswer answer = connect().get(kLog + "?follow");
  EXPECT_EQ(answer.status, 503U);
  EXPECT_THAT(answer.body, testing::HasSubstr("it has not started"));
}

TEST_F(HttpLogs, AnAnswerThatNeverComesIsGivenUp) {
  options_.follow.answer_timeout = std::chrono::milliseconds(20);
  start();
  const HttpAnswer answer = connect().get(kLog + "?follow=true");
  EXPECT_EQ(answer.status, 504U);
  EXPECT_GT(service_.asked(), 1U) << "it is asked again for a while";
}

TEST_F(HttpLogs, AStopInTheMiddleOfAPieceEndsTheStream) {
  start();
  HttpTestClient client = connect();
  client.send("GET " + kLog + "?follow=true HTTP/1.1\r\nHost: test\r\n\r\n");
  // More than the socket takes while nobody reads.
  answer_later(service_.take_open(), piece(std::string(20'000'000, 'x'), 20'000'000));
  on_loop([&] { server_->stop(); });
  on_loop([] {});
  EXPECT_EQ(client.read().status, 0U);
}

TEST_F(HttpLogs, AStreamThatBreaksHasNoLastChunk) {
  service_.answer_next(piece("one\n", 4));
  service_.answer_next(fail(ErrorCode::not_found, "the log is gone"));
  start();
  HttpTestClient client = connect();
  EXPECT_EQ(client.get(kLog + "?follow=true").status, 0U) << "an incomplete message is no answer";
}

TEST_F(HttpLogs, AStreamSaysWhereItBeginsAndBreaksWhereBytesAreGone) {
  service_.answer_next(piece("later\n", 26));
  service_.answer_next(piece("", 26, true));
  start();
  HttpTestClient client = connect();
  EXPECT_EQ(client.get(kLog + "?follow=true&offset=3").header("Ringmaster-Offset"), "20");
  service_.answer_next(piece("one\n", 4));
  service_.answer_next(piece("three\n", 14, true));
  EXPECT_EQ(client.get(kLog + "?follow=true").status, 0U) << "what it missed cannot be told here";
}

TEST_F(HttpLogs, AClientThatGoesEndsItsStream) {
  for (int i = 0; i < 50; ++i) service_.answer_next(piece(i == 0 ? "one\n" : "", 4));
  start();
  {
    HttpTestClient client = connect();
    client.send("GET " + kLog + "?follow=true HTTP/1.1\r\nHost: test\r\n\r\n");
    const auto deadline = std::chrono::steady_clock::now() + kHttpTestDeadline;
    while (service_.asked() < 2 && std::chrono::steady_clock::now() < deadline) on_loop([] {});
  }
  const auto deadline = std::chrono::steady_clock::now() + kHttpTestDeadline;
  std::size_t open = 1;
  while (open > 0 && std::chrono::steady_clock::now() < deadline)
    on_loop([&] { open = server_->connections(); });
  EXPECT_EQ(open, 0U);
}

TEST_F(HttpLogs, WhatIsFollowedHasNoLimit) {
  start();
  const HttpAnswer answer = connect().get(kLog + "?follow=true&limit=10");
  EXPECT_EQ(answer.status, 400U);
  EXPECT_EQ(answer.json().at("field"), "limit");
}

}  // namespace
}  // namespace ringmaster
