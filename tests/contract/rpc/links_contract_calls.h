// The part of the Links contract that is about calls; included by links_contract.h, which says how to use it.
#pragma once

#include <vector>

#include "tests/contract/rpc/links_contract.h"

namespace ringmaster {

struct CallOutcome {
  int answers = 0;
  Result<ApiReply> reply = fail(ErrorCode::internal, "not answered");
  ApiResponder responder() {
    return [this](Result<ApiReply> r) {
      ++answers;
      reply = std::move(r);
    };
  }
  ErrorCode error() const { return reply ? ErrorCode::internal : reply.error().code; }
};

TEST_P(LinksContract, ACallGetsItsReply) {
  connect();
  worker->on_request_do = [](LinkId, ApiRequest request, ApiResponder respond) {
    SubmitReply reply;
    for (const auto& task : std::get<SubmitRequest>(request).tasks)
      reply.ids.push_back(TaskId{task.priority});
    respond(reply);
  };
  SubmitRequest request;
  request.tasks.resize(2);
  request.tasks[1].priority = 9;
  CallOutcome outcome;
  master->call(master->link(), request, kSoon, outcome.responder());
  ASSERT_TRUE(until([&] { return outcome.answers > 0; }));
  ASSERT_TRUE(outcome.reply.has_value());
  EXPECT_THAT(std::get<SubmitReply>(*outcome.reply).ids, testing::ElementsAre(TaskId{5}, TaskId{9}));
}

TEST_P(LinksContract, CallsWorkFromTheAcceptedEndToo) {
  connect();
  master->on_request_do = [](LinkId, ApiRequest, ApiResponder respond) { respond(MastersReply{}); };
  CallOutcome outcome;
  worker->call(worker->link(), MastersRequest{}, kSoon, outcome.responder());
  ASSERT_TRUE(until([&] { return outcome.answers > 0; }));
  EXPECT_TRUE(outcome.reply.has_value());
}

TEST_P(LinksContract, AnErrorComesBackWithAllItsParts) {
  connect();
  worker->on_request_do = [](LinkId, ApiRequest, ApiResponder respond) {
    respond(fail(ErrorCode::not_found, "no such task", "id"));
  };
  CallOutcome outcome;
  master->call(master->link(), GetRequest{}, kSoon, outcome.responder());
  ASSERT_TRUE(until([&] { return outcome.answers > 0; }));
  ASSERT_FALSE(outcome.reply.has_value());
  EXPECT_EQ(outcome.reply.error().code, ErrorCode::not_found);
  EXPECT_EQ(outcome.reply.error().message, "no such task");
  EXPECT_EQ(outcome.reply.error().field, "id");
}

TEST_P(LinksContract, RepliesMayComeLateAndInAnyOrder) {
  connect();
  std::vector<ApiResponder> waiting;
  worker->on_request_do = [&](LinkId, ApiRequest, ApiResponder respond) {
    waiting.push_back(std::move(respond));
  };
  CallOutcome first, second;
  master->call(master->link(), GetRequest{}, kSoon, first.responder());
  master->call(master->link(), ClusterRequest{}, kSoon, second.responder());
  ASSERT_TRUE(until([&] { return waiting.size() == 2; }));
  waiting[1](ClusterReply{});
  ASSERT_TRUE(until([&] { return second.answers == 1; }));
  EXPECT_EQ(first.answers, 0);
  waiting[0](GetReply{});
  ASSERT_TRUE(until([&] { return first.answers == 1; }));
  EXPECT_TRUE(std::holds_alternative<GetReply>(*first.reply));
}

TEST_P(LinksContract, ADeadlineAnswersACallOnce) {
  connect();
  std::vector<ApiResponder> waiting;
  worker->on_request_do = [&](LinkId, ApiRequest, ApiResponder respond) {
    waiting.push_back(std::move(respond));
  };
  CallOutcome outcome;
  master->call(master->link(), GetRequest{}, std::chrono::milliseconds(50), outcome.responder());
  ASSERT_TRUE(until([&] { return outcome.answers == 1; }));
  EXPECT_EQ(outcome.error(), ErrorCode::deadline_exceeded);
  ASSERT_EQ(waiting.size(), 1u);
  waiting[0](GetReply{});
  settle();
  EXPECT_EQ(outcome.answers, 1);
}

TEST_P(LinksContract, ACallOnALinkThatIsGoneIsUnavailable) {
  connect();
  const LinkId link = master->link();
  master->close(link, "enough");
  CallOutcome closed, unknown;
  master->call(link, GetRequest{}, kSoon, closed.responder());
  master->call(4711, GetRequest{}, kSoon, unknown.responder());
  EXPECT_EQ(closed.answers + unknown.answers, 0) << "an answer inside the call";
  ASSERT_TRUE(until([&] { return closed.answers == 1 && unknown.answers == 1; }));
  EXPECT_EQ(closed.error(), ErrorCode::unavailable);
  EXPECT_EQ(unknown.error(), ErrorCode::unavailable);
}

TEST_P(LinksContract, ACallWhoseLinkGoesDownHasAnUnknownOutcome) {
  connect();
  std::vector<ApiResponder> waiting;
  worker->on_request_do = [&](LinkId, ApiRequest, ApiResponder respond) {
    waiting.push_back(std::move(respond));
  };
  CallOutcome outcome;
  master->call(master->link(), GetRequest{}, kSoon, outcome.responder());
  ASSERT_TRUE(until([&] { return waiting.size() == 1; }));
  worker->close(worker->link(), "enough");
  ASSERT_TRUE(until([&] { return outcome.answers == 1; }));
  EXPECT_EQ(outcome.error(), ErrorCode::unknown_outcome);
  waiting[0](GetReply{});  // to a link that has gone: dropped, even though the peer is back
  settle();
  EXPECT_EQ(outcome.answers, 1);
}

TEST_P(LinksContract, ARequestAboveTheBoundIsTheCallersFault) {
  connect();
  SubmitRequest request;
  request.tasks.resize(1);
  request.tasks[0].spec.assign(4 * 1024 * 1024 + 1, 'x');
  CallOutcome outcome;
  master->call(master->link(), request, kSoon, outcome.responder());
  ASSERT_TRUE(until([&] { return outcome.answers == 1; }));
  EXPECT_EQ(outcome.error(), ErrorCode::invalid_argument);
  EXPECT_EQ(master->links_up(), 1u);
}

TEST_P(LinksContract, AReplyAboveTheBoundBecomesAnError) {
  connect();
  worker->on_request_do = [](LinkId, ApiRequest, ApiResponder respond) {
    ClusterReply reply;
    reply.store_id.assign(4 * 1024 * 1024 + 1, 'x');
    respond(reply);
  };
  CallOutcome outcome;
  master->call(master->link(), ClusterRequest{}, kSoon, outcome.responder());
  ASSERT_TRUE(until([&] { return outcome.answers == 1; }));
  EXPECT_EQ(outcome.error(), ErrorCode::resource_exhausted);
  EXPECT_EQ(master->links_up(), 1u);
}

TEST_P(LinksContract, ADroppedRequestIsAnsweredForItsServer) {
  connect();
  worker->on_request_do = [](LinkId, ApiRequest, ApiResponder) {};
  CallOutcome outcome;
  master->call(master->link(), GetRequest{}, kSoon, outcome.responder());
  ASSERT_TRUE(until([&] { return outcome.answers == 1; }));
  EXPECT_EQ(outcome.error(), ErrorCode::internal);
}

}  // namespace ringmaster
