// Story: one readable line for each message, for the trace of a failing seed.
#pragma once

#include <string>

#include "base/messages.h"

namespace ringmaster {

std::string tell(const Message& message);

}  // namespace ringmaster
