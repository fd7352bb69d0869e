#include "base/hash_ring.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <glog/logging.h>

namespace ringmaster {
namespace {

constexpr double kMaxPoints = 10'000'000;  // of one member

std::uint32_t points_of(double weight, std::uint32_t virtual_nodes) {
  CHECK(weight >= 0) << "a ring member's weight is a number from 0 up";
  const double points = std::round(std::min(weight * virtual_nodes, kMaxPoints));
  return weight > 0 ? std::max(1U, static_cast<std::uint32_t>(points)) : 0;
}

PointSource source_of(const std::string& name, std::uint32_t count) {
  return {name + '\0', count};
}

std::vector<RingMember> with_weight_one(std::vector<std::string> names) {
  std::vector<RingMember> members;
  members.reserve(names.size());
  for (std::string& name : names) members.push_back({std::move(name), 1});
  return members;
}

constexpr std::uint32_t kGone = kMaxRingServers;

// Points that stay, and what each of their servers is called now: an index, or kGone.
struct Renamed {
  const RingPoints& points;
  std::vector<std::uint32_t> now;
};

// Merges by (hash, server). Both sides keep their order under their new indexes, because those grow with the
// old.
RingPoints merge(const Renamed& kept, const Renamed& added, std::size_t total) {
  BulkVector<std::uint64_t> hashes;
  BulkVector<RingServer> servers;
  hashes.resize(total);
  servers.resize(total);
  std::size_t at = 0, a = 0;
  const auto put = [&](std::uint64_t hash, std::uint32_t server) {
    hashes[at] = hash;
    servers[at++] = static_cast<RingServer>(server);
  };
  for (std::size_t k = 0; k < kept.points.size(); ++k) {
    const std::uint64_t hash = kept.points.hash(k);
    const std::uint32_t server = kept.now[kept.points.server(k)];
    if (server == kGone) continue;
    for (; a < added.points.size(); ++a) {
      const std::uint32_t other = added.now[added.points.server(a)];
      if (std::pair(added.points.hash(a), other) > std::pair(hash, server)) break;
      put(added.points.hash(a), other);
    }
    put(hash, server);
  }
  for (; a < added.points.size(); ++a) put(added.points.hash(a), added.now[added.points.server(a)]);
  CHECK_EQ(at, total);
  return RingPoints::from_sorted(std::move(hashes), std::move(servers));
}

}  // namespace

HashRing::Snapshot HashRing::describe(std::vector<RingMember> members, std::uint32_t virtual_nodes) {
  std::ranges::stable_sort(members, {}, &RingMember::name);
  const auto repeated = std::ranges::unique(members, {}, &RingMember::name);
  members.erase(repeated.begin(), repeated.end());
  Snapshot ring;
  ring.virtual_nodes = virtual_nodes;
  for (RingMember& member : members) {
    ring.counts.push_back(points_of(member.weight, virtual_nodes));
    if (ring.counts.back() > 0) ++ring.reachable;
    ring.names.push_back(std::move(member.name));
  }
  return ring;
}

HashRing HashRing::weighted(std::vector<RingMember> members, std::uint32_t virtual_nodes) {
  Snapshot ring = describe(std::move(members), virtual_nodes);
  std::vector<PointSource> sources;
  for (std::size_t i = 0; i < ring.names.size(); ++i) {
    sources.push_back(source_of(ring.names[i], ring.counts[i]));
  }
  ring.points = RingPoints::build(sources);
  return HashRing(std::make_shared<const Snapshot>(std::move(ring)));
}

HashRing::HashRing(std::vector<std::string> names, std::uint32_t virtual_nodes)
    : HashRing(weighted(with_weight_one(std::move(names)), virtual_nodes)) {}

HashRing HashRing::changed_to(std::vector<std::string> names) const {
  return changed_to(with_weight_one(std::move(names)));
}

HashRing HashRing::changed_to(std::vector<RingMember> members) const {
  const Snapshot& old = *ring_;
  Snapshot ring = describe(std::move(members), old.virtual_nodes);
  Renamed kept{old.points, std::vector<std::uint32_t>(old.names.size(), kGone)};
  std::vector<PointSource> sources;
  std::vector<std::uint32_t> added_as;
  std::size_t total = 0, fresh = 0;
  for (std::size_t i = 0; i < ring.names.size(); ++i) {
    const auto index = static_cast<std::uint32_t>(i);
    const auto before = std::ranges::lower_bound(old.names, ring.names[i]);
    const auto place = static_cast<std::size_t>(before - old.names.begin());
    total += ring.counts[i];
    if (before != old.names.end() && *before == ring.names[i] && old.counts[place] == ring.counts[i]) {
      kept.now[place] = index;
    } else {
      sources.push_back(source_of(ring.names[i], ring.counts[i]));
      added_as.push_back(index);
      fresh += ring.counts[i];
    }
  }
  if (fresh == 0 && old.names == ring.names) return *this;
  const RingPoints added = RingPoints::build(sources);
  ring.points = merge(kept, {added, std::move(added_as)}, total);
  return HashRing(std::make_shared<const Snapshot>(std::move(ring)));
}

}  // namespace ringmaster
