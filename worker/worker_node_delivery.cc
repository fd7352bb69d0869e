#include "worker/worker_node_delivery.h"

#include <utility>

namespace ringmaster {

Delivery::Step Delivery::step(const std::vector<Ledger::Orphan>& orphans,
                              const std::function<bool(const std::string&)>& has_link) {
  Step step;
  std::erase_if(failures_, [&](const auto& entry) { return !masters_.contains(entry.first); });
  std::erase_if(dialled_, [&](const auto& entry) {
    if (masters_.contains(entry.first)) return false;
    step.undial.push_back(entry.first);
    return true;
  });

  const std::set<ShardId> before = std::exchange(orphaned_, {});
  std::set<std::string> wanted;
  for (const Ledger::Orphan& orphan : orphans) {
    orphaned_.insert(orphan.shard);
    if (!before.contains(orphan.shard)) continue;
    if (masters_.contains(orphan.master)) {
      wanted.insert(orphan.master);
      const auto failures = failures_.find(orphan.master);
      if (failures == failures_.end() || failures->second < redials_) continue;
    }
    step.given_up[orphan.shard] = true;
    for (const auto& [id, address] : masters_) wanted.insert(id);
  }
  for (const std::string& id : wanted) {
    const std::string& address = masters_.at(id);
    if (has_link(id)) continue;
    const auto [entry, is_new] = dialled_.try_emplace(id, address);
    if (!is_new && entry->second == address) continue;
    entry->second = address;
    step.dial.push_back({id, address});
  }
  return step;
}

bool Delivery::own_channel_up(const std::string& master) {
  return dialled_.erase(master) != 0;
}

}  // namespace ringmaster
