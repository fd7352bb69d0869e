#include "master/suspicion.h"

#include <algorithm>
#include <utility>

#include "base/backoff.h"

namespace ringmaster {

namespace {
constexpr Duration kRefusedWindow = std::chrono::seconds(5);  // two refusals further apart prove nothing
constexpr Duration kQuickEvery = std::chrono::minutes(1);     // for one peer; then the registry must agree
}  // namespace

void Suspicion::on_list(std::map<std::string, Incarnation> shown) {
  shown_ = std::move(shown);
  std::erase_if(buried_, [&](const auto& dead) {
    const auto again = shown_.find(dead.first);
    return again == shown_.end() || again->second != dead.second;
  });
}

bool Suspicion::on_refused(const std::string& node, MonoTime now) {
  Refusals& seen = refusals_[node];
  if (seen.first == MonoTime{} || now - seen.last > kRefusedWindow) seen = {now, now, false};
  seen.last = now;
  if (seen.proved || now - seen.first < kRefusedInterval) return false;
  return seen.proved = true;
}

bool Suspicion::on_reached(const std::string& node) {
  return refusals_.erase(node) != 0;
}

void Suspicion::on_taken_over(const Dead& dead, MonoTime now) {
  buried_[dead.node] = dead.incarnation;
  if (dead.refuses) quick_at_[dead.node] = now;
}

bool Suspicion::refuses(const std::string& node) const {
  const auto seen = refusals_.find(node);
  return seen != refusals_.end() && seen->second.proved;
}

// Wrongly suspected, it loses its shards and comes back: so not too often.
bool Suspicion::taken_over_lately(const std::string& node, MonoTime now) const {
  const auto last = quick_at_.find(node);
  return last != quick_at_.end() && now - last->second < kQuickEvery;
}

std::vector<std::string> Suspicion::ring() const {
  std::vector<std::string> names;
  for (const auto& [node, incarnation] : shown_) {
    if (!buried_.contains(node) && !refuses(node)) names.push_back(node);
  }
  return names;
}

std::optional<Suspicion::Dead> Suspicion::choose(const std::vector<Dead>& dead) const {
  if (dead.empty()) return std::nullopt;
  const auto free =
      std::ranges::find_if(dead, [&](const Dead& each) { return each.incarnation != blocked_; });
  return free == dead.end() ? dead.front() : *free;
}

std::optional<Suspicion::Dead> Suspicion::judge(const std::vector<ShardRow>& shards, Incarnation self,
                                                bool list_is_current, MonoTime now) {
  std::map<std::string, MonoTime> missing;
  std::vector<Dead> dead;
  for (const ShardRow& row : shards) {
    if (!row.owner || row.owner == self) continue;
    const std::string& node = row.owner_node;
    const bool refused = refuses(node) && !taken_over_lately(node, now);
    if (!row.owner_alive || refused) {
      dead.push_back({node, row.owner, refused});
      continue;
    }
    if (shown_.contains(node) || !list_is_current) continue;
    const auto known = missing_since_.find(node);
    const MonoTime since = known == missing_since_.end() ? now : known->second;
    if (now - since >= dead_after_) dead.push_back({node, row.owner, false});
    missing.emplace(node, since);
  }
  missing_since_ = std::move(missing);
  return choose(dead);
}

}  // namespace ringmaster
