#include <memory>

#include <gmock/gmock.h>

#include "registry/member_json.h"
#include "tests/sim/manual_loop.h"
#include "tests/unit/worker/fakes.h"
#include "worker/worker_node.h"

namespace ringmaster {
namespace {

using fakes::token;
using fakes::work;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr Incarnation kLife{77};
constexpr LinkId kA = 1, kB = 2;
constexpr ShardId kShard = 5;

Member master(const std::string& id) {
  MasterMember member;
  member.id = id;
  member.rpc_address = "127.0.0.1:7000";
  member.incarnation = Incarnation{5};
  member.version = "1";
  return Member{id, to_json(member), 1};
}

class WorkerNodeTest : public testing::Test {
 protected:
  void begin() {
    WorkerOptions options;
    options.node_id = "w1";
    options.incarnation = kLife;
    options.slots = 2;
    node_ = std::make_unique<WorkerNode>(loop_, registry_, spool_, runner_, options);
    node_->start(links_, "127.0.0.1:7430", [](const Result<>&) {});
    loop_.run_ready();
  }
  void up(LinkId link, const std::string& id = "a", bool dialled = false) {
    node_->on_link_up(link, PeerInfo{Role::master, id, Incarnation{5}, "1", dialled});
    loop_.run_ready();
  }
  void down(LinkId link) {
    node_->on_link_down(link, PeerInfo{}, "gone");
    loop_.run_ready();
  }
  void say(LinkId link, Message message) {
    node_->on_message(link, std::move(message));
    loop_.run_ready();
  }
  void begin_with_owner() {
    begin();
    up(kA);
    say(kA, Announce{1, {{kShard, 1}}});
  }
  std::uint32_t limit(LinkId link) { return links_.of<WorkerStatus>(link).back().credit_limit; }

  ManualLoop loop_;
  fakes::FakeLinks links_;
  fakes::MemorySpool spool_;
  fakes::FakeRunner runner_{loop_};
  fakes::FakeRegistry registry_{loop_};
  std::unique_ptr<WorkerNode> node_;
};

using WorkerNodes = WorkerNodeTest;

TEST_F(WorkerNodes, JoinsTheRegistryWithItsIncarnation) {
  begin();
  ASSERT_TRUE(registry_.member);
  const auto member = parse_worker_member(registry_.member->data);
  ASSERT_TRUE(member);
  EXPECT_EQ(member->incarnation, kLife);
  EXPECT_EQ(member->address, "127.0.0.1:7430");
}

TEST_F(WorkerNodes, JournalsEpochsBeforeItAnswersAndNothingIfThatFails) {
  begin_with_owner();
  EXPECT_THAT(spool_.contents.epochs, ElementsAre(ShardEpoch{kShard, 1}));
  EXPECT_THAT(links_.of<Inventory>(kA), SizeIs(1));
  up(kB, "b");
  spool_.broken = true;
  say(kB, Announce{1, {{kShard, 2}}});
  EXPECT_THAT(links_.of<Inventory>(kB), IsEmpty());
  EXPECT_TRUE(links_.closed.contains(kB));
  down(kB);
  spool_.broken = false;
  up(3, "b");
  say(3, Announce{1, {{kShard, 2}}});
  EXPECT_THAT(links_.of<Inventory>(3), SizeIs(1));
  EXPECT_EQ(spool_.contents.epochs.back(), (ShardEpoch{kShard, 2}));
}

TEST_F(WorkerNodes, AnAttemptOfOneTurnCostsOneMessage) {
  begin_with_owner();
  runner_.automatic = true;
  links_.sent.clear();
  say(kA, DispatchBatch{kLife, {work(token(1, kShard)), work(token(2, kShard))}});
  EXPECT_THAT(links_.sent, SizeIs(1));
  EXPECT_THAT(links_.items<ResultBatch>(kA), SizeIs(2));
  EXPECT_THAT(spool_.contents.results, SizeIs(2));
  say(kA, ResultAckBatch{{{token(1, kShard)}, {token(2, kShard)}}});
  EXPECT_THAT(spool_.contents.results, IsEmpty());
}

TEST_F(WorkerNodes, AResultIsReportedBehindTheInventoryOfANewLink) {
  begin_with_owner();
  say(kA, DispatchBatch{kLife, {work(token(1, kShard))}});
  down(kA);
  runner_.finish(token(1, kShard));
  loop_.run_ready();
  up(kB);
  links_.sent.clear();
  say(kB, Announce{1, {{kShard, 1}}});
  ASSERT_THAT(links_.sent, SizeIs(2));
  EXPECT_TRUE(std::holds_alternative<Inventory>(links_.sent[0].second));
  EXPECT_TRUE(std::holds_alternative<ResultBatch>(links_.sent[1].second));
}

TEST_F(WorkerNodes, WhatWasDecidedBeforeAnAnnounceLeavesBeforeItsInventory) {
  begin_with_owner();
  links_.sent.clear();
  node_->on_message(kA, DispatchBatch{kLife, {work(token(1, kShard))}});
  node_->on_message(kA, Announce{2, {{kShard, 1}}});
  loop_.run_ready();
  ASSERT_THAT(links_.sent, SizeIs(2));
  EXPECT_TRUE(std::holds_alternative<AckBatch>(links_.sent[0].second));
  EXPECT_TRUE(std::holds_alternative<Inventory>(links_.sent[1].second));
}

TEST_F(WorkerNodes, AFinishedAttemptMakesRoomForTheNext) {
  begin_with_owner();
  say(kA, DispatchBatch{kLife, {work(token(1, kShard)), work(token(2, kShard)), work(token(3, kShard))}});
  EXPECT_THAT(runner_.started, SizeIs(2));
  runner_.finish(token(1, kShard));
  EXPECT_THAT(runner_.started, SizeIs(3));
}

TEST_F(WorkerNodes, AKillReachesTheRunner) {
  begin_with_owner();
  say(kA, DispatchBatch{kLife, {work(token(1, kShard))}});
  say(kA, KillBatch{{token(1, kShard)}});
  EXPECT_THAT(runner_.killed, ElementsAre(token(1, kShard)));
}

TEST_F(WorkerNodes, StatusGoesOutEachSecondAndWhenALimitChanges) {
  begin_with_owner();
  EXPECT_THAT(links_.of<WorkerStatus>(kA), SizeIs(1));
  loop_.advance(seconds(2));
  EXPECT_THAT(links_.of<WorkerStatus>(kA), SizeIs(3));
  up(kB, "b");
  say(kB, MasterStatus{7});
  EXPECT_EQ(limit(kA), 1u);
  EXPECT_EQ(limit(kB), 4u);
}

TEST_F(WorkerNodes, ABrokenJournalStopsNewWorkAndReportsOnceItIsMended) {
  begin_with_owner();
  say(kA, DispatchBatch{kLife, {work(token(1, kShard))}});
  spool_.broken = true;
  runner_.finish(token(1, kShard));
  loop_.run_ready();
  EXPECT_EQ(limit(kA), 0u);
  EXPECT_THAT(links_.items<ResultBatch>(kA), IsEmpty());
  say(kA, DispatchBatch{kLife, {work(token(2, kShard))}});
  EXPECT_EQ(links_.items<AckBatch>(kA).back().verdict, AckVerdict::busy);
  spool_.broken = false;
  loop_.advance(seconds(1));
  EXPECT_THAT(links_.items<ResultBatch>(kA), SizeIs(1));
  ASSERT_THAT(spool_.syncs, SizeIs(1));
  spool_.syncs[0]({});
  loop_.run_ready();
  EXPECT_EQ(limit(kA), 4u);
}

TEST_F(WorkerNodes, AJournalThatTakesEverythingAndKeepsNothingStaysClosed) {
  begin_with_owner();
  say(kA, LeaseGrant{loop_.now(), {kShard}});
  say(kA, DispatchBatch{kLife, {work(token(1, kShard), OnWorkerLost::fail)}});
  runner_.finish(token(1, kShard));
  loop_.run_ready();
  for (std::size_t i = 0; i < 3; ++i) {
    ASSERT_THAT(spool_.syncs, SizeIs(i + 1));
    spool_.syncs[i](fail(ErrorCode::unavailable, "input/output error"));
    loop_.run_ready();
    EXPECT_EQ(limit(kA), 0u);
    loop_.advance(seconds(1));
    EXPECT_EQ(limit(kA), 0u);
    EXPECT_THAT(links_.items<ResultBatch>(kA), IsEmpty());
  }
  spool_.syncs[3]({});
  loop_.run_ready();
  EXPECT_EQ(limit(kA), 4u);
  EXPECT_THAT(links_.items<ResultBatch>(kA), SizeIs(1));
}

TEST_F(WorkerNodes, AResultOfATaskThatMustNotRerunWaitsForTheSync) {
  begin_with_owner();
  say(kA, LeaseGrant{loop_.now(), {kShard}});
  say(kA, DispatchBatch{kLife, {work(token(1, kShard), OnWorkerLost::fail)}});
  runner_.finish(token(1, kShard));
  loop_.run_ready();
  EXPECT_THAT(links_.items<ResultBatch>(kA), IsEmpty());
  ASSERT_THAT(spool_.syncs, SizeIs(1));
  spool_.syncs[0]({});
  loop_.run_ready();
  EXPECT_THAT(links_.items<ResultBatch>(kA), SizeIs(1));
}

TEST_F(WorkerNodes, DialsTheOwnerWhoseChannelIsGoneForOverASecond) {
  begin_with_owner();
  registry_.show({master("a"), master("b")});
  say(kA, DispatchBatch{kLife, {work(token(1, kShard))}});
  runner_.finish(token(1, kShard));
  loop_.run_ready();
  down(kA);
  loop_.advance(seconds(1));
  EXPECT_THAT(links_.dialled, IsEmpty());
  loop_.advance(seconds(1));
  ASSERT_THAT(links_.dialled, SizeIs(1));
  EXPECT_EQ(links_.dialled.at("a"), "127.0.0.1:7000");
  up(kB, "a", true);
  EXPECT_THAT(links_.dialled, SizeIs(1));
  down(kB);
  up(3, "a", false);
  EXPECT_THAT(links_.dialled, IsEmpty()) << "its own channel is back";
}

TEST_F(WorkerNodes, DialsEveryMasterWhenTheOwnerIsUnknown) {
  spool_.contents.results = {{token(1, kShard), {}}};
  begin();
  registry_.show({master("a"), master("b")});
  up(kA, "a");
  loop_.advance(seconds(2));
  ASSERT_THAT(links_.dialled, SizeIs(1));
  EXPECT_TRUE(links_.dialled.contains("b"));
  registry_.show({master("a")});
  loop_.advance(seconds(1));
  EXPECT_THAT(links_.dialled, IsEmpty()) << "it left the registry";
}

TEST_F(WorkerNodes, DrainsInOrderAndLeavesTheRegistryLast) {
  begin_with_owner();
  bool drained = false;
  say(kA, DispatchBatch{kLife, {work(token(1, kShard)), work(token(2, kShard)), work(token(3, kShard))}});
  node_->drain([&] { drained = true; });
  loop_.run_ready();
  EXPECT_TRUE(links_.of<WorkerStatus>(kA).back().draining);
  EXPECT_EQ(limit(kA), 0u);
  EXPECT_EQ(links_.items<AckBatch>(kA).back().verdict, AckVerdict::returned);
  for (int i : {1, 2}) runner_.finish(token(i, kShard));
  loop_.run_ready();
  EXPECT_THAT(links_.items<ResultBatch>(kA), SizeIs(2));
  EXPECT_TRUE(registry_.member && !drained);
  say(kA, ResultAckBatch{{{token(1, kShard)}, {token(2, kShard)}}});
  EXPECT_TRUE(!registry_.member && drained);
}

TEST_F(WorkerNodes, NothingItPostedRunsAfterItsDestruction) {
  begin_with_owner();
  node_->on_message(kA, LeaseGrant{loop_.now(), {kShard}});
  node_->on_message(kA, DispatchBatch{kLife, {work(token(1, kShard), OnWorkerLost::fail)}});
  runner_.finish(token(1, kShard));
  loop_.run_ready();
  node_->on_message(kA, DispatchBatch{kLife, {work(token(2, kShard))}});
  ASSERT_TRUE(loop_.has_posts());
  node_.reset();
  const std::size_t sent = links_.sent.size();
  spool_.syncs.at(0)({});
  registry_.show({master("a")});
  loop_.advance(seconds(5));
  EXPECT_EQ(links_.sent.size(), sent);
}

TEST_F(WorkerNodes, TheFirstMasterBindsItToItsDatabaseForEver) {
  begin();
  const auto up_from = [&](LinkId link, const std::string& store_id) {
    node_->on_link_up(
        link, PeerInfo{Role::master, "m" + std::to_string(link), Incarnation{5}, "1", false, store_id});
  };
  up_from(1, "");
  EXPECT_EQ(node_->store_id(), "");
  up_from(2, "store-1");
  EXPECT_EQ(spool_.contents.store_id, "store-1");
  up_from(3, "store-2");
  EXPECT_THAT(links_.closed, ElementsAre(3));
  up_from(4, "store-1");
  EXPECT_THAT(links_.closed, ElementsAre(3));
}

TEST_F(WorkerNodes, AnAuditIsAnsweredBehindAllThatWasDecidedBefore) {
  begin_with_owner();
  links_.sent.clear();
  const Token held = token(1, kShard), refused = token(2, kShard, 7);
  node_->on_message(kA, DispatchBatch{kLife, {work(held), work(refused)}});
  std::optional<HeldReply> answer;
  std::size_t acks = 0;
  node_->on_request(kA, HeldRequest{{{kShard, 1}}, {held, refused}}, [&](Result<ApiReply> reply) {
    acks = links_.items<AckBatch>(kA).size();
    answer = std::get<HeldReply>(*reply);
  });
  ASSERT_TRUE(answer) << "at once";
  EXPECT_EQ(acks, 2u) << "the refusal of what is missing has left before";
  EXPECT_THAT(answer->missing, ElementsAre(refused));
  EXPECT_THAT(answer->unknown, IsEmpty());
}

TEST_F(WorkerNodes, OnlyAMasterIsToldWhatIsHeld) {
  begin_with_owner();
  std::optional<Error> refusal;
  node_->on_request(9, HeldRequest{}, [&](Result<ApiReply> reply) { refusal = reply.error(); });
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->code, ErrorCode::invalid_argument);
}

TEST_F(WorkerNodes, OnlyMastersAreServed) {
  begin();
  node_->on_link_up(kA, PeerInfo{Role::client, "c", Incarnation{1}, "1", false});
  EXPECT_TRUE(links_.closed.contains(kA));
  say(kA, Announce{1, {{kShard, 1}}});
  EXPECT_THAT(links_.of<Inventory>(kA), IsEmpty());
}

}  // namespace
}  // namespace ringmaster
