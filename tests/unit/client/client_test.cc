// The client against fake masters over a real socket.
#include "client/client.h"

#include <atomic>
#include <future>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/client/fake_master.h"

namespace ringmaster {
namespace {

using testing::HasSubstr;

ClientOptions options_for(std::vector<std::string> addresses, const std::string& secret = {}) {
  ClientOptions options;
  options.addresses = std::move(addresses);
  options.secret = secret;
  return options;
}

TEST(Client, AsksAMasterWhoseNameItDoesNotKnow) {
  FakeMaster master(1, "secret");
  const auto client = Client::connect(options_for({master.address()}, "secret"));
  ASSERT_TRUE(client) << client.error().message;
  const auto submitted = (*client)->submit({{NewTask{}, NewTask{}}});
  ASSERT_TRUE(submitted) << submitted.error().message;
  EXPECT_THAT(submitted->ids, testing::ElementsAre(TaskId{1}, TaskId{1}));
  const auto missing = (*client)->get({TaskId{7}, Duration{0}, false});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::not_found);
}

TEST(Client, CancelsReleasesAndExplains) {
  FakeMaster master(1);
  master.answer_with([](const ApiRequest& request) -> std::optional<Result<ApiReply>> {
    if (const auto* control = std::get_if<ControlRequest>(&request)) {
      EXPECT_EQ(control->id, TaskId{7});
      EXPECT_FALSE(control->forwarded);
      const bool cancel = control->action == ControlAction::cancel;
      return ControlReply{cancel ? TaskState::cancelling : TaskState::ready};
    }
    if (const auto* explain = std::get_if<ExplainRequest>(&request)) {
      EXPECT_EQ(explain->id, TaskId{7});
      return ExplainReply{TaskState::delayed, {{"backoff", "attempt 2 waits"}, {"lane", "3 tasks"}}};
    }
    return std::nullopt;
  });
  const auto client = Client::connect(options_for({master.address()}));
  ASSERT_TRUE(client) << client.error().message;
  const auto cancelled = (*client)->control({TaskId{7}, ControlAction::cancel, false});
  ASSERT_TRUE(cancelled) << cancelled.error().message;
  EXPECT_EQ(cancelled->state, TaskState::cancelling);
  const auto released = (*client)->control({TaskId{7}, ControlAction::release, false});
  ASSERT_TRUE(released) << released.error().message;
  EXPECT_EQ(released->state, TaskState::ready);
  const auto explained = (*client)->explain({TaskId{7}, false});
  ASSERT_TRUE(explained) << explained.error().message;
  EXPECT_EQ(explained->state, TaskState::delayed);
  ASSERT_EQ(explained->reasons.size(), 2U);
  EXPECT_EQ(explained->reasons[0].code, "backoff");
  EXPECT_EQ(explained->reasons[0].text, "attempt 2 waits");
}

TEST(Client, ServesManyThreads) {
  FakeMaster master(1);
  const auto client = Client::connect(options_for({master.address()}));
  ASSERT_TRUE(client) << client.error().message;
  std::atomic<int> answered = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 50; ++j) answered += (*client)->masters().has_value() ? 1 : 0;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(answered, 200);
}

// Whoever waits runs the client's loop: answers come whoever that is, and one at a time.
TEST(Client, AnswersOneAtATimeWhoeverRunsItsLoop) {
  FakeMaster master(1);
  const auto client = Client::connect(options_for({master.address()}));
  ASSERT_TRUE(client) << client.error().message;
  constexpr int kCalls = 200;
  int answered = 0;  // by responders only: what a race would break
  std::atomic<bool> inside = false;
  std::promise<void> all;
  const auto call = [&] {
    (*client)->call(SubmitRequest{{NewTask{}}}, std::chrono::seconds(10), [&](Result<ApiReply> reply) {
      EXPECT_TRUE(reply);
      EXPECT_FALSE(inside.exchange(true)) << "two responders at once";
      if (++answered == 3 * kCalls) all.set_value();
      inside = false;
    });
  };
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 3; ++thread) {
      threads.emplace_back([&] {
        for (int i = 0; i < kCalls; ++i) {
          call();
          if (i % 3 == 0) {
            EXPECT_TRUE((*client)->submit({{NewTask{}}}));
          }
          if (i % 50 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(3));
        }
      });
    }
  }
  EXPECT_EQ(all.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
}

// After a pause the client's own thread runs the loop; before it, nobody does.
TEST(Client, AnswersAfterAPauseAndRightAfterACall) {
  FakeMaster master(1);
  const auto client = Client::connect(options_for({master.address()}));
  ASSERT_TRUE(client) << client.error().message;
  for (const int pause : {0, 1, 5, 0, 20}) {
    EXPECT_TRUE((*client)->submit({{NewTask{}}}));
    std::this_thread::sleep_for(std::chrono::milliseconds(pause));
    std::promise<bool> answered;
    (*client)->call(SubmitRequest{{NewTask{}}}, std::chrono::seconds(10),
                    [&](Result<ApiReply> reply) { answered.set_value(reply.has_value()); });
    EXPECT_TRUE(answered.get_future().get());
  }
}

TEST(Client, ConnectsToTheNextMasterWhenOneIsDown) {
  std::string dead;
  {
    FakeMaster gone(1);
    dead = gone.address();
  }
  FakeMaster alive(2);
  const auto client = Client::connect(options_for({dead, alive.address()}));
  ASSERT_TRUE(client) << client.error().message;
  EXPECT_EQ((*client)->submit({{NewTask{}}})->ids.front(), TaskId{2});
}

TEST(Client, GoesOnWithTheNextMasterWhenOneDies) {
  FakeMaster first(1);
  FakeMaster second(2);
  const auto client = Client::connect(options_for({first.address(), second.address()}));
  ASSERT_TRUE(client) << client.error().message;
  EXPECT_EQ((*client)->submit({{NewTask{}}})->ids.front(), TaskId{1});
  first.kill();
  ASSERT_TRUE((*client)->masters());  // a read that finds the channel dead is repeated
  const auto submitted = (*client)->submit({{NewTask{}}});
  ASSERT_TRUE(submitted) << submitted.error().message;
  EXPECT_EQ(submitted->ids.front(), TaskId{2});
}

TEST(Client, RepeatsAReadButNoSubmissionThatDiedWithItsMaster) {
  FakeMaster first(1);
  FakeMaster second(2);
  first.answer_nothing();
  const auto client = Client::connect(options_for({first.address(), second.address()}));
  ASSERT_TRUE(client) << client.error().message;
  auto submitted = std::async(std::launch::async, [&] { return (*client)->submit({{NewTask{}}}); });
  first.first_request().wait();
  first.kill();
  const auto outcome = submitted.get();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::unknown_outcome);
  EXPECT_THAT(outcome.error().message, HasSubstr(first.address()));
  ASSERT_TRUE((*client)->masters());
  EXPECT_EQ(second.requests(), 1);  // the read, not the submission
}

TEST(Client, SaysWhichAddressAndWhy) {
  std::string dead;
  {
    FakeMaster gone(1);
    dead = gone.address();
  }
  const auto client = Client::connect(options_for({dead}));
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, ErrorCode::unavailable);
  EXPECT_THAT(client.error().message, HasSubstr(dead + ": Connection refused"));
}

TEST(Client, SaysThatTheSecretIsWrong) {
  FakeMaster master(1, "secret");
  const auto client = Client::connect(options_for({master.address()}, "other"));
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, ErrorCode::unauthenticated);
  EXPECT_THAT(client.error().message, HasSubstr("secret"));
}

TEST(Client, ClosingAnswersWhatIsOpen) {
  FakeMaster master(1);
  master.answer_nothing();
  auto client = Client::connect(options_for({master.address()}));
  ASSERT_TRUE(client) << client.error().message;
  std::promise<Result<ApiReply>> answered;
  (*client)->call(MastersRequest{}, std::chrono::minutes(1),
                  [&](Result<ApiReply> answer) { answered.set_value(std::move(answer)); });
  master.first_request().wait();
  client->reset();
  const auto answer = answered.get_future().get();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::cancelled);
}

}  // namespace
}  // namespace ringmaster
