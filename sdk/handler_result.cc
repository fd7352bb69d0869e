#include "sdk/handler_result.h"

#include <utility>

namespace ringmaster::sdk {
namespace {

// Why it was stopped, and what the handler said to that.
std::string stopped(std::string why, const HandlerResult<>& returned) {
  return returned ? why : why + ": " + returned.error().message;
}

}  // namespace

AttemptResult result_of(HandlerEnd end, Duration timeout) {
  AttemptResult result;
  result.output_tail = std::move(end.output);
  if (end.asked == StopReason::cancelled) {
    result.outcome = ringmaster::Outcome::cancelled;
    result.message = stopped("stopped on request", end.returned);
  } else if (end.asked == StopReason::timed_out) {
    result.outcome = ringmaster::Outcome::timed_out;
    result.message = stopped("stopped after its time-out of " + format_duration(timeout), end.returned);
  } else if (end.released) {
    result.outcome = ringmaster::Outcome::released;
    result.message = stopped("given back by its handler", end.returned);
  } else if (!end.returned) {
    result.outcome = ringmaster::Outcome::failed;
    result.message = std::move(end.returned.error().message);
    result.permanent = end.returned.error().permanent;
  }
  return result;
}

}  // namespace ringmaster::sdk
