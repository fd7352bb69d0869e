#include "master/shard_table_core.h"

namespace ringmaster {

void ShardTable::set_masters(std::vector<std::string> names) {
  if (names.empty()) return;
  // We live, whatever the registry shows: shards are not given up because our own node is late or was swept
  // away.
  names.push_back(self_);
  const HashRing ring(std::move(names));
  for (int i = 0; i < kShardCount; ++i) {
    target_[static_cast<std::size_t>(i)] = std::string(*ring.owner("shard/" + std::to_string(i)));
  }
}

void ShardTable::taken(const std::vector<ShardEpoch>& shards) {
  for (const auto& [shard, epoch] : shards) {
    if (epoch_[shard] == 0) ++count_;
    epoch_[shard] = epoch;
  }
}

void ShardTable::released(const std::vector<ShardId>& shards) {
  for (const ShardId shard : shards) {
    if (epoch_[shard] != 0) --count_;
    epoch_[shard] = 0;
  }
}

std::vector<bool> ShardTable::owned() const {
  std::vector<bool> owned(kShardCount);
  for (std::size_t i = 0; i < owned.size(); ++i) owned[i] = epoch_[i] != 0;
  return owned;
}

std::vector<ShardEpoch> ShardTable::epochs() const {
  std::vector<ShardEpoch> result;
  for (std::size_t i = 0; i < epoch_.size(); ++i) {
    if (epoch_[i] != 0) result.push_back({static_cast<ShardId>(i), epoch_[i]});
  }
  return result;
}

std::vector<ShardId> ShardTable::to_release() const {
  std::vector<ShardId> result;
  for (std::size_t i = 0; i < epoch_.size(); ++i) {
    if (epoch_[i] != 0 && !target_[i].empty() && target_[i] != self_)
      result.push_back(static_cast<ShardId>(i));
  }
  return result;
}

ShardId ShardTable::next_for_new_task() {
  do {
    ++turn_;  // wraps at 256
  } while (epoch_[turn_] == 0);
  return turn_;
}

}  // namespace ringmaster
