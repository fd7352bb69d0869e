// HashRing: consistent hashing of keys to named servers. An immutable snapshot: copies share it and cost a
// pointer; string_views that it gives out live as long as any copy. Any thread may read.
//
// The same members give the same ring on every node, whatever their order: server s has the points
// murmur64(s + '\0' + decimal(i)), equal points go in name order, and a key belongs to the first point at or
// after murmur64(key), wrapping around. The NUL keeps `worker-1` + "15" and `worker-11` + "5" apart.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/ring_points.h"

namespace ringmaster {

struct RingMember {
  std::string name;
  double weight = 1;  // scales the number of points; 0: a member without any, which owns nothing
  bool operator==(const RingMember&) const = default;
};

class HashRing {
 public:
  static constexpr std::uint32_t kVirtualNodes = 4096;  // points of a member of weight 1

  HashRing() : HashRing(std::vector<std::string>{}) {}
  // A name given twice counts once. At most kMaxRingServers names.
  explicit HashRing(std::vector<std::string> names, std::uint32_t virtual_nodes = kVirtualNodes);
  static HashRing weighted(std::vector<RingMember> members, std::uint32_t virtual_nodes = kVirtualNodes);

  // The ring of other members: equal to a new one, but a few changes cost a merge instead of hashing and
  // sorting all.
  HashRing changed_to(std::vector<std::string> names) const;
  HashRing changed_to(std::vector<RingMember> members) const;

  bool empty() const { return ring_->points.size() == 0; }
  const std::vector<std::string>& names() const { return ring_->names; }  // ascending
  const RingPoints& points() const { return ring_->points; }

  // Nobody, if the ring is empty. Allocates nothing.
  std::optional<std::string_view> owner(std::string_view key) const { return owner_of_hash(murmur64(key)); }
  std::optional<std::string_view> owner_of_hash(std::uint64_t hash) const {
    if (empty()) return std::nullopt;
    const RingPoints& points = ring_->points;
    return ring_->names[points.server(points.at_or_after(hash))];
  }

  // Calls f(name) for the owner of `key`, then for each next distinct server clockwise, until f answers true
  // (then so does walk) or all have been seen. Allocates nothing; costs the points passed.
  template <class F>
  bool walk(std::string_view key, F f) const;

 private:
  struct Snapshot {
    std::vector<std::string> names;
    std::vector<std::uint32_t> counts;  // points of each
    std::uint32_t virtual_nodes = kVirtualNodes;
    std::size_t reachable = 0;  // members with at least one point
    RingPoints points;
  };
  explicit HashRing(std::shared_ptr<const Snapshot> ring) : ring_(std::move(ring)) {}
  static Snapshot describe(std::vector<RingMember> members, std::uint32_t virtual_nodes);

  std::shared_ptr<const Snapshot> ring_;
};

template <class F>
bool HashRing::walk(std::string_view key, F f) const {
  if (empty()) return false;
  const RingPoints& points = ring_->points;
  const auto ask = [&](RingServer server) { return f(std::string_view(ring_->names[server])); };
  std::size_t at = points.at_or_after(murmur64(key));
  if (ask(points.server(at))) return true;
  // One bit a server; only as many words are cleared as there are servers.
  std::array<std::uint64_t, kMaxRingServers / 64> seen;
  std::fill_n(seen.begin(), ring_->names.size() / 64 + 1, 0);
  const auto first_time = [&seen](RingServer server) {
    const std::uint64_t bit = std::uint64_t{1} << (server % 64);
    const bool fresh = (seen[server / 64] & bit) == 0;
    seen[server / 64] |= bit;
    return fresh;
  };
  first_time(points.server(at));
  for (std::size_t left = ring_->reachable - 1; left > 0;) {
    at = at + 1 < points.size() ? at + 1 : 0;
    const RingServer server = points.server(at);
    if (!first_time(server)) continue;
    if (ask(server)) return true;
    --left;
  }
  return false;
}

}  // namespace ringmaster
