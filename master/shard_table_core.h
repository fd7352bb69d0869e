// ShardTable: which shards this master owns, and which it should take or give up. Pure; PostgreSQL decides,
// this only asks. Shards map to live masters by a hash ring over `shard/<n>`.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/hash_ring.h"
#include "base/ids.h"
#include "base/messages.h"

namespace ringmaster {

class ShardTable {
 public:
  explicit ShardTable(std::string self) : self_(std::move(self)) {}

  // The masters that the registry shows, in any order, and ourselves. An empty list changes nothing.
  void set_masters(std::vector<std::string> names);
  // Who should own it now; empty while no master list is known.
  const std::string& should_own(ShardId shard) const { return target_[shard]; }

  void taken(const std::vector<ShardEpoch>& shards);
  void released(const std::vector<ShardId>& shards);
  bool owns(ShardId shard) const { return epoch_[shard] != 0; }
  Epoch epoch(ShardId shard) const { return epoch_[shard]; }  // 0: not ours
  std::vector<bool> owned() const;
  std::vector<ShardEpoch> epochs() const;
  std::uint32_t count() const { return count_; }
  // Those that we own and another live master should have.
  std::vector<ShardId> to_release() const;
  // The next own shard for a new task, in turn; call only while count() > 0.
  ShardId next_for_new_task();

 private:
  std::string self_;
  std::array<std::string, kShardCount> target_;
  std::array<Epoch, kShardCount> epoch_{};
  std::uint32_t count_ = 0;
  ShardId turn_ = 0;
};

}  // namespace ringmaster
