// The vocabulary of a task, as clients see it: what is submitted, what became of it.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ringmaster/codec.h"
#include "ringmaster/export.h"
#include "ringmaster/result.h"

namespace ringmaster::sdk {

using Duration = std::chrono::microseconds;
using Time = std::chrono::sys_time<std::chrono::microseconds>;  // UTC

// `task_…`: opaque. The order is that of numbers, and means nothing.
class RINGMASTER_SDK TaskId {
 public:
  TaskId() = default;  // of no task
  // Errors: invalid_argument.
  static Result<TaskId> parse(std::string_view text);
  std::string text() const;
  std::int64_t number() const { return number_; }  // as in the database
  static TaskId from_number(std::int64_t number);
  auto operator<=>(const TaskId&) const = default;

 private:
  std::int64_t number_ = 0;
};

enum class TaskState : std::uint8_t {
  delayed,
  ready,
  running,
  cancelling,
  quarantined,
  succeeded,
  failed,
  cancelled,
  timed_out,
  lost,
};
constexpr bool is_terminal(TaskState state) {
  return state >= TaskState::succeeded;
}
RINGMASTER_SDK std::string_view to_string(TaskState state);  // `SUCCEEDED` …

// What follows when the worker dies, or cannot be reached any more, while it runs an attempt. rerun: another
// attempt at once, and two may overlap while a worker is cut off. rerun_after_lease: not before the lost one
// is surely dead; handlers in a program cannot have it (worker.h). fail: the task ends as LOST.
enum class OnWorkerLost : std::uint8_t { rerun, rerun_after_lease, fail };

// bounded: the ring owner of the routing key, or the next worker that has room. strict: the owner only.
enum class Routing : std::uint8_t { bounded, strict };

struct RetryPolicy {
  int max_attempts = 1;                        // 1 to 1000; failures and time-outs count, lost workers do not
  Duration backoff = std::chrono::seconds(1);  // before attempt 2
  double factor = 2.0;                         // growth for each further attempt
  Duration backoff_max = std::chrono::minutes(5);
};

// What is submitted. docs/api.md says what each field may hold; a bad one is refused by its name.
struct RINGMASTER_SDK NewTask {
  std::string kind = "process";
  std::string spec = "{}";  // a JSON object, at most 256 KiB; its fields belong to the kind
  std::string group = "default";
  std::string name_space = "default";
  std::string routing_key = {};  // empty: the task's id
  Routing routing = Routing::bounded;
  int priority = 5;                 // 0 to 9, 9 is the most urgent
  std::optional<Time> run_at = {};  // absent: at once
  Duration timeout{0};              // of one attempt; 0: none
  Duration start_deadline{0};       // from run_at to the first start; 0: none
  RetryPolicy retry;
  OnWorkerLost on_worker_lost = OnWorkerLost::rerun;
  std::string labels = {};  // a JSON object of strings, or empty
  std::string traceparent = {};
  std::string created_by = {};
  // Empty: none. Whoever submits the same key again within a day, in the same namespace, gets this task.
  std::string idempotency_key = {};

  template <Payload T>
  static NewTask of(std::string kind, const T& payload) {
    NewTask task;
    task.kind = std::move(kind);
    task.spec = Codec<T>::encode(payload);
    return task;
  }
};

enum class Outcome : std::uint8_t { succeeded, failed, timed_out, cancelled, lost, released };
RINGMASTER_SDK std::string_view to_string(Outcome outcome);  // `succeeded` …

// How one attempt ended.
struct RINGMASTER_SDK AttemptView {
  int attempt = 0;
  std::int64_t epoch = 0;
  std::string worker;
  Outcome outcome = Outcome::succeeded;
  int exit_code = 0;  // kinds process and http
  int signal = 0;
  bool permanent = false;
  std::string message;  // why, for a person; empty on success
  std::string output;   // the last 16 KiB; a handler's typed result
  Time started_at{};
  Time finished_at{};
};

// How far a running attempt says that it is: its last word, of this moment only.
struct Progress {
  double fraction = 0;  // 0 to 1
  std::string message;
};

struct RINGMASTER_SDK TaskView {
  TaskId id;
  TaskState state = TaskState::ready;
  NewTask task;
  int attempt = 1;  // the next, current or last one
  int failures = 0;
  int crashes = 0;
  std::string worker;  // of that attempt; empty: none yet
  bool cancel_requested = false;
  Time created_at{};
  std::optional<Time> started_at, finished_at;
  std::optional<Progress> progress;   // of the attempt that runs, if it tells
  std::optional<AttemptView> result;  // of the last attempt, once the task has ended
  std::vector<AttemptView> earlier;   // the attempts before it, oldest first

  // What a typed handler returned. Throws what Codec<T>::decode throws, and std::logic_error unless the task
  // has succeeded.
  template <Payload T>
  T result_as() const {
    if (state != TaskState::succeeded || !result) throw std::logic_error(id.text() + " has no result");
    return Codec<T>::decode(result->output);
  }
};

}  // namespace ringmaster::sdk
