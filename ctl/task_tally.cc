#include "ctl/task_tally.h"

#include <algorithm>

#include "ctl/exit_code.h"
#include "ctl/relative_time.h"

namespace ringmaster {

std::size_t TaskTally::done() const {
  std::size_t done = missing_;
  for (const auto& [state, count] : by_state_) done += count;
  return done;
}

std::size_t TaskTally::failed() const {
  const auto succeeded = by_state_.find(TaskState::succeeded);
  return done() - (succeeded == by_state_.end() ? 0 : succeeded->second);
}

std::string TaskTally::progress(Duration elapsed, std::size_t width) const {
  constexpr std::size_t kBar = 20;
  const std::size_t filled = total_ == 0 ? kBar : kBar * done() / total_;
  const std::size_t percent = total_ == 0 ? 100 : 100 * done() / total_;
  std::string text = "[" + std::string(filled, '#') + std::string(kBar - filled, '-') + "]  " +
                     std::to_string(done()) + "/" + std::to_string(total_) + "  " + std::to_string(percent) +
                     "%";
  if (failed() > 0) text += "  " + std::to_string(failed()) + " failed";
  if (done() > 0 && elapsed >= std::chrono::milliseconds(500)) {
    const double rate = static_cast<double>(done()) / (static_cast<double>(elapsed.count()) / 1e6);
    const auto left = static_cast<std::int64_t>(static_cast<double>(total_ - done()) / rate * 1e6);
    if (rate >= 1) text += "  " + std::to_string(static_cast<std::int64_t>(rate)) + "/s";
    if (!complete()) text += "  " + rough_duration(Duration{std::max<std::int64_t>(left, 0)}) + " left";
  }
  return text.substr(0, width);
}

std::string TaskTally::summary(Duration elapsed) const {
  return text(" in " + short_duration(elapsed));
}

std::string TaskTally::counts() const {
  return text("");
}

std::string TaskTally::text(const std::string& in) const {
  std::string text = complete() ? "" : std::to_string(done()) + " of ";
  text += std::to_string(total_) + (total_ == 1 ? " task" : " tasks") + in;
  const char* separator = ": ";
  for (const auto& [state, count] : by_state_) {
    text += separator + std::to_string(count) + " " + std::string(to_string(state));
    separator = ", ";
  }
  if (missing_ > 0) text += separator + std::to_string(missing_) + " unknown";
  return text;
}

int TaskTally::exit_code() const {
  if (!complete()) return kExitTimedOut;
  return failed() == 0 ? kExitOk : kExitTaskFailed;
}

int exit_code_of(const TaskView& view) {
  if (!is_terminal(view.row.state) || view.row.state == TaskState::timed_out) return kExitTimedOut;
  if (view.row.state == TaskState::succeeded) return kExitOk;
  if (view.row.state == TaskState::failed && view.result) {
    if (view.result->signal > 0) return kExitSignalBase + view.result->signal;
    const int own = view.result->exit_code;  // an HTTP status does not fit into an exit status
    if (own > 0 && own <= kMaxExitStatus) return own;
  }
  return kExitTaskFailed;
}

}  // namespace ringmaster
