#include "client/failover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/manual_loop.h"

namespace ringmaster {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

// Records what is dialled and called; the test plays the network.
class FakeLinks final : public Links {
 public:
  void dial(Role, const std::string& node_id, const std::string& address) override {
    EXPECT_EQ(node_id, "");
    dialled.push_back(address);
  }
  void undial(Role, const std::string&) override {}
  bool send(LinkId, Message) override { return false; }
  void call(LinkId link, ApiRequest request, Duration timeout, ApiResponder respond) override {
    calls.push_back({link, std::move(request), timeout, std::move(respond)});
  }
  void close(LinkId, const std::string&) override {}

  struct Call {
    LinkId link;
    ApiRequest request;
    Duration timeout;
    ApiResponder respond;
  };
  std::vector<std::string> dialled;
  std::vector<Call> calls;
};

class FailoverTest : public testing::Test {
 protected:
  void start(std::vector<std::string> addresses) {
    failover_ = std::make_unique<Failover>(loop_, std::move(addresses));
    failover_->start(links_, [this](Result<> first) { first_ = std::move(first); });
  }
  void refuse(const std::string& reason, DialError error = DialError::refused) {
    failover_->on_dial_failed(Role::master, {}, error, reason);
  }
  void up(LinkId link) { failover_->on_link_up(link, {Role::master, "m", {}, {}, true}); }
  void down(LinkId link) { failover_->on_link_down(link, {Role::master, "m", {}, {}, true}, "reset"); }
  void call(ApiRequest request) {
    failover_->call(std::move(request), seconds(10),
                    [this](Result<ApiReply> answer) { answers_.push_back(answer); });
  }
  void answer(std::size_t call, Result<ApiReply> reply) {
    links_.calls.at(call).respond(std::move(reply));
    loop_.run_ready();
  }

  ManualLoop loop_;
  FakeLinks links_;
  std::unique_ptr<Failover> failover_;
  std::optional<Result<>> first_;
  std::vector<Result<ApiReply>> answers_;
};

TEST_F(FailoverTest, DialsTheNextAddressWhenOneFails) {
  start({"a:1", "b:2"});
  refuse("connection refused");
  EXPECT_THAT(links_.dialled, ElementsAre("a:1", "b:2"));
  EXPECT_FALSE(first_);
  up(1);
  ASSERT_TRUE(first_);
  EXPECT_TRUE(*first_);
}

TEST_F(FailoverTest, SaysOfEachAddressWhyItFailed) {
  start({"a:1", "b:2"});
  refuse("connection refused");
  refuse("no answer", DialError::unreachable);
  ASSERT_TRUE(first_);
  ASSERT_FALSE(*first_);
  EXPECT_EQ(first_->error().code, ErrorCode::unavailable);
  EXPECT_THAT(first_->error().message, HasSubstr("a:1: connection refused; b:2: no answer"));
}

TEST_F(FailoverTest, CallsItUnauthenticatedWhenEveryMasterRejects) {
  start({"a:1"});
  refuse("wrong secret", DialError::rejected);
  EXPECT_EQ(first_->error().code, ErrorCode::unauthenticated);
}

TEST_F(FailoverTest, BeginsAnotherRoundAfterAPause) {
  start({"a:1", "b:2"});
  refuse("x");
  refuse("x");
  loop_.run_ready();
  EXPECT_EQ(links_.dialled.size(), 2U);
  loop_.advance(seconds(1));
  EXPECT_THAT(links_.dialled, ElementsAre("a:1", "b:2", "a:1"));
}

TEST_F(FailoverTest, CallsWaitForAChannelAndGoInOrder) {
  start({"a:1"});
  call(WorkersRequest{});
  call(MastersRequest{});
  EXPECT_TRUE(links_.calls.empty());
  up(1);
  ASSERT_EQ(links_.calls.size(), 2U);
  EXPECT_TRUE(std::holds_alternative<WorkersRequest>(links_.calls[0].request));
  EXPECT_TRUE(std::holds_alternative<MastersRequest>(links_.calls[1].request));
}

TEST_F(FailoverTest, ACallThatFindsNoMasterSaysWhy) {
  start({"a:1"});
  refuse("connection refused");
  call(WorkersRequest{});
  loop_.advance(seconds(11));
  ASSERT_EQ(answers_.size(), 1U);
  ASSERT_FALSE(answers_[0]);
  EXPECT_EQ(answers_[0].error().code, ErrorCode::unavailable);
  EXPECT_THAT(answers_[0].error().message, HasSubstr("a:1: connection refused"));
}

TEST_F(FailoverTest, RepeatsAReadOnTheNextMaster) {
  start({"a:1", "b:2"});
  up(1);
  call(WorkersRequest{});
  answer(0, fail(ErrorCode::unknown_outcome, "link lost"));  // before the news of the link itself
  EXPECT_EQ(answers_.size(), 1U);
  call(WorkersRequest{});
  links_.calls[1].respond(fail(ErrorCode::unknown_outcome, "link lost"));
  down(1);
  loop_.run_ready();
  EXPECT_EQ(links_.dialled.back(), "b:2");
  up(2);
  ASSERT_EQ(links_.calls.size(), 3U);
  EXPECT_EQ(links_.calls[2].link, 2U);
  answer(2, WorkersReply{});
  ASSERT_EQ(answers_.size(), 2U);
  EXPECT_TRUE(answers_[1]);
}

TEST_F(FailoverTest, RepeatsASubmissionThatWasNeverSent) {
  start({"a:1", "b:2"});
  up(1);
  call(SubmitRequest{{NewTask{}}});
  links_.calls[0].respond(fail(ErrorCode::unavailable, "gone"));
  down(1);
  loop_.run_ready();
  up(2);
  ASSERT_EQ(links_.calls.size(), 2U);
  EXPECT_EQ(std::get<SubmitRequest>(links_.calls[1].request).tasks.size(), 1U);
  EXPECT_TRUE(answers_.empty());
}

TEST_F(FailoverTest, NeverRepeatsASubmissionOfUnknownFate) {
  start({"a:1", "b:2"});
  up(1);
  call(SubmitRequest{{NewTask{}}});
  links_.calls[0].respond(fail(ErrorCode::unknown_outcome, "link lost"));
  down(1);
  loop_.run_ready();
  up(2);
  EXPECT_EQ(links_.calls.size(), 1U);
  ASSERT_EQ(answers_.size(), 1U);
  EXPECT_EQ(answers_[0].error().code, ErrorCode::unknown_outcome);
  EXPECT_THAT(answers_[0].error().message, HasSubstr("a:1: link lost"));
}

TEST_F(FailoverTest, RepeatsACancelOfUnknownFateButNoRelease) {
  start({"a:1", "b:2"});
  up(1);
  call(ControlRequest{TaskId{7}, ControlAction::cancel, false});
  call(ControlRequest{TaskId{7}, ControlAction::release, false});
  call(ExplainRequest{TaskId{7}, false});
  ASSERT_EQ(links_.calls.size(), 3U);
  for (auto& open : links_.calls) open.respond(fail(ErrorCode::unknown_outcome, "link lost"));
  down(1);
  loop_.run_ready();
  ASSERT_EQ(answers_.size(), 1U);
  EXPECT_EQ(answers_[0].error().code, ErrorCode::unknown_outcome);
  up(2);
  ASSERT_EQ(links_.calls.size(), 5U);
  EXPECT_EQ(std::get<ControlRequest>(links_.calls[3].request).action, ControlAction::cancel);
  EXPECT_TRUE(std::holds_alternative<ExplainRequest>(links_.calls[4].request));
}

TEST_F(FailoverTest, AMastersOwnRefusalIsTheAnswer) {
  start({"a:1", "b:2"});
  up(1);
  call(SubmitRequest{{NewTask{}}});
  answer(0, fail(ErrorCode::unavailable, "the database is away"));
  ASSERT_EQ(answers_.size(), 1U);
  EXPECT_THAT(answers_[0].error().message, HasSubstr("the database is away"));
}

TEST_F(FailoverTest, ARepeatedCallKeepsItsDeadline) {
  start({"a:1", "b:2"});
  up(1);
  call(WorkersRequest{});
  loop_.advance(seconds(4));
  links_.calls[0].respond(fail(ErrorCode::unavailable, "gone"));
  down(1);
  loop_.run_ready();
  up(2);
  ASSERT_EQ(links_.calls.size(), 2U);
  EXPECT_EQ(links_.calls[1].timeout, seconds(6));
  loop_.advance(seconds(6));
  ASSERT_EQ(answers_.size(), 1U);
  EXPECT_EQ(answers_[0].error().code, ErrorCode::deadline_exceeded);
  links_.calls[1].respond(WorkersReply{});  // too late
  EXPECT_EQ(answers_.size(), 1U);
}

TEST_F(FailoverTest, BoundsTheCallsThatAreOpen) {
  start({"a:1"});
  for (std::size_t i = 0; i < Failover::kMaxWaiting; ++i) call(WorkersRequest{});
  EXPECT_TRUE(answers_.empty());
  call(WorkersRequest{});
  ASSERT_EQ(answers_.size(), 1U);
  EXPECT_EQ(answers_[0].error().code, ErrorCode::resource_exhausted);
}

TEST_F(FailoverTest, StopCancelsWhatIsOpen) {
  start({"a:1"});
  up(1);
  call(WorkersRequest{});
  failover_->stop();
  call(WorkersRequest{});
  ASSERT_EQ(answers_.size(), 2U);
  EXPECT_EQ(answers_[0].error().code, ErrorCode::cancelled);
  EXPECT_EQ(answers_[1].error().code, ErrorCode::cancelled);
}

}  // namespace
}  // namespace ringmaster
