// The vocabulary of a task: what is submitted, what is stored, how an attempt ended.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/time.h"

namespace ringmaster {

// Stored as these numbers in PostgreSQL; never renumber.
enum class TaskState : std::uint8_t {
  delayed = 0,  // waits for run_at (first run or retry back-off)
  ready = 1,
  running = 2,
  cancelling = 3,
  quarantined = 4,
  succeeded = 10,
  failed = 11,
  cancelled = 12,
  timed_out = 13,
  lost = 14,
};
constexpr bool is_terminal(TaskState s) {
  return s >= TaskState::succeeded;
}
std::string_view to_string(TaskState state);  // `SUCCEEDED`
std::optional<TaskState> parse_task_state(std::string_view text);

enum class OnWorkerLost : std::uint8_t { rerun = 0, rerun_after_lease = 1, fail = 2 };
std::string_view to_string(OnWorkerLost v);  // `rerun_after_lease`
std::optional<OnWorkerLost> parse_on_worker_lost(std::string_view text);

// How a lane picks a worker. bounded: the ring owner, or the next server clockwise that has credit.
// strict: the ring owner only; the task waits for it.
enum class Routing : std::uint8_t { bounded = 0, strict = 1 };
std::string_view to_string(Routing v);
std::optional<Routing> parse_routing(std::string_view text);

struct RetryPolicy {
  std::int32_t max_attempts = 1;               // 1..1000; failures and time-outs count, lost workers do not
  Duration backoff = std::chrono::seconds(1);  // before attempt 2
  double factor = 2.0;                         // growth for each further attempt
  Duration backoff_max = std::chrono::minutes(5);
  bool operator==(const RetryPolicy&) const = default;
};

inline constexpr std::size_t kMaxSpecBytes = 256 * 1024;
inline constexpr std::size_t kMaxOutputTail = 16 * 1024;
inline constexpr int kMaxPriority = 9;
inline constexpr int kDefaultPriority = 5;

// What a client submits. Strings are bounded (256 bytes each, spec kMaxSpecBytes, labels 4 KiB).
struct NewTask {
  std::string ns = "default";
  std::string kind = "process";
  std::string spec = "{}";  // JSON object; its fields belong to the kind
  std::string group = "default";
  std::string routing_key;  // empty: the id's text
  Routing routing = Routing::bounded;
  int priority = kDefaultPriority;  // 0..9, 9 is the most urgent
  std::optional<WallTime> run_at;   // absent: at once
  Duration timeout{0};              // of one attempt's run; 0 = none
  Duration start_deadline{0};       // from run_at to the first start; 0 = none
  RetryPolicy retry;
  OnWorkerLost on_worker_lost = OnWorkerLost::rerun;
  std::string labels;  // JSON object of strings, or empty
  std::string traceparent;
  std::string created_by;
  // Empty: none. Whoever submits the same key again within a day, in the same namespace, gets this task. Only
  // of submissions: a task that is read has none.
  std::string idempotency_key;
};

// Of what is submitted, but for the key, who did it and in which trace: tells a repeat from another task.
std::uint64_t payload_hash(const NewTask& task);

enum class Outcome : std::uint8_t {
  succeeded = 0,
  failed = 1,     // exit code not 0, killed by a signal, handler error, could not start
  timed_out = 2,  // stopped by its time-out, death verified
  cancelled = 3,  // stopped on request, death verified
  lost = 4,       // its worker died, or its lease ran out: not the fault of the task
  released = 5,   // given back by its handler, which says that it may run again: whatever its policy
};
std::string_view to_string(Outcome outcome);
std::optional<Outcome> parse_outcome(std::string_view text);

struct ResourceUsage {
  std::int64_t user_us = 0;
  std::int64_t system_us = 0;
  std::int64_t max_rss_kib = 0;
};

// How one attempt ended, as its worker reports it.
struct AttemptResult {
  Outcome outcome = Outcome::succeeded;
  std::int32_t exit_code = 0;  // meaningful when signal == 0 and it ran
  std::int32_t signal = 0;
  bool permanent = false;    // a retry cannot help (no such binary, bad spec): ends the task at once
  bool worker_died = false;  // lost, with its worker while it ran: counts towards quarantine; no column
  WallTime started_at{};
  WallTime finished_at{};
  ResourceUsage usage;
  std::string message;      // why, for a person; empty on success
  std::string output_tail;  // last <= kMaxOutputTail bytes of output, valid UTF-8 not guaranteed
};

inline constexpr std::size_t kMaxProgressMessage = 256;

// How far a running attempt says that it is. Shown while it runs, never stored.
struct Progress {
  double fraction = 0;  // 0..1
  std::string message;  // valid UTF-8, at most kMaxProgressMessage bytes
  WallTime at{};        // when its worker heard it
};
// Into those bounds, wherever it comes from.
Progress bounded(Progress progress);

// One finished attempt in a task's log (column `attempts`, JSON array).
struct AttemptRecord {
  Attempt attempt = 0;
  Epoch epoch = 0;
  std::string worker;
  AttemptResult result;
};

// A row of `task`: everything the owner needs to run it.
struct TaskRow {
  TaskId id;
  NewTask task;
  std::int64_t rank = 0;  // run_at - priority * ageing step, microseconds; fixed at insert and at retry
  WallTime run_at{};
  WallTime created_at{};
  Attempt attempt = 1;        // the number of the next or current attempt
  std::int32_t failures = 0;  // attempts that counted against max_attempts
  std::int32_t crashes = 0;   // worker deaths while it ran
  TaskState state = TaskState::ready;
  std::string worker;  // recorded dispatch or running mark; empty = none
  Incarnation worker_incarnation;
  Epoch epoch = 0;  // of that dispatch
  std::optional<WallTime> started_at;
  bool cancel_requested = false;  // the committed intent: no new attempt, no dispatch any more
};

// `get` and `list` show this, from `task`, `task_history` and the owner's memory alike.
struct TaskView {
  TaskRow row;
  std::optional<WallTime> finished_at;
  std::optional<AttemptResult> result;  // of the last attempt, once terminal
  std::vector<AttemptRecord> attempts;  // the earlier ones
  std::vector<AttemptRecord> late;      // results that came when their attempt had been given up; by arrival
  std::optional<Progress> progress;     // of the attempt that runs, if it tells
};

// rank = run_at - priority * step: smaller runs first; a priority is worth `step` of waiting.
inline std::int64_t rank_of(WallTime run_at, int priority, Duration ageing_step) {
  return to_unix_micros(run_at) - priority * ageing_step.count();
}
inline constexpr Duration kDefaultAgeingStep = std::chrono::seconds(60);
// Of what must not be paged in: quarantined tasks lie behind all others of their lane.
inline constexpr std::int64_t kQuarantineRank = INT64_MAX;

}  // namespace ringmaster
