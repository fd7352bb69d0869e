// What the parts below say of themselves, in a program that is not ours. Safe from any thread.
#pragma once

#include <string>

#include "base/result.h"

namespace ringmaster::sdk {

// Lines from `level` on go to stderr; a program that has set up glog before keeps what it has set up.
// Errors: invalid_argument.
ringmaster::Result<> set_library_log(const std::string& level);
// Warnings and errors, unless a level was set before.
void ensure_library_log();

}  // namespace ringmaster::sdk
