// Times as people read them. Pure.
#pragma once

#include <string>

#include "base/time.h"

namespace ringmaster {

// `now`, `12s ago`, `5m ago`, `in 2h`, `3d ago`: one unit, rounded down.
std::string relative_time(WallTime when, WallTime now);

// `12s`, `2m 5s`, `1h 2m`: what goes on, or is guessed.
std::string rough_duration(Duration d);

// `0.042s`, `3.1s`, `2m 5s`, `1h 2m`: how long something took.
std::string short_duration(Duration took);

}  // namespace ringmaster
