// Time in microseconds, in two kinds that do not mix: MonoTime (CLOCK_BOOTTIME; deadlines, leases) and
// WallTime (UTC; what is stored and shown). Text: RFC 3339 UTC with microseconds, and durations like `1h30m`.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace ringmaster {

using Duration = std::chrono::microseconds;

struct MonoClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonoClock, Duration>;
  static constexpr bool is_steady = true;
};
using MonoTime = MonoClock::time_point;
using WallTime = std::chrono::sys_time<Duration>;

// The machine's clocks. Only the outermost shells read them; everything else is told the time.
MonoTime read_mono_clock();
WallTime read_wall_clock();

inline std::int64_t to_unix_micros(WallTime t) {
  return t.time_since_epoch().count();
}
inline WallTime from_unix_micros(std::int64_t us) {
  return WallTime{Duration{us}};
}

// `2026-11-21T09:30:00.000001Z`. Times outside the years 0 to 9999 are shown as the nearest one inside.
std::string format_time(WallTime t);
// Accepts any RFC 3339 date-time (offset, 0 to 9 fractional digits). Errors: invalid_argument.
Result<WallTime> parse_time(std::string_view text);

// `1h30m`, `250ms`, `0s`: the largest units first, no unit twice. Units: d h m s ms us.
std::string format_duration(Duration d);
// Errors: invalid_argument (empty, unknown unit, negative, overflow; a bare number is refused, except `0`).
Result<Duration> parse_duration(std::string_view text);

}  // namespace ringmaster
