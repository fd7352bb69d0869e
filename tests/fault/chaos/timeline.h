// The time line of a chaos as an SVG picture: a lane for each node with its faults, and below it how many
// results were recorded and how many tasks accepted a second. Pure.
#pragma once

#include <string>

#include "tests/fault/chaos/chaos_record.h"

namespace ringmaster {

std::string timeline_of(const ChaosRecord& record);

}  // namespace ringmaster
