#include "sql/pg_columns.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <map>

#include "base/utf8.h"
#include "sql/attempt_log.h"

namespace ringmaster {
namespace {

// `max_attempts backoff_us factor backoff_max_us`; empty for the default policy.
std::string pack(const RetryPolicy& policy) {
  if (policy == RetryPolicy{}) return {};
  std::array<char, 32> factor{};
  const auto end = std::to_chars(factor.data(), factor.data() + factor.size(), policy.factor).ptr;
  return std::to_string(policy.max_attempts) + ' ' + std::to_string(policy.backoff.count()) + ' ' +
         std::string(factor.data(), end) + ' ' + std::to_string(policy.backoff_max.count());
}

RetryPolicy unpack(std::string_view text) {
  RetryPolicy policy;
  if (text.empty()) return policy;
  std::int64_t backoff = 0, backoff_max = 0;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto next = [&](auto& value) {
    while (at != end && *at == ' ') ++at;
    at = std::from_chars(at, end, value).ptr;
  };
  next(policy.max_attempts);
  next(backoff);
  next(policy.factor);
  next(backoff_max);
  policy.backoff = Duration(backoff);
  policy.backoff_max = Duration(backoff_max);
  return policy;
}

void put_message(PgArray& array, const std::string& message) {
  if (is_printable_utf8(message)) return array.text_or_null(message);
  array.text_or_null(replace_invalid_utf8(message));
}

void put_tail(PgArray& array, std::string_view tail) {
  array.text_or_null(tail.substr(tail.size() - std::min(tail.size(), kMaxOutputTail)));
}

void put_optional(PgArray& array, const std::optional<WallTime>& time) {
  array.time_or_null(time.value_or(WallTime{}));
}

using A = PgArray;
using T = TaskRow;
constexpr PgColumn<TaskRow> kAccept[] = {
    {"id", PgType::int8, false, [](A& a, const T& r) { a.integer(r.id.value); }},
    {"rank", PgType::int8, false, [](A& a, const T& r) { a.integer(r.rank); }},
    {"run_at", PgType::timestamptz, false, [](A& a, const T& r) { a.time(r.run_at); }},
    {"created_at", PgType::timestamptz, false, [](A& a, const T& r) { a.time(r.created_at); }},
    {"state", PgType::int2, false, [](A& a, const T& r) { a.integer(static_cast<int>(r.state)); }},
    {"priority", PgType::int2, false, [](A& a, const T& r) { a.integer(r.task.priority); }},
    {"ns", PgType::text, false, [](A& a, const T& r) { a.text(r.task.ns); }},
    {"kind", PgType::text, false, [](A& a, const T& r) { a.text(r.task.kind); }},
    {"grp", PgType::text, false, [](A& a, const T& r) { a.text(r.task.group); }},
    {"spec", PgType::text, false, [](A& a, const T& r) { a.text(r.task.spec); }},
    {"attempt", PgType::int4, true, [](A& a, const T& r) { a.integer(r.attempt); }},
    {"failures", PgType::int4, true, [](A& a, const T& r) { a.integer_or_null(r.failures); }},
    {"crashes", PgType::int4, true, [](A& a, const T& r) { a.integer_or_null(r.crashes); }},
    {"on_worker_lost", PgType::int2, true,
     [](A& a, const T& r) { a.integer_or_null(static_cast<int>(r.task.on_worker_lost)); }},
    {"routing", PgType::int2, true,
     [](A& a, const T& r) { a.integer_or_null(static_cast<int>(r.task.routing)); }},
    {"routing_key", PgType::text, true, [](A& a, const T& r) { a.text_or_null(r.task.routing_key); }},
    {"timeout_us", PgType::int8, true, [](A& a, const T& r) { a.integer_or_null(r.task.timeout.count()); }},
    {"start_deadline_us", PgType::int8, true,
     [](A& a, const T& r) { a.integer_or_null(r.task.start_deadline.count()); }},
    {"retry", PgType::text, true, [](A& a, const T& r) { a.text_or_null(pack(r.task.retry)); }},
    {"labels", PgType::text, true, [](A& a, const T& r) { a.text_or_null(r.task.labels); }},
    {"traceparent", PgType::text, true, [](A& a, const T& r) { a.text_or_null(r.task.traceparent); }},
    {"created_by", PgType::text, true, [](A& a, const T& r) { a.text_or_null(r.task.created_by); }},
    {"worker", PgType::text, true, [](A& a, const T& r) { a.text_or_null(r.worker); }},
    {"worker_incarnation", PgType::int8, true,
     [](A& a, const T& r) { a.integer_or_null(r.worker_incarnation.value); }},
    {"epoch", PgType::int8, true, [](A& a, const T& r) { a.integer_or_null(r.epoch); }},
    {"started_at", PgType::timestamptz, true, [](A& a, const T& r) { put_optional(a, r.started_at); }},
};

using C = Completion;
constexpr PgColumn<Completion> kComplete[] = {
    {"id", PgType::int8, false, [](A& a, const C& c) { a.integer(c.token.task.value); }},
    {"attempt", PgType::int4, false, [](A& a, const C& c) { a.integer(c.token.attempt); }},
    {"epoch", PgType::int8, false, [](A& a, const C& c) { a.integer_or_null(c.token.epoch); }},
    {"state", PgType::int2, false, [](A& a, const C& c) { a.integer(static_cast<int>(c.state)); }},
    {"outcome", PgType::int2, false, [](A& a, const C& c) { a.integer(static_cast<int>(c.result.outcome)); }},
    {"worker", PgType::text, false, [](A& a, const C& c) { a.text_or_null(c.worker); }},
    {"started_at", PgType::timestamptz, false, [](A& a, const C& c) { a.time_or_null(c.result.started_at); }},
    {"ended_at", PgType::timestamptz, false, [](A& a, const C& c) { a.time_or_null(c.result.finished_at); }},
    {"exit_code", PgType::int4, true, [](A& a, const C& c) { a.integer_or_null(c.result.exit_code); }},
    {"signal", PgType::int4, true, [](A& a, const C& c) { a.integer_or_null(c.result.signal); }},
    {"permanent", PgType::boolean, true,
     [](A& a, const C& c) { a.integer_or_null(c.result.permanent ? 1 : 0); }},
    {"user_us", PgType::int8, true, [](A& a, const C& c) { a.integer_or_null(c.result.usage.user_us); }},
    {"system_us", PgType::int8, true, [](A& a, const C& c) { a.integer_or_null(c.result.usage.system_us); }},
    {"max_rss_kib", PgType::int8, true,
     [](A& a, const C& c) { a.integer_or_null(c.result.usage.max_rss_kib); }},
    {"message", PgType::text, true, [](A& a, const C& c) { put_message(a, c.result.message); }},
    {"output_tail", PgType::bytea, true, [](A& a, const C& c) { put_tail(a, c.result.output_tail); }},
};

using R = Retry;
constexpr PgColumn<Retry> kRetry[] = {
    {"id", PgType::int8, false, [](A& a, const R& r) { a.integer(r.token.task.value); }},
    {"attempt", PgType::int4, false, [](A& a, const R& r) { a.integer(r.token.attempt); }},
    {"next_attempt", PgType::int4, false, [](A& a, const R& r) { a.integer(r.next_attempt); }},
    {"failures", PgType::int4, false, [](A& a, const R& r) { a.integer_or_null(r.failures); }},
    {"crashes", PgType::int4, false, [](A& a, const R& r) { a.integer_or_null(r.crashes); }},
    {"run_at", PgType::timestamptz, false, [](A& a, const R& r) { a.time(r.run_at); }},
    {"rank", PgType::int8, false, [](A& a, const R& r) { a.integer(r.rank); }},
    {"state", PgType::int2, false, [](A& a, const R& r) { a.integer(static_cast<int>(r.state)); }},
    {"record", PgType::text, false,
     [](A& a, const R& r) {
       a.text(attempt_to_json({r.token.attempt, r.token.epoch, r.worker, storable(r.result)}));
     }},
};

using M = RunningMark;
constexpr PgColumn<RunningMark> kMark[] = {
    {"id", PgType::int8, false, [](A& a, const M& m) { a.integer(m.token.task.value); }},
    {"attempt", PgType::int4, false, [](A& a, const M& m) { a.integer(m.token.attempt); }},
    {"epoch", PgType::int8, false, [](A& a, const M& m) { a.integer(m.token.epoch); }},
    {"worker", PgType::text, false, [](A& a, const M& m) { a.text_or_null(m.worker); }},
    {"worker_incarnation", PgType::int8, false,
     [](A& a, const M& m) { a.integer_or_null(m.worker_incarnation.value); }},
    {"started_at", PgType::timestamptz, false, [](A& a, const M& m) { a.time_or_null(m.started_at); }},
    {"previous", PgType::int8, false, [](A& a, const M& m) { a.integer(m.previous.value); }},
};

using K = TaskControl;
constexpr PgColumn<TaskControl> kControl[] = {
    {"id", PgType::int8, false, [](A& a, const K& k) { a.integer(k.id.value); }},
    {"release_at", PgType::timestamptz, false,
     [](A& a, const K& k) { k.release_at ? a.time(*k.release_at) : a.null(); }},
    {"cancel_at", PgType::timestamptz, false,
     [](A& a, const K& k) { k.cancel_at ? a.time(*k.cancel_at) : a.null(); }},
    {"step", PgType::int8, false, [](A& a, const K& k) { a.integer(k.ageing_step.count()); }},
};

using L = LateResult;
constexpr PgColumn<LateResult> kLate[] = {
    {"task", PgType::int8, false, [](A& a, const L& l) { a.integer(l.token.task.value); }},
    {"epoch", PgType::int8, false, [](A& a, const L& l) { a.integer(l.token.epoch); }},
    {"attempt", PgType::int4, false, [](A& a, const L& l) { a.integer(l.token.attempt); }},
    {"worker", PgType::text, false, [](A& a, const L& l) { a.text_or_null(l.worker); }},
    {"outcome", PgType::int2, false, [](A& a, const L& l) { a.integer(static_cast<int>(l.result.outcome)); }},
    {"exit_code", PgType::int4, false, [](A& a, const L& l) { a.integer_or_null(l.result.exit_code); }},
    {"signal", PgType::int4, false, [](A& a, const L& l) { a.integer_or_null(l.result.signal); }},
    {"started_at", PgType::timestamptz, false, [](A& a, const L& l) { a.time_or_null(l.result.started_at); }},
    {"ended_at", PgType::timestamptz, false, [](A& a, const L& l) { a.time_or_null(l.result.finished_at); }},
    {"user_us", PgType::int8, false, [](A& a, const L& l) { a.integer_or_null(l.result.usage.user_us); }},
    {"system_us", PgType::int8, false, [](A& a, const L& l) { a.integer_or_null(l.result.usage.system_us); }},
    {"max_rss_kib", PgType::int8, false,
     [](A& a, const L& l) { a.integer_or_null(l.result.usage.max_rss_kib); }},
    {"message", PgType::text, false, [](A& a, const L& l) { put_message(a, l.result.message); }},
    {"output_tail", PgType::bytea, false, [](A& a, const L& l) { put_tail(a, l.result.output_tail); }},
};

}  // namespace

std::vector<TaskControl> merged(const std::vector<Control>& items) {
  std::map<TaskId, TaskControl> by_id;
  for (const Control& item : items) {
    TaskControl& control = by_id.try_emplace(item.id, TaskControl{.id = item.id}).first->second;
    control.ageing_step = item.ageing_step;
    if (item.action == ControlAction::cancel) {
      if (!control.cancel_at) control.cancel_at = item.run_at;
    } else if (!control.cancel_at && !control.release_at) {  // or there is nothing to release any more
      control.release_at = item.run_at;
    }
  }
  std::vector<TaskControl> out;
  out.reserve(by_id.size());
  for (const auto& [id, control] : by_id) out.push_back(control);
  return out;
}

std::span<const PgColumn<TaskRow>> accept_columns() {
  return kAccept;
}
std::span<const PgColumn<Completion>> complete_columns() {
  return kComplete;
}
std::span<const PgColumn<Retry>> retry_columns() {
  return kRetry;
}
std::span<const PgColumn<RunningMark>> mark_columns() {
  return kMark;
}
std::span<const PgColumn<TaskControl>> control_columns() {
  return kControl;
}
std::span<const PgColumn<LateResult>> late_columns() {
  return kLate;
}

std::string_view array_type(PgType element) {
  switch (element) {
    case PgType::boolean:
      return "boolean[]";
    case PgType::bytea:
      return "bytea[]";
    case PgType::int8:
      return "int8[]";
    case PgType::int2:
      return "int2[]";
    case PgType::int4:
      return "int4[]";
    case PgType::text:
      return "text[]";
    case PgType::timestamptz:
      return "timestamptz[]";
  }
  return {};
}

bool is_plain(const TaskRow& row) {
  const NewTask& task = row.task;
  return row.attempt == 1 && row.failures == 0 && row.crashes == 0 &&
         task.on_worker_lost == OnWorkerLost::rerun && task.routing == Routing::bounded &&
         task.routing_key.empty() && task.timeout == Duration::zero() &&
         task.start_deadline == Duration::zero() && task.retry == RetryPolicy{} && task.labels.empty() &&
         task.traceparent.empty() && task.created_by.empty() && row.worker.empty() &&
         !row.worker_incarnation && row.epoch == 0 && !row.started_at;
}

bool is_plain(const Completion& item) {
  const AttemptResult& result = item.result;
  return result.exit_code == 0 && result.signal == 0 && !result.permanent && result.usage.user_us == 0 &&
         result.usage.system_us == 0 && result.usage.max_rss_kib == 0 && result.message.empty() &&
         result.output_tail.empty();
}

// ---- rows that are read: the order here is the order in read_row and read_view ----

const std::string_view kRowColumns =
    "id, rank, run_at, created_at, attempt, failures, crashes, state, priority, on_worker_lost, routing, "
    "worker_incarnation, epoch, started_at, timeout_us, start_deadline_us, "
    "ns, kind, grp, spec, worker, routing_key, retry, labels, traceparent, created_by, "
    "cancel_requested_at IS NOT NULL AS cancel_requested";
const std::string_view kTaskViewColumns =
    "NULL::timestamptz AS finished_at, NULL::timestamptz AS ended_at, NULL::int2 AS outcome, NULL::int4 AS "
    "exit_code, "
    "NULL::int4 AS signal, NULL::boolean AS permanent, NULL::int8 AS user_us, NULL::int8 AS system_us, "
    "NULL::int8 AS max_rss_kib, NULL::text AS message, NULL::bytea AS output_tail, attempts::text AS "
    "attempts";
const std::string_view kTaskBriefColumns =
    "NULL::timestamptz, NULL::timestamptz, NULL::int2, NULL::int4, NULL::int4, NULL::boolean, NULL::int8, "
    "NULL::int8, NULL::int8, NULL::text, NULL::bytea, NULL::text";
const std::string_view kHistoryViewColumns =
    "finished_at, ended_at, outcome, exit_code, signal, permanent, user_us, system_us, max_rss_kib, message, "
    "output_tail, attempts::text AS attempts";
const std::string_view kHistoryBriefColumns =
    "finished_at, ended_at, outcome, exit_code, signal, permanent, user_us, system_us, max_rss_kib, "
    "NULL::text, "
    "NULL::bytea, NULL::text";
const std::string_view kLateViewColumns =
    "task, NULL, NULL, NULL, attempt, NULL, NULL, NULL, NULL, NULL, NULL, NULL, epoch, started_at, "
    "NULL, NULL, NULL, NULL, NULL, NULL, worker, NULL, NULL, NULL, NULL, NULL, NULL, "
    "received_at, ended_at, outcome, exit_code, signal, NULL, user_us, system_us, max_rss_kib, message, "
    "output_tail, NULL";

TaskRow read_row(const PgRows& rows, int row) {
  int column = 0;
  const auto integer = [&] { return rows.integer(row, column++); };
  const auto small = [&] { return static_cast<std::int32_t>(rows.integer(row, column++)); };
  const auto time = [&] { return rows.time(row, column++); };
  const auto text = [&] { return std::string(rows.text(row, column++)); };
  TaskRow out;
  out.id = TaskId{integer()};
  out.rank = integer();
  out.run_at = time();
  out.created_at = time();
  out.attempt = small();
  out.failures = small();
  out.crashes = small();
  out.state = static_cast<TaskState>(small());
  out.task.priority = small();
  out.task.on_worker_lost = static_cast<OnWorkerLost>(small());
  out.task.routing = static_cast<Routing>(small());
  out.worker_incarnation = Incarnation{integer()};
  out.epoch = integer();
  const bool started = !rows.is_null(row, column);
  const WallTime started_at = time();
  if (started) out.started_at = started_at;
  out.task.timeout = Duration(integer());
  out.task.start_deadline = Duration(integer());
  out.task.ns = text();
  out.task.kind = text();
  out.task.group = text();
  out.task.spec = text();
  out.worker = text();
  out.task.routing_key = text();
  out.task.retry = unpack(text());
  out.task.labels = text();
  out.task.traceparent = text();
  out.task.created_by = text();
  out.cancel_requested = integer() != 0;
  return out;
}

Result<TaskView> read_view(const PgRows& rows, int row) {
  TaskView view{read_row(rows, row), std::nullopt, std::nullopt, {}, {}};
  int column = static_cast<int>(std::ranges::count(kRowColumns, ',')) + 1;
  if (!rows.is_null(row, column)) {
    const auto integer = [&] { return rows.integer(row, column++); };
    const auto small = [&] { return static_cast<std::int32_t>(rows.integer(row, column++)); };
    view.finished_at = rows.time(row, column++);
    AttemptResult& result = view.result.emplace();
    result.started_at = view.row.started_at.value_or(WallTime{});
    result.finished_at = rows.time(row, column++);
    result.outcome = static_cast<Outcome>(small());
    result.exit_code = small();
    result.signal = small();
    result.permanent = small() != 0;
    result.usage.user_us = integer();
    result.usage.system_us = integer();
    result.usage.max_rss_kib = integer();
    result.message = rows.text(row, column++);
    result.output_tail = rows.text(row, column++);
  } else {
    column += static_cast<int>(std::ranges::count(kHistoryViewColumns, ','));
  }
  if (rows.is_null(row, column)) return view;
  auto attempts = attempts_from_json(rows.text(row, column));
  if (!attempts) return std::unexpected(attempts.error());
  view.attempts = std::move(*attempts);
  return view;
}

}  // namespace ringmaster
