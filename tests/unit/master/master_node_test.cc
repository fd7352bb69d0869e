// MasterNode over the in-memory store and registry: what the API answers, and when.
#include "master/master_node.h"

#include <gmock/gmock.h>

#include "registry/memory_registry.h"
#include "sql/memory_task_store.h"
#include "tests/sim/manual_loop.h"

namespace ringmaster {
namespace {

using std::chrono::seconds;

// Nobody to talk to.
class NoLinks final : public Links {
 public:
  void dial(Role, const std::string&, const std::string&) override {}
  void undial(Role, const std::string&) override {}
  bool send(LinkId, Message) override { return false; }
  void call(LinkId, ApiRequest, Duration, ApiResponder respond) override {
    respond(fail(ErrorCode::unavailable, "nobody is there"));
  }
  void close(LinkId, const std::string&) override {}
};

class MasterNodes : public ::testing::Test {
 protected:
  void start() {
    node_ = std::make_unique<MasterNode>(
        loop_, store_, registry_,
        MasterOptions{.cluster = "test", .self = {"m1", Incarnation{7}, "a", "b", "v"}},
        [this](const Error&) { fenced_ = true; });
    node_->start(links_, [](Result<std::string> started) { ASSERT_TRUE(started); });
  }
  void start_and_own() {
    start();
    ASSERT_TRUE(
        loop_.run_until([this] { return node_->core().shards().count() == kShardCount; }, seconds(10)));
  }
  template <class Reply>
  Result<Reply> call(ApiRequest request, Duration limit = seconds(70)) {
    std::optional<Result<ApiReply>> answer;
    node_->call(std::move(request), [&](Result<ApiReply> reply) { answer = std::move(reply); });
    EXPECT_TRUE(loop_.run_until([&] { return answer.has_value(); }, limit));
    if (!answer || !*answer) return std::unexpected(answer ? answer->error() : Error{});
    return std::get<Reply>(**answer);
  }
  static NewTask noop(std::string spec = "{}") {
    NewTask task;
    task.kind = "noop";
    task.spec = std::move(spec);
    return task;
  }

  ManualLoop loop_;
  MemoryDatabase database_;
  MemoryTaskStore store_{loop_, database_};
  MemoryRegistryHub hub_;
  MemoryRegistry registry_{loop_, hub_};
  NoLinks links_;
  std::unique_ptr<MasterNode> node_;
  bool fenced_ = false;
};

TEST_F(MasterNodes, AnswersASubmissionOnlyWithItsRowsInTheDatabase) {
  start_and_own();
  const auto reply = call<SubmitReply>(SubmitRequest{{noop(), noop(), noop()}});
  ASSERT_TRUE(reply);
  ASSERT_EQ(reply->ids.size(), 3u);
  for (const TaskId id : reply->ids) EXPECT_TRUE(database_.tasks().contains(id));
}

TEST_F(MasterNodes, RefusesABadTaskWithItsFieldAndTakesNothingOfTheRequest) {
  start_and_own();
  NewTask bad = noop();
  bad.priority = 12;
  const auto reply = call<SubmitReply>(SubmitRequest{{noop(), bad}});
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(reply.error().field, ::testing::HasSubstr("priority"));
  EXPECT_TRUE(database_.tasks().empty());
}

TEST_F(MasterNodes, IsUnavailableUntilItOwnsShards) {
  start();
  const auto reply = call<SubmitReply>(SubmitRequest{{noop()}}, seconds(1));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::unavailable);
}

TEST_F(MasterNodes, AWaitEndsWithItsTimeAndSaysWhatIsKnown) {
  start_and_own();
  const auto reply = call<SubmitReply>(SubmitRequest{{noop()}});
  ASSERT_TRUE(reply);
  const TaskId none = make_task_id(999'999, 1);
  const MonoTime asked = loop_.now();
  const auto waited = call<WaitReply>(WaitRequest{.ids = {reply->ids[0], none}, .wait = seconds(3)});
  ASSERT_TRUE(waited);
  EXPECT_GE(loop_.now() - asked, seconds(3));
  EXPECT_TRUE(waited->items[0].found);
  EXPECT_FALSE(is_terminal(waited->items[0].state));
  EXPECT_FALSE(waited->items[1].found);
}

TEST_F(MasterNodes, AWaitOfNoTimeStillLooks) {
  start_and_own();
  const auto reply = call<SubmitReply>(SubmitRequest{{noop()}});
  ASSERT_TRUE(reply);
  const auto waited = call<WaitReply>(WaitRequest{.ids = {reply->ids[0]}, .wait = seconds(0)});
  ASSERT_TRUE(waited);
  EXPECT_TRUE(waited->items[0].found);
}

TEST_F(MasterNodes, CutsAPageThatNoFrameCouldCarry) {
  start_and_own();
  const std::string big = R"({"x": ")" + std::string(200'000, 'x') + R"("})";
  std::vector<TaskId> ids;
  for (int i = 0; i < 40; ++i) {
    const auto reply = call<SubmitReply>(SubmitRequest{{noop(big)}});
    ASSERT_TRUE(reply);
    ids.push_back(reply->ids[0]);
  }
  std::sort(ids.begin(), ids.end());
  std::vector<TaskId> listed;
  std::optional<TaskId> after;
  int pages = 0;
  do {
    const auto page = call<ListReply>(ListRequest{.after = after, .limit = 1'000});
    ASSERT_TRUE(page);
    for (const TaskView& view : page->views) listed.push_back(view.row.id);
    after = page->next;
    ++pages;
  } while (after && pages < 100);
  EXPECT_EQ(listed, ids);
  EXPECT_GT(pages, 2);
}

TEST_F(MasterNodes, SaysThatItIsFencedAndAnswersWhoWaited) {
  start_and_own();
  MemoryTaskStore other(loop_, database_);
  other.open({"m2", Incarnation{8}, "", "", ""}, [](Result<std::string>) {});
  loop_.run_ready();
  other.take_over(Incarnation{7}, [](Result<> done) { ASSERT_TRUE(done); });
  loop_.run_ready();
  const auto reply = call<SubmitReply>(SubmitRequest{{noop()}});
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::unavailable);
  EXPECT_TRUE(loop_.run_until([this] { return fenced_; }, seconds(5)));
  EXPECT_TRUE(database_.tasks().empty());
}

TEST_F(MasterNodes, AnOrderlyStopLeavesNoShardOwned) {
  start_and_own();
  bool stopped = false;
  node_->stop([&] { stopped = true; });
  ASSERT_TRUE(loop_.run_until([&] { return stopped; }, seconds(20)));
  for (const ShardRow& shard : database_.shards()) EXPECT_FALSE(shard.owner);
}

TEST_F(MasterNodes, WhoeverAskedIsAnsweredEvenIfTheNodeGoes) {
  start_and_own();
  std::optional<ErrorCode> code;
  node_->call(SubmitRequest{{noop()}}, [&](Result<ApiReply> reply) {
    if (!reply) code = reply.error().code;
  });
  node_.reset();
  loop_.run_ready();
  EXPECT_EQ(code, ErrorCode::unknown_outcome);
}

}  // namespace
}  // namespace ringmaster
