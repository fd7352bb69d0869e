#include "ringmaster/client.h"

#include <atomic>
#include <chrono>
#include <thread>

#include <gmock/gmock.h>

#include "tests/unit/client/fake_master.h"

namespace ringmaster::sdk {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

Client connect(const FakeMaster& master) {
  auto client = Client::connect({.addresses = {master.address()}, .timeout = seconds(20)});
  if (!client) throw std::runtime_error(client.error().message);
  return *std::move(client);
}

NewTask keyed(const std::string& key) {
  NewTask task;
  task.idempotency_key = key;
  return task;
}

// Unknown for so many requests, then the ids 1, 2, …
FakeMaster::Script unknown_at_first(int times) {
  return [times](const ApiRequest& request) mutable -> std::optional<ringmaster::Result<ApiReply>> {
    if (times-- > 0) return fail(ringmaster::ErrorCode::unknown_outcome, "the database was gone");
    SubmitReply reply;
    for (std::size_t i = 1; i <= std::get<SubmitRequest>(request).tasks.size(); ++i)
      reply.ids.push_back(ringmaster::TaskId{static_cast<std::int64_t>(i)});
    return reply;
  };
}

TEST(SdkClients, WithoutAnAddressSayWhatIsMissing) {
  const auto client = Client::connect({});
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, ErrorCode::invalid_argument);
  EXPECT_EQ(client.error().field, "addresses");
}

TEST(SdkClients, ASubmissionOfUnknownFateIsNotRepeatedWithoutAKey) {
  FakeMaster master(1);
  master.answer_with(unknown_at_first(1));
  Client client = connect(master);
  const auto id = client.submit(NewTask{});
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().code, ErrorCode::unknown_outcome);
  EXPECT_EQ(master.requests(), 1);
}

TEST(SdkClients, ASubmissionOfUnknownFateIsRepeatedIfEachTaskHasAKey) {
  FakeMaster master(1);
  master.answer_with(unknown_at_first(2));
  Client client = connect(master);
  const auto ids = client.submit_batch({keyed("a"), keyed("b")});
  ASSERT_TRUE(ids) << ids.error().message;
  EXPECT_THAT(*ids, ElementsAre(TaskId::from_number(1), TaskId::from_number(2)));
  EXPECT_EQ(master.requests(), 3);
}

TEST(SdkClients, WhatIsUnavailableForTheMomentIsAskedAgainUntilTheTimeIsUp) {
  FakeMaster master(1);
  master.answer_with(
      [unavailable = 0](const ApiRequest& request) mutable -> std::optional<ringmaster::Result<ApiReply>> {
        if (std::holds_alternative<SubmitRequest>(request) && ++unavailable > 2)
          return SubmitReply{{ringmaster::TaskId{1}}, {}};
        return fail(ringmaster::ErrorCode::unavailable, "starting");
      });
  Client client = connect(master);
  EXPECT_TRUE(client.submit(NewTask{}));
  EXPECT_EQ(master.requests(), 3);
  const auto view = client.wait(TaskId::from_number(1), milliseconds(250));
  ASSERT_FALSE(view);
  EXPECT_EQ(view.error().code, ErrorCode::unavailable);
  EXPECT_GT(master.requests(), 4);
  const int before = master.requests();
  EXPECT_FALSE(client.get(TaskId::from_number(1)));
  EXPECT_EQ(master.requests(), before + 1);
}

TEST(SdkClients, EveryFieldOfATaskArrives) {
  FakeMaster master(1);
  std::promise<ringmaster::NewTask> promise;
  master.answer_with([&](const ApiRequest& request) -> std::optional<ringmaster::Result<ApiReply>> {
    promise.set_value(std::get<SubmitRequest>(request).tasks.at(0));
    return SubmitReply{{ringmaster::TaskId{1}}, {}};
  });
  Client client = connect(master);
  NewTask task;
  task.kind = "k";
  task.spec = R"({"a":1})";
  task.group = "g";
  task.name_space = "n";
  task.routing_key = "r";
  task.routing = Routing::strict;
  task.priority = 8;
  task.run_at = Time{seconds(1'800'000'000)};
  task.timeout = seconds(7);
  task.start_deadline = seconds(9);
  task.retry = {4, seconds(2), 3.0, seconds(60)};
  task.on_worker_lost = OnWorkerLost::fail;
  task.labels = R"({"l":"m"})";
  task.traceparent = "t";
  task.created_by = "me";
  task.idempotency_key = "key";
  ASSERT_TRUE(client.submit(task));
  const ringmaster::NewTask got = promise.get_future().get();
  EXPECT_EQ(got.kind + got.spec + got.group + got.ns + got.routing_key, R"(k{"a":1}gnr)");
  EXPECT_EQ(got.routing, ringmaster::Routing::strict);
  EXPECT_EQ(got.priority, 8);
  EXPECT_EQ(got.run_at, task.run_at);
  EXPECT_EQ(got.timeout, seconds(7));
  EXPECT_EQ(got.start_deadline, seconds(9));
  EXPECT_EQ(got.retry, (ringmaster::RetryPolicy{4, seconds(2), 3.0, seconds(60)}));
  EXPECT_EQ(got.on_worker_lost, ringmaster::OnWorkerLost::fail);
  EXPECT_EQ(got.labels + got.traceparent + got.created_by + got.idempotency_key, R"({"l":"m"}tmekey)");
}

TEST(SdkClients, AWaitAsksAgainUntilTheTaskHasEndedAndShowsAllOfIt) {
  FakeMaster master(1);
  master.answer_with(
      [asked = 0](const ApiRequest& request) mutable -> std::optional<ringmaster::Result<ApiReply>> {
        GetReply reply;
        reply.view.row.id = std::get<GetRequest>(request).id;
        reply.view.row.attempt = 2;
        reply.view.row.epoch = 5;
        reply.view.row.worker = "w";
        reply.view.row.state = ++asked < 3 ? ringmaster::TaskState::running : ringmaster::TaskState::failed;
        reply.view.progress = ringmaster::Progress{0.5, "half", {}};
        if (asked == 3) {
          reply.view.result.emplace();
          reply.view.result->outcome = ringmaster::Outcome::failed;
          reply.view.result->message = "why";
          reply.view.attempts.push_back({1, 4, "v", {}});
          reply.view.attempts[0].result.outcome = ringmaster::Outcome::released;
        }
        return reply;
      });
  Client client = connect(master);
  const auto view = client.wait(TaskId::from_number(77), seconds(60));
  ASSERT_TRUE(view) << view.error().message;
  EXPECT_EQ(master.requests(), 3);
  EXPECT_EQ(view->id.number(), 77);
  EXPECT_EQ(view->state, TaskState::failed);
  ASSERT_TRUE(view->result);
  EXPECT_EQ(view->result->message, "why");
  EXPECT_EQ(view->result->attempt, 2);
  EXPECT_EQ(view->result->epoch, 5);
  ASSERT_EQ(view->earlier.size(), 1U);
  EXPECT_EQ(view->earlier[0].outcome, Outcome::released);
  EXPECT_EQ(view->earlier[0].worker, "v");
  ASSERT_TRUE(view->progress);
  EXPECT_EQ(view->progress->message, "half");
  EXPECT_THROW(view->result_as<std::string>(), std::logic_error);
}

TEST(SdkClients, AWaitWhoseTimeIsUpShowsTheTaskAsItIs) {
  FakeMaster master(1);
  master.answer_with([](const ApiRequest&) -> std::optional<ringmaster::Result<ApiReply>> {
    GetReply reply;
    reply.view.row.state = ringmaster::TaskState::ready;
    return reply;
  });
  Client client = connect(master);
  const auto view = client.wait(TaskId::from_number(1), milliseconds(50));
  ASSERT_TRUE(view) << view.error().message;
  EXPECT_EQ(view->state, TaskState::ready);
}

TEST(SdkClients, WaitingForManyNamesTheOneThatIsUnknown) {
  FakeMaster master(1);
  master.answer_with([](const ApiRequest& request) -> std::optional<ringmaster::Result<ApiReply>> {
    WaitReply reply;
    for (const auto id : std::get<WaitRequest>(request).ids)
      reply.items.push_back({id, id.value != 2, ringmaster::TaskState::succeeded, 0, "w"});
    return reply;
  });
  Client client = connect(master);
  const std::vector<TaskId> known{TaskId::from_number(1)};
  EXPECT_THAT(client.wait_all(known, seconds(1)).value(), ElementsAre(TaskState::succeeded));
  const std::vector<TaskId> ids{TaskId::from_number(1), TaskId::from_number(2)};
  const auto states = client.wait_all(ids, seconds(1));
  ASSERT_FALSE(states);
  EXPECT_EQ(states.error().code, ErrorCode::not_found);
  EXPECT_THAT(states.error().message, HasSubstr(ids[1].text()));
  EXPECT_TRUE(client.wait_all({}, seconds(1)).value().empty());
}

TEST(SdkClients, MayBeUsedFromSeveralThreads) {
  FakeMaster master(1);
  Client client = connect(master);
  std::atomic<int> answered = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int n = 0; n < 50; ++n) answered += client.submit(NewTask{}).has_value();
      });
    }
  }
  EXPECT_EQ(answered, 200);
}

TEST(TaskIds, ComeBackFromTheirTextAndRefuseOthers) {
  const TaskId id = TaskId::from_number(0x1234);
  EXPECT_EQ(TaskId::parse(id.text()), id);
  const auto bad = TaskId::parse("task_!");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace ringmaster::sdk
