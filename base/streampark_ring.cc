#include "base/streampark_ring.h"

#include <algorithm>
#include <utility>

#include <glog/logging.h>

#include "base/hash.h"

namespace ringmaster {
namespace {

constexpr std::uint64_t kSign = std::uint64_t{1} << 63;

RingPoints points_of(std::string_view name) {
  return RingPoints::build({{std::string(name), StreamparkRing::kVirtualNodes}}, kSign);
}

// Points in ascending order of hash, of which the last put at a hash stays.
class Circle {
 public:
  explicit Circle(std::size_t at_most) {
    hashes_.reserve(at_most);
    servers_.reserve(at_most);
  }
  void put(std::uint64_t hash, RingServer server) {
    if (!hashes_.empty() && hashes_.back() == hash) {
      servers_.back() = server;
    } else {
      hashes_.push_back(hash);
      servers_.push_back(server);
    }
  }
  RingPoints finish() && { return RingPoints::from_sorted(std::move(hashes_), std::move(servers_)); }

 private:
  BulkVector<std::uint64_t> hashes_;
  BulkVector<RingServer> servers_;
};

}  // namespace

StreamparkRing::StreamparkRing(const std::vector<std::string>& names) {
  // Ties sort by place, so the last put is the last name's. A name given again moves to its later place.
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    if (std::ranges::find(names_, *name) == names_.end()) names_.push_back(*name);
  }
  std::ranges::reverse(names_);
  std::vector<PointSource> sources;
  for (const std::string& name : names_) sources.push_back({name, kVirtualNodes});
  const RingPoints all = RingPoints::build(sources, kSign);
  Circle circle(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) circle.put(all.hash(i), all.server(i));
  points_ = std::move(circle).finish();
}

RingServer StreamparkRing::index_of(const std::string& name) {
  auto found = std::ranges::find(names_, name);
  if (found == names_.end()) {
    CHECK_LT(names_.size(), kMaxRingServers);
    found = names_.insert(names_.end(), name);
  }
  return static_cast<RingServer>(found - names_.begin());
}

void StreamparkRing::add(const std::string& name) {
  const RingServer server = index_of(name);
  const RingPoints added = points_of(name);
  Circle circle(points_.size() + added.size());
  std::size_t old = 0;
  for (std::size_t i = 0; i < added.size(); ++i) {
    for (; old < points_.size() && points_.hash(old) <= added.hash(i); ++old) {
      circle.put(points_.hash(old), points_.server(old));
    }
    circle.put(added.hash(i), server);
  }
  for (; old < points_.size(); ++old) circle.put(points_.hash(old), points_.server(old));
  points_ = std::move(circle).finish();
}

void StreamparkRing::remove(std::string_view name) {
  const RingPoints removed = points_of(name);
  Circle circle(points_.size());
  std::size_t gone = 0;
  for (std::size_t i = 0; i < points_.size(); ++i) {
    const std::uint64_t hash = points_.hash(i);
    while (gone < removed.size() && removed.hash(gone) < hash) ++gone;
    if (gone < removed.size() && removed.hash(gone) == hash) continue;
    circle.put(hash, points_.server(i));
  }
  points_ = std::move(circle).finish();
}

std::optional<StreamparkRing::Owner> StreamparkRing::owner(std::string_view key) const {
  if (points_.size() == 0) return std::nullopt;
  const std::size_t at = points_.at_or_after(murmur64(key) ^ kSign);
  return Owner{names_[points_.server(at)], static_cast<std::int64_t>(points_.hash(at) ^ kSign)};
}

}  // namespace ringmaster
