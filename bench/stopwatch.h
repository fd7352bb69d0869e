// Time as benchmarks take it.
#pragma once

#include <chrono>

namespace ringmaster {

using Clock = std::chrono::steady_clock;

// Seconds.
inline double since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace ringmaster
