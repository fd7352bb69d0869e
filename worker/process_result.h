// What the end of a process means for its attempt. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "base/task.h"
#include "worker/supervisor_protocol.h"

namespace ringmaster {

// `timeout` is only told.
AttemptResult result_of(FinishedEvent event, const std::vector<std::int32_t>& success_exit_codes,
                        Duration timeout);

}  // namespace ringmaster
