#include "worker/process_result.h"

#include <algorithm>
#include <string>
#include <utility>

#include <string.h>
#include <sys/wait.h>

#include "base/setting_value.h"

namespace ringmaster {
namespace {

std::string signal_text(int number) {
  const char* const name = ::sigdescr_np(number);
  return "signal " + std::to_string(number) + (name != nullptr ? " (" + std::string(name) + ")" : "");
}

}  // namespace

AttemptResult result_of(FinishedEvent event, const std::vector<std::int32_t>& success_exit_codes,
                        Duration timeout) {
  AttemptResult result;
  result.started_at = event.started_at;
  result.finished_at = event.finished_at;
  result.usage = event.usage;
  result.output_tail = std::move(event.output_tail);
  if (WIFSIGNALED(event.wait_status)) {
    result.signal = WTERMSIG(event.wait_status);
    result.message = "killed by " + signal_text(result.signal);
  } else {
    result.exit_code = WEXITSTATUS(event.wait_status);
    result.message = "exit code " + std::to_string(result.exit_code);
  }
  switch (event.cause) {
    case FinishCause::exited:
      result.outcome = Outcome::failed;
      if (result.signal == 0 && std::ranges::count(success_exit_codes, result.exit_code) > 0) {
        result.outcome = Outcome::succeeded;
        result.message.clear();
      } else if (event.exceeded_memory > 0) {
        result.message = "out of memory, its limit is " +
                         format_setting(SettingType::size, event.exceeded_memory) + ": " + result.message;
      }
      break;
    case FinishCause::not_started:
      result.outcome = Outcome::failed;
      result.permanent = event.permanent;
      result.message = std::move(event.message);
      break;
    case FinishCause::timed_out:
      result.outcome = Outcome::timed_out;
      result.message = "stopped after its time-out of " + format_duration(timeout) + ": " + result.message;
      break;
    case FinishCause::killed:
      result.outcome = Outcome::cancelled;
      result.message =
          event.message.empty() ? "stopped on request: " + result.message : std::move(event.message);
      break;
    case FinishCause::lease_ended:
      result.outcome = Outcome::lost;
      result.message = event.message.empty()
                           ? "stopped: its lease ran out before a master renewed it: " + result.message
                           : std::move(event.message);
      break;
    case FinishCause::daemon_died:
      result.outcome = Outcome::lost;
      result.worker_died = true;
      result.message = "its worker died; " + result.message;
      break;
  }
  if (event.survived) result.message += "; a process of it is stuck in the kernel, SIGKILL is pending";
  return result;
}

}  // namespace ringmaster
