#include "sdk/convert.h"

#include <utility>

namespace ringmaster::sdk {
namespace {

ErrorCode to_public(ringmaster::ErrorCode code) {
  using enum ringmaster::ErrorCode;
  switch (code) {
    case invalid_argument:
      return ErrorCode::invalid_argument;
    case not_found:
      return ErrorCode::not_found;
    case already_exists:
      return ErrorCode::already_exists;
    case unauthenticated:
      return ErrorCode::unauthenticated;
    case fenced:  // of the master: another one will do it
    case unavailable:
      return ErrorCode::unavailable;
    case unknown_outcome:
      return ErrorCode::unknown_outcome;
    case deadline_exceeded:
      return ErrorCode::deadline_exceeded;
    case resource_exhausted:
      return ErrorCode::resource_exhausted;
    case cancelled:
      return ErrorCode::cancelled;
    case internal:
      return ErrorCode::internal;
    case key_reused:
      return ErrorCode::key_reused;
  }
  return ErrorCode::internal;
}

Outcome to_public(ringmaster::Outcome outcome) {
  using enum ringmaster::Outcome;
  switch (outcome) {
    case succeeded:
      return Outcome::succeeded;
    case failed:
      return Outcome::failed;
    case timed_out:
      return Outcome::timed_out;
    case cancelled:
      return Outcome::cancelled;
    case lost:
      return Outcome::lost;
    case released:
      return Outcome::released;
  }
  return Outcome::failed;
}

AttemptView to_public(const AttemptResult& result) {
  AttemptView view;
  view.outcome = to_public(result.outcome);
  view.exit_code = result.exit_code;
  view.signal = result.signal;
  view.permanent = result.permanent;
  view.message = result.message;
  view.output = result.output_tail;
  view.started_at = result.started_at;
  view.finished_at = result.finished_at;
  return view;
}

AttemptView to_public(const AttemptRecord& record) {
  AttemptView view = to_public(record.result);
  view.attempt = record.attempt;
  view.epoch = record.epoch;
  view.worker = record.worker;
  return view;
}

NewTask to_public(const ringmaster::NewTask& task) {
  NewTask shown;
  shown.kind = task.kind;
  shown.spec = task.spec;
  shown.group = task.group;
  shown.name_space = task.ns;
  shown.routing_key = task.routing_key;
  shown.routing = task.routing == ringmaster::Routing::strict ? Routing::strict : Routing::bounded;
  shown.priority = task.priority;
  shown.run_at = task.run_at;
  shown.timeout = task.timeout;
  shown.start_deadline = task.start_deadline;
  shown.retry = {task.retry.max_attempts, task.retry.backoff, task.retry.factor, task.retry.backoff_max};
  shown.on_worker_lost = static_cast<OnWorkerLost>(task.on_worker_lost);
  shown.labels = task.labels;
  shown.traceparent = task.traceparent;
  shown.created_by = task.created_by;
  return shown;
}

static_assert(static_cast<int>(OnWorkerLost::fail) == static_cast<int>(ringmaster::OnWorkerLost::fail));
static_assert(static_cast<int>(OnWorkerLost::rerun_after_lease) ==
              static_cast<int>(ringmaster::OnWorkerLost::rerun_after_lease));

}  // namespace

Error to_public(const ringmaster::Error& error) {
  return {to_public(error.code), error.message, error.field};
}

TaskState to_public(ringmaster::TaskState state) {
  using enum ringmaster::TaskState;
  switch (state) {
    case delayed:
      return TaskState::delayed;
    case ready:
      return TaskState::ready;
    case running:
      return TaskState::running;
    case cancelling:
      return TaskState::cancelling;
    case quarantined:
      return TaskState::quarantined;
    case succeeded:
      return TaskState::succeeded;
    case failed:
      return TaskState::failed;
    case cancelled:
      return TaskState::cancelled;
    case timed_out:
      return TaskState::timed_out;
    case lost:
      return TaskState::lost;
  }
  return TaskState::ready;
}

TaskView to_public(const ringmaster::TaskView& view) {
  const TaskRow& row = view.row;
  TaskView shown;
  shown.id = to_public(row.id);
  shown.state = to_public(row.state);
  shown.task = to_public(row.task);
  shown.attempt = row.attempt;
  shown.failures = row.failures;
  shown.crashes = row.crashes;
  shown.worker = row.worker;
  shown.cancel_requested = row.cancel_requested;
  shown.created_at = row.created_at;
  shown.started_at = row.started_at;
  shown.finished_at = view.finished_at;
  if (view.progress) shown.progress = Progress{view.progress->fraction, view.progress->message};
  if (view.result) {
    shown.result = to_public(*view.result);
    shown.result->attempt = row.attempt;
    shown.result->epoch = row.epoch;
    shown.result->worker = row.worker;
  }
  for (const AttemptRecord& record : view.attempts) shown.earlier.push_back(to_public(record));
  return shown;
}

ringmaster::NewTask to_internal(NewTask task) {
  ringmaster::NewTask made;
  made.kind = std::move(task.kind);
  made.spec = std::move(task.spec);
  made.group = std::move(task.group);
  made.ns = std::move(task.name_space);
  made.routing_key = std::move(task.routing_key);
  made.routing = task.routing == Routing::strict ? ringmaster::Routing::strict : ringmaster::Routing::bounded;
  made.priority = task.priority;
  made.run_at = task.run_at;
  made.timeout = task.timeout;
  made.start_deadline = task.start_deadline;
  made.retry = {task.retry.max_attempts, task.retry.backoff, task.retry.factor, task.retry.backoff_max};
  made.on_worker_lost = static_cast<ringmaster::OnWorkerLost>(task.on_worker_lost);
  made.labels = std::move(task.labels);
  made.traceparent = std::move(task.traceparent);
  made.created_by = std::move(task.created_by);
  made.idempotency_key = std::move(task.idempotency_key);
  return made;
}

}  // namespace ringmaster::sdk
