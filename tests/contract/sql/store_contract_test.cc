// What every TaskStore does: masters, shards and fences.
#include <gmock/gmock.h>

#include "tests/contract/sql/store_suite.h"

namespace ringmaster {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST_P(StoreContract, OpenAnswersTheSameStoreIdToEveryMaster) {
  Master other(world(), 2, "m2");
  EXPECT_EQ(*other.open(), store_id());
  EXPECT_FALSE(store_id().empty());
}

TEST_P(StoreContract, ADatabaseBelongsToTheClusterThatUsedItFirst) {
  const auto open = [&](std::int64_t incarnation, const std::string& cluster) {
    auto store = world().make_store();
    MasterIdentity self{"m" + std::to_string(incarnation), {incarnation}, "r:1", "h:1", "1.0", cluster};
    auto opened = world().wait<std::string>([&](auto done) { store->open(self, std::move(done)); });
    return opened ? "opened" : std::string(to_string(opened.error().code)) + ": " + opened.error().message;
  };
  EXPECT_EQ(
      open(21, "other"),
      "invalid_argument: the database belongs to cluster test, this master to other: give each cluster a "
      "database of its own, or mend the setting `cluster`");
  EXPECT_EQ(open(22, "test"), "opened");
}

TEST_P(StoreContract, AMasterThatHasEndedNeverOpensAgain) {
  ASSERT_TRUE(master().resign());
  Master again(world(), 1);
  EXPECT_EQ(again.open().error().code, ErrorCode::fenced);
}

TEST_P(StoreContract, AfterResigningEveryCallIsFencedAndItsShardsAreFree) {
  ASSERT_EQ(master().take({1, 2})->size(), 2u);
  ASSERT_TRUE(master().resign());
  EXPECT_EQ(master().accept({make_row(256)}).error().code, ErrorCode::fenced);
  EXPECT_EQ(master().control({{TaskId{256}}}).error().code, ErrorCode::fenced);
  EXPECT_EQ(master().keep_late({{{TaskId{256}, 1, 1}, "w", {}}}).error().code, ErrorCode::fenced);
  EXPECT_EQ(master().groups().error().code, ErrorCode::fenced);
  EXPECT_EQ(master().resign().error().code, ErrorCode::fenced);
  Master other(world(), 2, "m2");
  ASSERT_TRUE(other.open());
  EXPECT_THAT(*other.take({1, 2}), ElementsAre(ShardEpoch{1, 2}, ShardEpoch{2, 2}));
}

TEST_P(StoreContract, ThereAre256ShardsAndNobodyOwnsOneAtFirst) {
  const auto rows = master().shards();
  ASSERT_EQ(rows.size(), 256u);
  for (const ShardRow& row : rows) {
    EXPECT_FALSE(row.owner);
    EXPECT_EQ(row.epoch, 0);
    EXPECT_FALSE(row.owner_alive);
  }
}

TEST_P(StoreContract, AShardHasOneOwner) {
  Master other(world(), 2, "m2");
  ASSERT_TRUE(other.open());
  EXPECT_THAT(*master().take({7, 8}), ElementsAre(ShardEpoch{7, 1}, ShardEpoch{8, 1}));
  EXPECT_THAT(*other.take({8, 9}), ElementsAre(ShardEpoch{9, 1}));
  const auto rows = other.shards();
  EXPECT_EQ(rows[8].owner, master().incarnation());
  EXPECT_EQ(rows[8].owner_node, "m1");
  EXPECT_TRUE(rows[8].owner_alive);
}

TEST_P(StoreContract, MastersThatTakeTheSameShardsAtOnceNeverBothGetOne) {
  Master other(world(), 2, "m2");
  ASSERT_TRUE(other.open());
  std::vector<ShardId> all;
  for (int id = 0; id < kShardCount; ++id) all.push_back(static_cast<ShardId>(id));
  int answers = 0;
  std::vector<int> owners(kShardCount);
  const auto count = [&](Result<std::vector<ShardEpoch>> taken) {
    ASSERT_TRUE(taken) << taken.error().message;
    ++answers;
    for (const ShardEpoch& shard : *taken) ++owners[shard.shard];
  };
  for (int i = 0; i < 4; ++i) {
    master().store().take_shards(all, count);
    other.store().take_shards(all, count);
  }
  ASSERT_TRUE(world().run_until([&] { return answers == 8; }));
  EXPECT_THAT(owners, testing::Each(1));
}

TEST_P(StoreContract, EachChangeOfOwnerRaisesTheEpoch) {
  ASSERT_THAT(*master().take({3}), ElementsAre(ShardEpoch{3, 1}));
  ASSERT_TRUE(master().release({3}));
  ASSERT_THAT(*master().take({3}), ElementsAre(ShardEpoch{3, 2}));
  EXPECT_EQ(master().shards()[3].epoch, 2);
}

TEST_P(StoreContract, OnlyTheOwnerReleases) {
  Master other(world(), 2, "m2");
  ASSERT_TRUE(other.open());
  ASSERT_TRUE(master().take({3}));
  ASSERT_TRUE(other.release({3}));
  EXPECT_EQ(other.shards()[3].owner, master().incarnation());
}

TEST_P(StoreContract, WritingGoesOnAfterARelease) {
  ASSERT_TRUE(master().take({3, 4}));
  ASSERT_TRUE(master().release({3}));
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(master().accept({make_row(260 + 256 * i)}));
}

TEST_P(StoreContract, PredecessorsAreTheLivingOnesOfTheSameNode) {
  Master later(world(), 2, "m1"), stranger(world(), 3, "m2");
  ASSERT_TRUE(later.open());
  ASSERT_TRUE(stranger.open());
  EXPECT_THAT(*later.predecessors(), ElementsAre(Incarnation{1}));
  ASSERT_TRUE(later.take_over(Incarnation{1}));
  EXPECT_THAT(*later.predecessors(), IsEmpty());
}

TEST_P(StoreContract, TakeOverFencesTheDeadAndFreesItsShards) {
  ASSERT_TRUE(master().take({1, 2}));
  ASSERT_TRUE(master().accept({make_row(257)}));
  Master other(world(), 2, "m2");
  ASSERT_TRUE(other.open());
  ASSERT_TRUE(other.take_over(Incarnation{1}));
  EXPECT_FALSE(other.shards()[1].owner);
  // Its connections may have been cut under it: until it knows why, nothing is reached.
  const auto fenced = [](const auto& result) { return !result && result.error().code == ErrorCode::fenced; };
  EXPECT_TRUE(world().run_until([&] { return fenced(master().complete({make_completion(257)})); }));
  EXPECT_TRUE(fenced(master().accept({make_row(513)})));
  EXPECT_TRUE(fenced(master().retry({make_retry(257)})));
  EXPECT_TRUE(fenced(master().mark({{{TaskId{257}, 1, 1}, "w", {9}, {}, {}}})));
  EXPECT_TRUE(fenced(master().control({{TaskId{257}}})));
  EXPECT_TRUE(fenced(master().keep_late({{{TaskId{257}, 1, 1}, "w", {}}})));
  EXPECT_TRUE(fenced(master().prove()));
  EXPECT_TRUE(fenced(master().take({5})));
  EXPECT_TRUE(fenced(master().release({5})));
  EXPECT_TRUE(fenced(master().take_over(Incarnation{2})));
  const auto view = other.get(TaskId{257});
  ASSERT_TRUE(view);
  EXPECT_TRUE(view->late.empty() && !view->row.cancel_requested && view->row.worker.empty());
  EXPECT_THAT(*other.take({1}), ElementsAre(ShardEpoch{1, 2}));
}

TEST_P(StoreContract, TakeOverMayBeRepeated) {
  ASSERT_TRUE(master().take({1}));
  Master other(world(), 2, "m2");
  ASSERT_TRUE(other.open());
  EXPECT_TRUE(other.take_over(Incarnation{1}));
  ASSERT_TRUE(other.take({1}));
  EXPECT_TRUE(other.take_over(Incarnation{1}));
  EXPECT_EQ(other.shards()[1].owner, other.incarnation());
  EXPECT_TRUE(other.take_over(Incarnation{99}));  // nobody ever
  EXPECT_EQ(other.take_over(Incarnation{2}).error().code, ErrorCode::invalid_argument);
}

TEST_P(StoreContract, StatementsInFlightAtTheTakeOverHaveHappenedOrNeverWill) {
  Master other(world(), 2, "m2");
  ASSERT_TRUE(other.open());
  constexpr int kBatches = 40;
  std::vector<ErrorCode> failures;
  std::vector<bool> accepted(kBatches);
  int answers = 0;
  for (int i = 0; i < kBatches; ++i) {
    master().store().accept({make_row(256 * (i + 1))}, [&, i](Result<> result) {
      ++answers;
      accepted[static_cast<std::size_t>(i)] = result.has_value();
      if (!result) failures.push_back(result.error().code);
    });
  }
  ASSERT_TRUE(other.take_over(Incarnation{1}));
  const std::size_t after_take_over = other.list({}).views.size();
  ASSERT_TRUE(world().run_until([&] { return answers == kBatches; }));
  EXPECT_EQ(other.list({}).views.size(), after_take_over);
  for (int i = 0; i < kBatches; ++i) {
    if (!accepted[static_cast<std::size_t>(i)]) continue;
    EXPECT_TRUE(other.get(TaskId{256 * (i + 1)})) << i;
  }
  for (const ErrorCode code : failures) {
    EXPECT_TRUE(code == ErrorCode::fenced || code == ErrorCode::unknown_outcome ||
                code == ErrorCode::unavailable);
  }
}

TEST_P(StoreContract, StatementsOfAnOlderGenerationDoNothing) {
  ASSERT_TRUE(master().take({0, 1}));
  constexpr int kBatches = 20;
  std::vector<Result<>> outcomes(kBatches, fail(ErrorCode::cancelled, "no answer"));
  int answers = 0;
  bool released = false;
  master().store().release_shards({1}, [&](Result<> result) { released = result.has_value(); });
  for (int i = 0; i < kBatches; ++i) {
    master().store().accept({make_row(256 * (i + 1))}, [&, i](Result<> result) {
      ++answers;
      outcomes[static_cast<std::size_t>(i)] = std::move(result);
    });
  }
  ASSERT_TRUE(world().run_until([&] { return released && answers == kBatches; }));
  for (int i = 0; i < kBatches; ++i) {
    const auto& outcome = outcomes[static_cast<std::size_t>(i)];
    const bool there = master().get(TaskId{256 * (i + 1)}).has_value();
    EXPECT_EQ(outcome.has_value(), there) << i;
    EXPECT_TRUE(outcome || outcome.error().code == ErrorCode::fenced);
  }
}

TEST_P(StoreContract, IdBlocksNeverOverlap) {
  std::int64_t end = 0;
  for (const std::int64_t count : {1, 1000, 16'384}) {
    const IdBlock block = *master().next_ids(count);
    EXPECT_GE(block.first_sequence, end);
    EXPECT_GT(block.first_sequence, 0);
    EXPECT_EQ(block.count, count);
    end = block.first_sequence + block.count;
  }
}

TEST_P(StoreContract, NothingIsAnsweredAfterClose) {
  bool answered = false;
  master().store().accept({make_row(256)}, [&](Result<>) { answered = true; });
  master().store().close();
  EXPECT_FALSE(world().run_until([&] { return answered; }, std::chrono::milliseconds(50)));
}

}  // namespace
}  // namespace ringmaster
