// Back-off: how long to wait before trying again. Pure: the caller brings the random numbers. Any thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>

#include "base/task.h"
#include "base/time.h"

namespace ringmaster {

// The wait after the `failures`-th counted failure (1, 2, …): backoff * factor^(failures - 1), at most
// backoff_max. Deterministic, so that a retry's time can be recomputed. No failure, no wait.
inline Duration backoff_delay(const RetryPolicy& policy, int failures) {
  if (failures < 1) return Duration::zero();
  const auto limit = static_cast<double>(policy.backoff_max.count());
  const double wait = static_cast<double>(policy.backoff.count()) * std::pow(policy.factor, failures - 1);
  // The double may be infinite: compare before the conversion, which would be undefined.
  if (!(wait < limit)) return std::max(policy.backoff_max, Duration::zero());
  return Duration(static_cast<Duration::rep>(std::max(wait, 0.0)));
}

// Two refused connections, so far apart at least, prove that nobody listens: a daemon is dead.
inline constexpr Duration kRefusedInterval = std::chrono::milliseconds(200);

// Waits between attempts to reach a peer: uniform in [0, bound] ("full jitter"), while bound doubles from
// `initial` up to `max`. Full jitter keeps a thousand peers of a restarted node from returning in step.
class ReconnectBackoff {
 public:
  ReconnectBackoff(Duration initial, Duration max)
      : initial_(std::clamp(initial, Duration(1), std::max(max, Duration(1)))),
        max_(std::max(max, Duration(1))),
        bound_(initial_) {}

  // `random`: 64 uniform bits.
  Duration next(std::uint64_t random) {
    const auto span = static_cast<std::uint64_t>(bound_.count()) + 1;
    bound_ = bound_ > max_ / 2 ? max_ : bound_ * 2;
    return Duration(static_cast<Duration::rep>(random % span));  // a modulo bias of 2^-30: irrelevant
  }
  // The peer answered: start again from `initial`.
  void reset() { bound_ = initial_; }
  // The longest that next() may answer.
  Duration bound() const { return bound_; }

 private:
  Duration initial_, max_, bound_;
};

}  // namespace ringmaster
