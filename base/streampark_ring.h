// StreamparkRing: the ring of Apache StreamPark, point for point, for clusters that move over from it and for
// checking keys against it. Not for new clusters: its names share points (`worker-1` + "15" is `worker-11` +
// "5"), so owners depend on the order of insertion. Not thread-safe while it changes.
//
// Server s has the points murmur64(s + decimal(i)), 131,072 of them; a later add overwrites an equal point,
// and remove takes the point away whoever owns it by then. Hashes are signed and ordered so.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ring_points.h"

namespace ringmaster {

class StreamparkRing {
 public:
  static constexpr std::uint32_t kVirtualNodes = 131'072;

  StreamparkRing() = default;
  // As if each had been added in this order.
  explicit StreamparkRing(const std::vector<std::string>& names);

  void add(const std::string& name);
  void remove(std::string_view name);

  struct Owner {
    std::string_view name;  // valid until the next add
    std::int64_t point = 0;
  };
  // Nobody, if the ring is empty.
  std::optional<Owner> owner(std::string_view key) const;
  const RingPoints& points() const { return points_; }

 private:
  RingServer index_of(const std::string& name);

  std::vector<std::string> names_;  // every server ever added; only points tell who is in
  RingPoints points_;               // hashes with their sign bit flipped: unsigned order is then signed order
};

}  // namespace ringmaster
