#include "base/task_json.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace ringmaster {
namespace {

namespace json = boost::json;

std::string_view text_of(const json::string& text) {
  return {text.data(), text.size()};
}

// ---- reading: each reader says what is allowed when the value is something else ----

using Refusal = std::optional<std::string>;

Refusal read_text(const json::value& value, std::string& out) {
  if (!value.is_string()) return "must be a string";
  out = text_of(value.get_string());
  return {};
}

Refusal read_integer(const json::value& value, std::int32_t& out) {
  const std::int64_t* number = value.if_int64();
  if (number == nullptr || !std::in_range<std::int32_t>(*number)) return "must be a whole number of 32 bits";
  out = static_cast<std::int32_t>(*number);
  return {};
}

Refusal read_number(const json::value& value, double& out) {
  if (!value.is_number()) return "must be a number";
  out = value.to_number<double>();
  return {};
}

Refusal read_duration(const json::value& value, Duration& out) {
  if (!value.is_string()) return "must be a duration in a string, for example \"30s\" or \"1h30m\"";
  const auto duration = parse_duration(text_of(value.get_string()));
  if (!duration) return duration.error().message;
  out = *duration;
  return {};
}

Refusal read_time(const json::value& value, std::optional<WallTime>& out) {
  if (!value.is_string()) return "must be an RFC 3339 time in a string, for example \"2026-11-21T09:30:00Z\"";
  const auto time = parse_time(text_of(value.get_string()));
  if (!time) return time.error().message;
  out = *time;
  return {};
}

template <class Choice>
Refusal read_choice(const json::value& value, std::optional<Choice> (*parse)(std::string_view),
                    const char* allowed, Choice& out) {
  const auto choice = value.is_string() ? parse(text_of(value.get_string())) : std::nullopt;
  if (!choice) return std::string("must be ") + allowed;
  out = *choice;
  return {};
}

Refusal read_spec(const json::value& value, std::string& out) {
  if (!value.is_object()) return "must be an object";
  out = json::serialize(value);
  return {};
}

Refusal read_labels(const json::value& value, std::string& out) {
  const json::object* labels = value.if_object();
  bool strings = labels != nullptr;
  for (auto label = strings ? labels->begin() : nullptr; strings && label != labels->end(); ++label) {
    strings = label->value().is_string();
  }
  if (!strings) return "must be an object of strings";
  out = labels->empty() ? "" : json::serialize(*labels);
  return {};
}

template <class Target>
struct Field {
  std::string_view name;
  Refusal (*read)(const json::value&, Target&);
};

template <class Target>
Result<> read_fields(const json::object& object, std::span<const Field<Target>> fields,
                     std::string_view prefix, Target& out) {
  for (const json::key_value_pair& member : object) {
    const std::string_view key = member.key();
    const std::string name = std::string(prefix) + std::string(key);
    const auto field = std::ranges::find(fields, key, &Field<Target>::name);
    if (field == fields.end()) {
      std::string allowed;
      for (const auto& known : fields) allowed += (allowed.empty() ? "" : ", ") + std::string(known.name);
      return fail(ErrorCode::invalid_argument, "unknown field " + name + "; allowed are " + allowed, name);
    }
    if (auto refusal = field->read(member.value(), out)) {
      return fail(ErrorCode::invalid_argument, name + " " + *refusal, name);
    }
  }
  return {};
}

constexpr Field<RetryPolicy> kRetryFields[] = {
    {"max_attempts", [](const json::value& v, RetryPolicy& r) { return read_integer(v, r.max_attempts); }},
    {"backoff", [](const json::value& v, RetryPolicy& r) { return read_duration(v, r.backoff); }},
    {"factor", [](const json::value& v, RetryPolicy& r) { return read_number(v, r.factor); }},
    {"backoff_max", [](const json::value& v, RetryPolicy& r) { return read_duration(v, r.backoff_max); }},
};

constexpr Field<NewTask> kTaskFields[] = {
    {"namespace", [](const json::value& v, NewTask& t) { return read_text(v, t.ns); }},
    {"kind", [](const json::value& v, NewTask& t) { return read_text(v, t.kind); }},
    {"spec", [](const json::value& v, NewTask& t) { return read_spec(v, t.spec); }},
    {"group", [](const json::value& v, NewTask& t) { return read_text(v, t.group); }},
    {"routing_key", [](const json::value& v, NewTask& t) { return read_text(v, t.routing_key); }},
    {"routing", [](const json::value& v,
                   NewTask& t) { return read_choice(v, &parse_routing, "bounded or strict", t.routing); }},
    {"priority", [](const json::value& v, NewTask& t) { return read_integer(v, t.priority); }},
    {"run_at", [](const json::value& v, NewTask& t) { return read_time(v, t.run_at); }},
    {"timeout", [](const json::value& v, NewTask& t) { return read_duration(v, t.timeout); }},
    {"start_deadline", [](const json::value& v, NewTask& t) { return read_duration(v, t.start_deadline); }},
    // Its fields are read in new_task_from_json, so that their errors carry their whole names.
    {"retry",
     [](const json::value& v, NewTask&) { return v.is_object() ? Refusal() : Refusal("must be an object"); }},
    {"on_worker_lost",
     [](const json::value& v, NewTask& t) {
       return read_choice(v, &parse_on_worker_lost, "rerun, rerun_after_lease or fail", t.on_worker_lost);
     }},
    {"labels", [](const json::value& v, NewTask& t) { return read_labels(v, t.labels); }},
    {"traceparent", [](const json::value& v, NewTask& t) { return read_text(v, t.traceparent); }},
    {"created_by", [](const json::value& v, NewTask& t) { return read_text(v, t.created_by); }},
    {"idempotency_key", [](const json::value& v, NewTask& t) { return read_text(v, t.idempotency_key); }},
};

// ---- writing ----

json::value time_or_null(const std::optional<WallTime>& time) {
  return time ? json::value(format_time(*time)) : json::value(nullptr);
}

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(text);
}

// A document that was checked when it was accepted; should it still not parse, it is shown as text.
json::value document(const std::string& text) {
  if (text.empty()) return json::object{};
  boost::system::error_code error;
  json::value value = json::parse(text, error);
  return error ? json::value(text) : value;
}

json::object retry_to_json(const RetryPolicy& retry) {
  return {{"max_attempts", retry.max_attempts},
          {"backoff", format_duration(retry.backoff)},
          {"factor", retry.factor},
          {"backoff_max", format_duration(retry.backoff_max)}};
}

json::value progress_or_null(const std::optional<Progress>& progress) {
  if (!progress) return nullptr;
  return json::object{
      {"fraction", progress->fraction}, {"message", progress->message}, {"at", format_time(progress->at)}};
}

json::array to_array(const std::vector<AttemptRecord>& records) {
  json::array out;
  out.reserve(records.size());
  for (const AttemptRecord& record : records) out.emplace_back(to_json(record));
  return out;
}

void put_task(json::object& out, const NewTask& task) {
  out["namespace"] = task.ns;
  out["kind"] = task.kind;
  out["group"] = task.group;
  out["spec"] = document(task.spec);
  out["priority"] = task.priority;
  out["routing_key"] = task.routing_key;
  out["routing"] = to_string(task.routing);
  out["timeout"] = format_duration(task.timeout);
  out["start_deadline"] = format_duration(task.start_deadline);
  out["retry"] = retry_to_json(task.retry);
  out["on_worker_lost"] = to_string(task.on_worker_lost);
  out["labels"] = document(task.labels);
  out["traceparent"] = text_or_null(task.traceparent);
  out["created_by"] = text_or_null(task.created_by);
}

}  // namespace

Result<NewTask> new_task_from_json(const json::object& object) {
  NewTask task;
  if (auto read = read_fields<NewTask>(object, kTaskFields, "", task); !read) {
    return std::unexpected(read.error());
  }
  if (const json::value* retry = object.if_contains("retry")) {
    auto read = read_fields<RetryPolicy>(retry->get_object(), kRetryFields, "retry.", task.retry);
    if (!read) return std::unexpected(read.error());
  }
  return task;
}

json::object task_view_to_json(const TaskView& view) {
  const TaskRow& row = view.row;
  json::object out;
  out.reserve(36);
  out["id"] = to_string(row.id);
  out["state"] = to_string(row.state);
  if (row.cancel_requested) out["cancel_requested"] = true;
  put_task(out, row.task);
  out["attempt"] = row.attempt;
  out["epoch"] = row.epoch == 0 ? json::value(nullptr) : json::value(row.epoch);
  out["failures"] = row.failures;
  out["crashes"] = row.crashes;
  out["worker"] = text_or_null(row.worker);
  out["worker_incarnation"] =
      row.worker_incarnation ? json::value(to_string(row.worker_incarnation)) : json::value(nullptr);
  out["created_at"] = format_time(row.created_at);
  out["run_at"] = format_time(row.run_at);
  out["started_at"] = time_or_null(row.started_at);
  out["finished_at"] = time_or_null(view.finished_at);
  out["progress"] = progress_or_null(view.progress);
  out["result"] = view.result ? json::value(to_json(*view.result)) : json::value(nullptr);
  out["attempts"] = to_array(view.attempts);
  if (!view.late.empty()) out["late"] = to_array(view.late);
  return out;
}

bool labels_include(std::string_view labels, std::string_view wanted) {
  if (wanted.empty()) return true;
  boost::system::error_code error;
  const auto parse = [&](std::string_view text) {
    const json::value value = text.empty() ? json::value(json::object{}) : json::parse(text, error);
    return value.is_object() ? value.get_object() : json::object{};
  };
  const json::object have = parse(labels), want = parse(wanted);
  return std::ranges::all_of(want, [&](const auto& label) {
    const auto* value = have.if_contains(label.key());
    return value != nullptr && *value == label.value();
  });
}

}  // namespace ringmaster
