#include "ringmaster/task.h"

#include "sdk/convert.h"

namespace ringmaster::sdk {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return "invalid_argument";
    case ErrorCode::not_found:
      return "not_found";
    case ErrorCode::already_exists:
      return "already_exists";
    case ErrorCode::unauthenticated:
      return "unauthenticated";
    case ErrorCode::unavailable:
      return "unavailable";
    case ErrorCode::unknown_outcome:
      return "unknown_outcome";
    case ErrorCode::deadline_exceeded:
      return "deadline_exceeded";
    case ErrorCode::resource_exhausted:
      return "resource_exhausted";
    case ErrorCode::cancelled:
      return "cancelled";
    case ErrorCode::internal:
      return "internal";
    case ErrorCode::key_reused:
      return "key_reused";
  }
  return "internal";
}

std::string_view to_string(TaskState state) {
  switch (state) {
    case TaskState::delayed:
      return "DELAYED";
    case TaskState::ready:
      return "READY";
    case TaskState::running:
      return "RUNNING";
    case TaskState::cancelling:
      return "CANCELLING";
    case TaskState::quarantined:
      return "QUARANTINED";
    case TaskState::succeeded:
      return "SUCCEEDED";
    case TaskState::failed:
      return "FAILED";
    case TaskState::cancelled:
      return "CANCELLED";
    case TaskState::timed_out:
      return "TIMED_OUT";
    case TaskState::lost:
      return "LOST";
  }
  return "READY";
}

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::succeeded:
      return "succeeded";
    case Outcome::failed:
      return "failed";
    case Outcome::timed_out:
      return "timed_out";
    case Outcome::cancelled:
      return "cancelled";
    case Outcome::lost:
      return "lost";
    case Outcome::released:
      return "released";
  }
  return "failed";
}

Result<TaskId> TaskId::parse(std::string_view text) {
  const auto parsed = parse_task_id(text);
  if (!parsed) return std::unexpected(to_public(parsed.error()));
  return to_public(*parsed);
}

std::string TaskId::text() const {
  return ringmaster::to_string(to_internal(*this));
}

TaskId TaskId::from_number(std::int64_t number) {
  TaskId id;
  id.number_ = number;
  return id;
}

}  // namespace ringmaster::sdk
