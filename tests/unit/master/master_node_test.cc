// MasterNode over the in-memory store and registry: what the API answers, and when.
#include "master/master_node.h"

#include <gmock/gmock.h>

#include "registry/member_json.h"
#include "registry/memory_registry.h"
#include "sql/memory_task_store.h"
#include "tests/sim/manual_loop.h"

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Nobody to talk to, whoever is dialled.
class NoLinks final : public Links {
 public:
  std::map<std::string, std::string> dialled;  // to which address

  void dial(Role, const std::string& id, const std::string& address) override { dialled[id] = address; }
  void undial(Role, const std::string& id) override { dialled.erase(id); }
  bool send(LinkId, Message) override { return false; }
  void call(LinkId, ApiRequest, Duration, ApiResponder respond) override {
    respond(fail(ErrorCode::unavailable, "nobody is there"));
  }
  void close(LinkId, const std::string&) override {}
};

// Where the store's answers come from: as late as told.
class StoreLoop final : public Loop {
 public:
  explicit StoreLoop(Loop& base) : base_(base) {}
  Duration delay{0};

  MonoTime now() const override { return base_.now(); }
  WallTime wall_now() const override { return base_.wall_now(); }
  void post(Callback fn) override {
    if (delay == Duration{0}) return base_.post(std::move(fn));
    base_.after(delay, std::move(fn));
  }
  TimerId after(Duration wait, Callback fn) override { return base_.after(wait, std::move(fn)); }
  void cancel(TimerId id) override { base_.cancel(id); }
  std::uint64_t random() override { return base_.random(); }

 private:
  Loop& base_;
};

// Says whether a proof began between a release and its answer: PostgreSQL has bumped the generation by then,
// and this store would still build the proof under the old one.
class WatchedStore final : public MemoryTaskStore {
 public:
  using MemoryTaskStore::MemoryTaskStore;
  int releases = 0, proofs_meanwhile = 0, lists = 0, most_lists = 0;

  void release_shards(std::vector<ShardId> ids, StoreCallback<> done) override {
    ++releases;
    releasing_ = true;
    MemoryTaskStore::release_shards(std::move(ids), [this, done = std::move(done)](Result<> result) mutable {
      releasing_ = false;
      done(std::move(result));
    });
  }
  void prove(StoreCallback<> done) override {
    proofs_meanwhile += releasing_ ? 1 : 0;
    MemoryTaskStore::prove(std::move(done));
  }
  void list(ListRequest request, StoreCallback<ListReply> done) override {
    most_lists = std::max(most_lists, ++lists);
    MemoryTaskStore::list(std::move(request),
                          [this, done = std::move(done)](Result<ListReply> reply) mutable {
                            --lists;
                            done(std::move(reply));
                          });
  }

 private:
  bool releasing_ = false;
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
  StoreLoop store_loop_{loop_};
  WatchedStore store_{store_loop_, database_};
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

TEST_F(MasterNodes, AnswersForEachTaskWhereThatIsAsked) {
  start_and_own();
  NewTask bad = noop(), keyed = noop(), other = noop(R"({"fail": true})");
  bad.priority = 12;
  keyed.idempotency_key = other.idempotency_key = "a";
  const auto reply =
      call<SubmitReply>(SubmitRequest{.tasks = {noop(), bad, keyed, other, noop()}, .each = true});
  ASSERT_TRUE(reply);
  ASSERT_EQ(reply->ids.size(), 5u);
  ASSERT_EQ(reply->refused.size(), 2u);
  EXPECT_EQ(reply->refused[0].index, 1u);
  EXPECT_EQ(reply->refused[0].error.field, "priority");
  EXPECT_EQ(reply->refused[1].index, 3u);
  EXPECT_EQ(reply->refused[1].error.code, ErrorCode::key_reused);
  for (const std::size_t i : {0u, 2u, 4u}) EXPECT_TRUE(database_.tasks().contains(reply->ids[i])) << i;
  for (const std::size_t i : {1u, 3u}) EXPECT_EQ(reply->ids[i], TaskId{}) << i;
  EXPECT_EQ(database_.tasks().size(), 3u);
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

TEST_F(MasterNodes, AWaitOfNoTimeLooksOnceHoweverLateTheStoreAnswers) {
  start_and_own();
  const auto reply = call<SubmitReply>(SubmitRequest{{noop()}});
  ASSERT_TRUE(reply);
  store_loop_.delay = milliseconds(300);
  const MonoTime asked = loop_.now();
  const auto waited = call<WaitReply>(WaitRequest{.ids = {reply->ids[0]}, .wait = seconds(0)});
  ASSERT_TRUE(waited);
  EXPECT_TRUE(waited->items[0].found);
  EXPECT_EQ(loop_.now() - asked, milliseconds(300));
}

// It ends by itself, while the first look is still under way.
TEST_F(MasterNodes, AWaitWhoseTaskEndsBeforeTheFirstLookIsAnswered) {
  start_and_own();
  NewTask task = noop();
  task.start_deadline = milliseconds(100);
  const auto reply = call<SubmitReply>(SubmitRequest{{task}});
  ASSERT_TRUE(reply);
  store_loop_.delay = milliseconds(300);
  loop_.advance(milliseconds(200));  // its end is being committed
  store_loop_.delay = seconds(2);
  const auto waited = call<WaitReply>(WaitRequest{.ids = {reply->ids[0]}, .wait = seconds(5)});
  ASSERT_TRUE(waited) << waited.error().message;
  EXPECT_EQ(waited->items[0].state, TaskState::timed_out);
}

TEST_F(MasterNodes, AWaitThatCouldNotLookSaysSo) {
  start_and_own();
  const auto reply = call<SubmitReply>(SubmitRequest{{noop()}});
  ASSERT_TRUE(reply);
  store_loop_.delay = seconds(30);
  const MonoTime asked = loop_.now();
  const auto waited = call<WaitReply>(WaitRequest{.ids = {reply->ids[0]}, .wait = seconds(0)});
  ASSERT_FALSE(waited) << "not found would be a lie";
  EXPECT_EQ(waited.error().code, ErrorCode::unavailable);
  EXPECT_LT(loop_.now() - asked, seconds(5)) << "whoever forwarded it gives up then";
}

// Its former owner recorded the dispatch; w1 has left the registry before this master reads the row.
TEST_F(MasterNodes, DialsAWorkerThatOnlyARecordedDispatchNamesUntilItsDeathIsProved) {
  MemoryTaskStore former(loop_, database_);
  former.open({"m0", Incarnation{6}, "", "", ""}, [](const Result<std::string>&) {});
  former.take_shards({3}, [](const Result<std::vector<ShardEpoch>>&) {});
  TaskRow row;
  row.id = make_task_id(500'000, 3);
  row.task = noop();
  row.task.on_worker_lost = OnWorkerLost::fail;
  row.run_at = row.created_at = loop_.wall_now();
  former.accept({row}, [](const Result<>& done) { EXPECT_TRUE(done); });
  former.mark_running({{{row.id, 1, 1}, "w1", Incarnation{5}, {}}},
                      [](const Result<std::vector<WriteFate>>& done) { EXPECT_TRUE(done); });
  start();
  ASSERT_TRUE(
      loop_.run_until([this] { return node_->core().shards().count() == kShardCount - 1; }, seconds(5)));
  hub_.replace(Membership::workers, "w1",
               to_json(WorkerMember{
                   .id = "w1", .address = "w1:1", .incarnation = Incarnation{5}, .groups = {"default"}}));
  const auto dialled = [this] { return links_.dialled.contains("w1"); };
  ASSERT_TRUE(loop_.run_until(dialled, seconds(1)));
  hub_.remove(Membership::workers, "w1");
  ASSERT_TRUE(loop_.run_until([&] { return !dialled(); }, seconds(1)));

  former.resign([](const Result<>& done) { EXPECT_TRUE(done); });
  ASSERT_TRUE(loop_.run_until(dialled, seconds(5)));
  EXPECT_EQ(links_.dialled["w1"], "w1:1");
  node_->on_dial_failed(Role::worker, "w1", DialError::refused, "nobody listens");
  loop_.advance(milliseconds(300));
  EXPECT_TRUE(dialled());
  node_->on_dial_failed(Role::worker, "w1", DialError::refused, "nobody listens");
  ASSERT_TRUE(loop_.run_until([&] { return database_.history().contains(row.id); }, seconds(1)));
  EXPECT_EQ(database_.history().at(row.id).row.state, TaskState::lost);
  EXPECT_FALSE(dialled());
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

// A release changes the generation: a proof that began meanwhile would look like a deposition.
TEST_F(MasterNodes, NoProofBeginsWhileShardsAreReleased) {
  start_and_own();
  store_loop_.delay = milliseconds(1500);
  hub_.replace(Membership::masters, "m2",
               to_json(MasterMember{.id = "m2", .rpc_address = "m2:1", .incarnation = Incarnation{8}}));
  ASSERT_TRUE(loop_.run_until([this] { return node_->core().shards().count() < kShardCount; }, seconds(20)));
  loop_.advance(seconds(5));
  EXPECT_GT(store_.releases, 0);
  EXPECT_EQ(store_.proofs_meanwhile, 0);
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

TEST_F(MasterNodes, ManyListsAreReadAFewAtATimeAndTooManyAreRefused) {
  start_and_own();
  store_loop_.delay = milliseconds(10);
  int answered = 0, refused = 0;
  for (int i = 0; i < 6'000; ++i) {
    node_->call(ListRequest{}, [&](Result<ApiReply> reply) { ++(reply ? answered : refused); });
  }
  EXPECT_TRUE(loop_.run_until([&] { return answered + refused == 6'000; }, seconds(60)));
  EXPECT_EQ(store_.most_lists, 2);
  EXPECT_GE(answered, 5'000);
  EXPECT_GE(refused, 900);
}

}  // namespace
}  // namespace ringmaster
