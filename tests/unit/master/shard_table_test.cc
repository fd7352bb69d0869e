#include <map>

#include <gtest/gtest.h>

#include "master/shard_table_core.h"

namespace ringmaster {
namespace {

std::vector<ShardEpoch> all_shards(Epoch epoch) {
  std::vector<ShardEpoch> all;
  for (int i = 0; i < kShardCount; ++i) all.push_back({static_cast<ShardId>(i), epoch});
  return all;
}

TEST(ShardTable, EveryMasterComputesTheSameSharesOfAboutEqualSize) {
  ShardTable a("m1"), b("m2");
  a.set_masters({"m1", "m2"});
  b.set_masters({"m2", "m1"});
  std::map<std::string, int> shares;
  for (int i = 0; i < kShardCount; ++i) {
    const auto shard = static_cast<ShardId>(i);
    EXPECT_EQ(a.should_own(shard), b.should_own(shard));
    ++shares[a.should_own(shard)];
  }
  EXPECT_GT(shares["m1"], 80);
  EXPECT_GT(shares["m2"], 80);
}

TEST(ShardTable, KeepsItsShareWhenItsOwnRegistryNodeIsMissing) {
  ShardTable table("m1");
  table.set_masters({"m1", "m2"});
  std::vector<ShardEpoch> mine;
  for (const ShardEpoch& shard : all_shards(3)) {
    if (table.should_own(shard.shard) == "m1") mine.push_back(shard);
  }
  table.taken(mine);
  table.set_masters({"m2"});
  EXPECT_TRUE(table.to_release().empty());
}

TEST(ShardTable, ReleasesWhatALivePeerShouldOwn) {
  ShardTable table("m1");
  table.set_masters({"m1"});
  table.taken(all_shards(1));
  EXPECT_TRUE(table.to_release().empty());
  table.set_masters({"m1", "m2"});
  const auto excess = table.to_release();
  EXPECT_FALSE(excess.empty());
  for (const ShardId shard : excess) EXPECT_EQ(table.should_own(shard), "m2");
  table.released(excess);
  EXPECT_EQ(table.count(), kShardCount - excess.size());
}

TEST(ShardTable, NewTasksGoRoundItsOwnShards) {
  ShardTable table("m1");
  table.taken({{3, 1}, {200, 1}});
  std::map<ShardId, int> given;
  for (int i = 0; i < 10; ++i) ++given[table.next_for_new_task()];
  EXPECT_EQ(given, (std::map<ShardId, int>{{3, 5}, {200, 5}}));
}

}  // namespace
}  // namespace ringmaster
