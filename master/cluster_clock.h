// ClusterClock: PostgreSQL's time, carried forward on this master's monotonic clock. Pure.
//
// An answer says what time it was at some moment between question and answer, and no more: however late it
// comes, cluster time is wrong by at most the time that the quickest of the answers so far took.
#pragma once

#include <algorithm>
#include <optional>

#include "base/time.h"

namespace ringmaster {

class ClusterClock {
 public:
  // Before the first answer: 0.
  WallTime at(MonoTime mono) const {
    return WallTime{mono.time_since_epoch() + offset_.value_or(Duration{0})};
  }

  // PostgreSQL read `told` on its clock between these two. Moves cluster time as little as that requires;
  // answers by how much.
  Duration learn(MonoTime asked, MonoTime answered, WallTime told) {
    const Duration least = told.time_since_epoch() - answered.time_since_epoch();
    const Duration most = told.time_since_epoch() - asked.time_since_epoch();
    const Duration known = offset_.value_or(least + (most - least) / 2);
    const Duration moved = std::clamp(known, least, most) - known;
    offset_ = known + moved;
    return moved;
  }

 private:
  std::optional<Duration> offset_;  // cluster time - monotonic
};

}  // namespace ringmaster
