// RingPoints: the points of a hash ring, sorted, in flat arrays with an index over their leading bits: 11 to
// 12 bytes a point. Written once, then read from any thread.
//
// The index has one entry for each run of 2 to 4 points on average. Hashes are uniform, so a look-up is one
// entry and a scan of a few neighbours: no binary search, hardly more than two cache misses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace ringmaster {

// A vector's allocator that leaves new numbers unset (they are all written anyway) and asks for huge pages
// when there are many: random look-ups in 100 MB of small pages would mostly wait for the TLB.
template <class T>
class BulkAllocator {
 public:
  using value_type = T;
  static_assert(std::is_trivial_v<T>);

  BulkAllocator() = default;
  template <class U>
  BulkAllocator(const BulkAllocator<U>&) {}  // NOLINT(google-explicit-constructor): allocators convert

  T* allocate(std::size_t count);
  void deallocate(T* memory, std::size_t count) noexcept;
  template <class U>
  void construct(U*) noexcept {}
  template <class U, class Value>
  void construct(U* place, Value&& value) {
    ::new (static_cast<void*>(place)) U(std::forward<Value>(value));
  }
  bool operator==(const BulkAllocator&) const = default;
};
extern template class BulkAllocator<std::uint8_t>;
extern template class BulkAllocator<std::uint16_t>;
extern template class BulkAllocator<std::uint32_t>;
extern template class BulkAllocator<std::uint64_t>;
template <class T>
using BulkVector = std::vector<T, BulkAllocator<T>>;

using RingServer = std::uint16_t;  // an index into the ring's list of servers
inline constexpr std::size_t kMaxRingServers = 65'536;

// Server number k (its place in the list of sources) has the points murmur64(prefix + decimal(i)), i in [0,
// count).
struct PointSource {
  std::string prefix;
  std::uint32_t count = 0;
};

class RingPoints {
 public:
  RingPoints() = default;
  // Sorted by (hash, server). `flip` is xor-ed into every hash: the sign bit, for a ring in signed order.
  // Uses a second thread from about a million points on. At most kMaxRingServers sources and 2^32 - 1 points.
  static RingPoints build(const std::vector<PointSource>& sources, std::uint64_t flip = 0);
  // From arrays of equal length in that order.
  static RingPoints from_sorted(BulkVector<std::uint64_t> hashes, BulkVector<RingServer> servers);

  std::size_t size() const { return hashes_.size(); }
  std::uint64_t hash(std::size_t i) const { return hashes_[i]; }
  RingServer server(std::size_t i) const { return servers_[i]; }
  const BulkVector<std::uint64_t>& hashes() const { return hashes_; }
  const BulkVector<RingServer>& servers() const { return servers_; }

  // The first point at or after `hash`, clockwise: past the last comes the first. Call only while size() > 0.
  std::size_t at_or_after(std::uint64_t hash) const {
    const std::uint64_t bucket = hash >> shift_;
    std::size_t i = std::size_t{blocks_[bucket / kBlock]} + offsets_[bucket];
    // The owner is read next, from another array: fetch it while the hashes are compared.
    __builtin_prefetch(servers_.data() + i);
    while (i < hashes_.size() && hashes_[i] < hash) ++i;
    return i < hashes_.size() ? i : 0;
  }

  std::size_t bytes() const {
    return hashes_.size() * sizeof(std::uint64_t) + servers_.size() * sizeof(RingServer) +
           blocks_.size() * sizeof(std::uint32_t) + offsets_.size();
  }

 private:
  friend class RingPointsBuilder;
  static constexpr std::size_t kBlock = 64;
  void allocate(std::size_t points);
  // Points the buckets [first, last) to the sorted points [begin, end), which are all that they hold.
  void index_buckets(std::size_t first, std::size_t last, std::size_t begin, std::size_t end);

  BulkVector<std::uint64_t> hashes_;
  BulkVector<RingServer> servers_;
  BulkVector<std::uint32_t> blocks_;  // for each kBlock buckets: the first point at or after them
  BulkVector<std::uint8_t> offsets_;  // for each bucket: how many points further its own begin, at most 255
  int shift_ = 63;
};

}  // namespace ringmaster
