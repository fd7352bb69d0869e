// Leases: the times that keep two attempts of one task from running at once when a worker cannot be reached.
// Workers and masters must use the same ones. All are measured on CLOCK_BOOTTIME, which counts a sleeping
// machine's time too; no two clocks are ever compared.
#pragma once

#include "base/task.h"
#include "base/time.h"

namespace ringmaster {

struct LeaseTimes {
  // A worker runs leased attempts of a shard for so long after it *sent* the last status that the shard's
  // owner granted.
  Duration length = std::chrono::seconds(30);
  // A master grants only on a writing fence check that began at most so long ago: a fenced master can go on
  // granting for that long, and its successor adds it.
  Duration proof = std::chrono::seconds(5);
  // From the end of a lease until the death of its attempts is verified: SIGTERM, at most 5 s, SIGKILL.
  Duration kill = std::chrono::seconds(8);
  // Boot clocks of two machines run apart by less than this, in parts of a thousand.
  int drift_permille = 5;

  // How long one must wait from a grant, or (with `proof`) from a change of owner, until nothing runs under
  // it.
  constexpr Duration wait(bool owner_changed) const {
    const Duration span = length + kill + (owner_changed ? proof : Duration{0});
    return span + span * drift_permille / 1000;
  }
};

// Whether an attempt may start only under a lease: those that must never run twice in silence.
constexpr bool needs_lease(OnWorkerLost policy) {
  return policy != OnWorkerLost::rerun;
}

}  // namespace ringmaster
