// The client against masters that are a TcpLinks and a few lines: a real socket, a real handshake.
#include "client/client.h"

#include <atomic>
#include <future>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/asio_loop.h"
#include "rpc/tcp_links.h"

namespace ringmaster {
namespace {

using testing::HasSubstr;

// Answers every submission with its own number, keeps quiet about everything it is told to.
class FakeMaster final : public LinkHandler {
 public:
  explicit FakeMaster(std::int64_t number, const std::string& secret = {}) : number_(number) {
    LinksOptions options;
    options.secret = secret;
    options.role = Role::master;
    options.node_id = "m" + std::to_string(number);
    options.incarnation = Incarnation{number};
    links_ = std::make_unique<TcpLinks>(loop_, options, *this);
    const auto listening = links_->listen("127.0.0.1:0");
    EXPECT_TRUE(listening) << listening.error().message;
    address_ = links_->bound_address();
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~FakeMaster() override { kill(); }

  // Like a death of the process: every socket closes.
  void kill() {
    if (!thread_.joinable()) return;
    loop_.stop();
    thread_.join();
    links_.reset();
  }
  const std::string& address() const { return address_; }
  int requests() const { return requests_; }
  std::future<void> first_request() { return first_request_.get_future(); }
  void answer_nothing() { silent_ = true; }

  void on_link_up(LinkId, const PeerInfo&) override {}
  void on_link_down(LinkId, const PeerInfo&, const std::string&) override {}
  void on_dial_failed(Role, const std::string&, DialError, const std::string&) override {}
  void on_message(LinkId, Message) override {}
  void on_request(LinkId, ApiRequest request, ApiResponder respond) override {
    if (requests_++ == 0) first_request_.set_value();
    if (silent_) return open_.push_back(std::move(respond));
    if (const auto* submit = std::get_if<SubmitRequest>(&request)) {
      return respond(SubmitReply{std::vector<TaskId>(submit->tasks.size(), TaskId{number_})});
    }
    if (std::holds_alternative<MastersRequest>(request)) return respond(MastersReply{});
    respond(fail(ErrorCode::not_found, "no such task"));
  }

 private:
  std::int64_t number_;
  AsioLoop loop_;
  std::unique_ptr<TcpLinks> links_;
  std::string address_;
  std::atomic<int> requests_ = 0;
  std::atomic<bool> silent_ = false;
  std::promise<void> first_request_;
  std::vector<ApiResponder> open_;
  std::thread thread_;
};

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
