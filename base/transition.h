// Transitions: the changes of a task that are committed in batches, and what a batch item met.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/task.h"

namespace ringmaster {

// What became of a submission with an idempotency key: its row was inserted, or its key belongs to an earlier
// task.
struct AcceptFate {
  TaskId id;                 // the row's own, or that task's
  bool same_payload = true;  // as that task had
};

// Ends a task: its row moves from `task` to `task_history`. Applies only if the row's attempt equals
// token.attempt.
struct Completion {
  Token token;
  TaskState state = TaskState::succeeded;  // terminal
  std::string worker;
  AttemptResult result;
};

// Records a failed (or lost) attempt, the next attempt number and when it may run. Same condition as
// Completion, and no cancel is requested.
struct Retry {
  Token token;
  std::string worker;
  AttemptResult result;
  Attempt next_attempt = 0;
  std::int32_t failures = 0, crashes = 0;
  WallTime run_at{};
  std::int64_t rank = 0;
  TaskState state = TaskState::delayed;  // or quarantined, with kQuarantineRank
};

// A dispatch made durable before it is sent (on_worker_lost != rerun), or a lazy `running` mark. Applies only
// if the row's attempt is the token's, its epoch is not higher, no cancel is requested, and the life recorded
// for this attempt before is `previous` (a repeat of an equal mark applies too).
struct RunningMark {
  Token token;
  std::string worker;
  Incarnation worker_incarnation;
  WallTime started_at{};  // the epoch of time: not started yet
  Incarnation previous;   // 0: none
};

// What an operator or submitter wants of a task that has not ended.
enum class ControlAction : std::uint8_t {
  cancel = 0,   // end it: at once if it is not on a worker, else after a verified death
  release = 1,  // out of quarantine: it may run again, its crashes are forgotten
};
inline std::string_view to_string(ControlAction action) {
  return action == ControlAction::cancel ? "cancel" : "release";
}
struct Control {
  TaskId id;
  ControlAction action = ControlAction::cancel;
  // release: when it may run. cancel: a task that waits for longer, or in quarantine, comes due then, so that
  // whoever owns it finds it and ends it.
  WallTime run_at{};
  Duration ageing_step = kDefaultAgeingStep;  // its rank follows from it, as at insert
};

// A result whose attempt had been given up: it changes nothing and is kept to be seen.
struct LateResult {
  Token token;
  std::string worker;
  AttemptResult result;
};

// What one item of a batch of writes met. applied: now true in the database by this call or an equal
// earlier one.
enum class WriteFate : std::uint8_t {
  applied = 0,
  stale = 1,   // the row has a higher attempt, or the task is terminal by another attempt: a committed fact
  absent = 2,  // no such task anywhere
  cancelling = 3,  // a cancel was requested before: nothing changed. Of retries and marks only
};

struct PageKey {
  std::int64_t rank = 0;
  TaskId id;
  auto operator<=>(const PageKey&) const = default;
};

// What is known of an id: its row, its end, or neither.
struct Lookup {
  TaskId id;
  std::optional<TaskRow> row;
  std::optional<Completion> end;  // its result without message and output
};

}  // namespace ringmaster
