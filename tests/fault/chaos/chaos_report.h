// The report of a chaos, for people: Markdown, the verdict first. Pure.
#pragma once

#include <string>

#include "tests/fault/chaos/chaos_record.h"

namespace ringmaster {

std::string report_of(const ChaosRecord& record);

}  // namespace ringmaster
