#include "rpc/wire_task.h"

namespace ringmaster {

void put(const NewTask& from, wire::NewTask& to) {
  to.set_ns(from.ns);
  to.set_kind(from.kind);
  to.set_spec(from.spec);
  to.set_group(from.group);
  to.set_routing_key(from.routing_key);
  to.set_routing(static_cast<wire::Routing>(from.routing));
  to.set_priority(from.priority);
  if (from.run_at) to.set_run_at(to_unix_micros(*from.run_at));
  to.set_timeout(from.timeout.count());
  to.set_start_deadline(from.start_deadline.count());
  auto& retry = *to.mutable_retry();
  retry.set_max_attempts(from.retry.max_attempts);
  retry.set_backoff(from.retry.backoff.count());
  retry.set_factor(from.retry.factor);
  retry.set_backoff_max(from.retry.backoff_max.count());
  to.set_on_worker_lost(static_cast<wire::OnWorkerLost>(from.on_worker_lost));
  to.set_labels(from.labels);
  to.set_traceparent(from.traceparent);
  to.set_created_by(from.created_by);
  if (!from.idempotency_key.empty()) to.set_idempotency_key(from.idempotency_key);
}

bool take(wire::NewTask& from, NewTask& to) {
  to.ns = std::move(*from.mutable_ns());
  to.kind = std::move(*from.mutable_kind());
  to.spec = std::move(*from.mutable_spec());
  to.group = std::move(*from.mutable_group());
  to.routing_key = std::move(*from.mutable_routing_key());
  to.priority = from.priority();
  if (from.has_run_at()) to.run_at = from_unix_micros(from.run_at());
  to.timeout = Duration(from.timeout());
  to.start_deadline = Duration(from.start_deadline());
  // Absent is not "all zero": a peer that says nothing of retries gets our defaults.
  if (from.has_retry()) {
    const auto& retry = from.retry();
    to.retry = {retry.max_attempts(), Duration(retry.backoff()), retry.factor(),
                Duration(retry.backoff_max())};
  }
  to.labels = std::move(*from.mutable_labels());
  to.traceparent = std::move(*from.mutable_traceparent());
  to.created_by = std::move(*from.mutable_created_by());
  to.idempotency_key = std::move(*from.mutable_idempotency_key());
  return take_enum(from.routing(), wire::Routing_IsValid, to.routing) &&
         take_enum(from.on_worker_lost(), wire::OnWorkerLost_IsValid, to.on_worker_lost);
}

void put(const AttemptResult& from, wire::AttemptResult& to) {
  to.set_outcome(static_cast<wire::Outcome>(from.outcome));
  to.set_exit_code(from.exit_code);
  to.set_signal(from.signal);
  to.set_permanent(from.permanent);
  if (from.worker_died) to.set_worker_died(true);
  to.set_started_at(to_unix_micros(from.started_at));
  to.set_finished_at(to_unix_micros(from.finished_at));
  to.set_user_us(from.usage.user_us);
  to.set_system_us(from.usage.system_us);
  to.set_max_rss_kib(from.usage.max_rss_kib);
  if (!from.message.empty()) to.set_message(from.message);
  if (!from.output_tail.empty()) to.set_output_tail(from.output_tail);
}

bool take(wire::AttemptResult& from, AttemptResult& to) {
  to.exit_code = from.exit_code();
  to.signal = from.signal();
  to.permanent = from.permanent();
  to.worker_died = from.worker_died();
  to.started_at = from_unix_micros(from.started_at());
  to.finished_at = from_unix_micros(from.finished_at());
  to.usage = {from.user_us(), from.system_us(), from.max_rss_kib()};
  if (!from.message().empty()) to.message = std::move(*from.mutable_message());
  if (!from.output_tail().empty()) to.output_tail = std::move(*from.mutable_output_tail());
  return take_enum(from.outcome(), wire::Outcome_IsValid, to.outcome);
}

namespace {

void put(const TaskRow& from, wire::TaskRow& to) {
  to.set_id(from.id.value);
  put(from.task, *to.mutable_task());
  to.set_rank(from.rank);
  to.set_run_at(to_unix_micros(from.run_at));
  to.set_created_at(to_unix_micros(from.created_at));
  to.set_attempt(from.attempt);
  to.set_failures(from.failures);
  to.set_crashes(from.crashes);
  to.set_state(static_cast<wire::TaskState>(from.state));
  to.set_worker(from.worker);
  to.set_worker_incarnation(from.worker_incarnation.value);
  to.set_epoch(from.epoch);
  if (from.started_at) to.set_started_at(to_unix_micros(*from.started_at));
  to.set_cancel_requested(from.cancel_requested);
}

bool take(wire::TaskRow& from, TaskRow& to) {
  to.id = TaskId{from.id()};
  to.rank = from.rank();
  to.run_at = from_unix_micros(from.run_at());
  to.created_at = from_unix_micros(from.created_at());
  to.attempt = from.attempt();
  to.failures = from.failures();
  to.crashes = from.crashes();
  to.worker = std::move(*from.mutable_worker());
  to.worker_incarnation = Incarnation{from.worker_incarnation()};
  to.epoch = from.epoch();
  if (from.has_started_at()) to.started_at = from_unix_micros(from.started_at());
  to.cancel_requested = from.cancel_requested();
  return take(*from.mutable_task(), to.task) && take_enum(from.state(), wire::TaskState_IsValid, to.state);
}

void put(const AttemptRecord& from, wire::AttemptRecord& to) {
  to.set_attempt(from.attempt);
  to.set_epoch(from.epoch);
  to.set_worker(from.worker);
  put(from.result, *to.mutable_result());
}

bool take(wire::AttemptRecord& from, AttemptRecord& to) {
  to.attempt = from.attempt();
  to.epoch = from.epoch();
  to.worker = std::move(*from.mutable_worker());
  return take(*from.mutable_result(), to.result);
}

template <class W>
bool take_records(W& from, std::vector<AttemptRecord>& to) {
  to.resize(static_cast<std::size_t>(from.size()));
  std::size_t i = 0;
  for (auto& record : from) {
    if (!take(record, to[i++])) return false;
  }
  return true;
}

}  // namespace

void put(const Progress& from, wire::Progress& to) {
  to.set_fraction(from.fraction);
  to.set_message(from.message);
  to.set_at(to_unix_micros(from.at));
}
bool take(wire::Progress& from, Progress& to) {
  to = {from.fraction(), std::move(*from.mutable_message()), from_unix_micros(from.at())};
  return true;
}

void put(const TaskView& from, wire::TaskView& to) {
  put(from.row, *to.mutable_row());
  if (from.finished_at) to.set_finished_at(to_unix_micros(*from.finished_at));
  if (from.result) put(*from.result, *to.mutable_result());
  for (const auto& record : from.attempts) put(record, *to.add_attempts());
  for (const auto& record : from.late) put(record, *to.add_late());
  if (from.progress) put(*from.progress, *to.mutable_progress());
}

bool take(wire::TaskView& from, TaskView& to) {
  if (!take(*from.mutable_row(), to.row)) return false;
  if (from.has_finished_at()) to.finished_at = from_unix_micros(from.finished_at());
  if (from.has_result() && !take(*from.mutable_result(), to.result.emplace())) return false;
  if (from.has_progress() && !take(*from.mutable_progress(), to.progress.emplace())) return false;
  return take_records(*from.mutable_attempts(), to.attempts) && take_records(*from.mutable_late(), to.late);
}

}  // namespace ringmaster
