// Transitions: the changes of a task that are committed in batches, and what a batch item met.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "base/ids.h"
#include "base/task.h"

namespace ringmaster {

// Ends a task: its row moves from `task` to `task_history`. Applies only if the row's attempt equals
// token.attempt.
struct Completion {
  Token token;
  TaskState state = TaskState::succeeded;  // terminal
  std::string worker;
  AttemptResult result;
};

// Records a failed (or lost) attempt, the next attempt number and when it may run. Same condition as
// Completion.
struct Retry {
  Token token;
  std::string worker;
  AttemptResult result;
  Attempt next_attempt = 0;
  std::int32_t failures = 0, crashes = 0;
  WallTime run_at{};
  std::int64_t rank = 0;
};

// A dispatch made durable before it is sent (on_worker_lost != rerun), or a lazy `running` mark.
struct RunningMark {
  Token token;
  std::string worker;
  Incarnation worker_incarnation;
  WallTime started_at{};
};

// What one item of complete/retry/mark met. applied: now true in the database by this call or an equal
// earlier one.
enum class WriteFate : std::uint8_t {
  applied = 0,
  stale = 1,   // the row has a higher attempt, or the task is terminal by another attempt: a committed fact
  absent = 2,  // no such task anywhere
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
  std::optional<TaskState> terminal;
  Attempt terminal_attempt = 0;
  std::int32_t exit_code = 0;  // of the terminal attempt, with its worker
  std::string worker;
};

}  // namespace ringmaster
