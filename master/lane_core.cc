#include "master/lane_core.h"

namespace ringmaster {

void Lane::erase(PageKey key) {
  if (ready_.erase(key) > 0) return;
  for (auto& [worker, keys] : parked_) parked_count_ -= keys.erase(key);
}

PageKey Lane::back() const {
  std::optional<PageKey> last;
  if (!ready_.empty()) last = *ready_.rbegin();
  for (const auto& [worker, keys] : parked_) {
    if (!keys.empty() && (!last || *keys.rbegin() > *last)) last = *keys.rbegin();
  }
  return *last;
}

void Lane::park(const std::string& worker, PageKey key) {
  parked_count_ += parked_[worker].insert(key).second;
}

void Lane::unpark(const std::string& worker) {
  const auto it = parked_.find(worker);
  if (it == parked_.end()) return;
  parked_count_ -= it->second.size();
  ready_.merge(it->second);
  parked_.erase(it);
}

void Lane::unpark_all() {
  for (auto& [worker, keys] : parked_) ready_.merge(keys);
  parked_.clear();
  parked_count_ = 0;
}

void Lane::end_read(PageKey last, bool exhausted) {
  reading_ = false;
  if (reload_again_) {  // this page did not see the shards taken meanwhile: start over
    reload_again_ = false;
    return;
  }
  cursor_ = last;
  in_store_ = !exhausted;
}

void Lane::drop(PageKey key) {
  const PageKey below{key.rank, TaskId{key.id.value - 1}};
  if (!in_store_) {
    in_store_ = true;
    cursor_ = below;
  } else if (cursor_ && key <= *cursor_) {
    cursor_ = below;
  }
}

}  // namespace ringmaster
