// What the end of a handler means for its attempt. Pure. Any thread.
#pragma once

#include <string>

#include "base/task.h"
#include "ringmaster/attempt.h"

namespace ringmaster::sdk {

struct HandlerEnd {
  HandlerResult<> returned;
  StopReason asked = StopReason::none;  // to stop, when it returned
  bool released = false;
  std::string output;
};

// Without times. `timeout` is the attempt's.
AttemptResult result_of(HandlerEnd end, Duration timeout);

}  // namespace ringmaster::sdk
