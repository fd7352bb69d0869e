#include "base/api.h"

#include <cmath>
#include <limits>
#include <string_view>

#include <boost/json/basic_parser_impl.hpp>

#include "base/name.h"
#include "base/utf8.h"

namespace ringmaster {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxText = 256;
constexpr std::size_t kMaxLabels = 4096;
constexpr std::size_t kMaxTasks = 10'000;
constexpr std::size_t kMaxRequestBytes = std::size_t{4} * 1024 * 1024;
constexpr std::size_t kTaskOverhead = 64;  // numbers and framing of one task in a request
constexpr Duration kMaxDuration = std::chrono::days(365);
constexpr double kMaxFactor = 100;

Result<> refuse(std::string_view field, std::string message) {
  return fail(ErrorCode::invalid_argument, std::move(message), std::string(field));
}

// Receives a JSON text's events and keeps nothing but whether it is an object (of strings only, for labels).
// Building a DOM to throw it away would cost more than the rest of a submission.
class ObjectHandler {
 public:
  static constexpr std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_array_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_key_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_string_size = std::numeric_limits<std::size_t>::max();

  explicit ObjectHandler(bool strings_only) : strings_only_(strings_only) {}

  using Code = json::error_code;
  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code& error) { return ++depth_ == 1 || value(error); }
  bool on_object_end(std::size_t, Code&) { return --depth_, true; }
  bool on_array_begin(Code& error) { return value(error) && (++depth_, true); }
  bool on_array_end(std::size_t, Code&) { return --depth_, true; }
  bool on_key_part(json::string_view part, std::size_t, Code& error) { return characters(part, error); }
  bool on_key(json::string_view part, std::size_t, Code& error) { return characters(part, error); }
  bool on_string_part(json::string_view part, std::size_t, Code& error) { return string(part, error); }
  bool on_string(json::string_view part, std::size_t, Code& error) { return string(part, error); }
  bool on_number_part(json::string_view, Code&) { return true; }
  bool on_int64(std::int64_t, json::string_view, Code& error) { return value(error); }
  bool on_uint64(std::uint64_t, json::string_view, Code& error) { return value(error); }
  // PostgreSQL's jsonb takes numbers within numeric's range only, and a double holds far less: refuse the
  // infinite.
  bool on_double(double number, json::string_view, Code& error) {
    return value(error) && (std::isfinite(number) || stop(error));
  }
  bool on_bool(bool, Code& error) { return value(error); }
  bool on_null(Code& error) { return value(error); }
  bool on_comment_part(json::string_view, Code&) { return true; }
  bool on_comment(json::string_view, Code&) { return true; }

 private:
  static bool stop(Code& error) {
    error = json::error::syntax;
    return false;
  }
  // A value that is neither the outermost object nor a string.
  bool value(Code& error) const { return (depth_ > 0 && !strings_only_) || stop(error); }
  bool string(json::string_view part, Code& error) const {
    return depth_ > 0 ? characters(part, error) : stop(error);
  }
  // U+0000 is legal JSON, but PostgreSQL cannot hold it: one such task would fail the whole batch.
  static bool characters(json::string_view part, Code& error) {
    return part.find('\0') == json::string_view::npos || stop(error);
  }

  bool strings_only_;
  int depth_ = 0;
};

bool is_json_object(std::string_view text, bool strings_only) {
  if (text == "{}") return true;
  json::basic_parser<ObjectHandler> parser(json::parse_options{}, strings_only);
  json::error_code error;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), error);
  return !error && parser.done() && used == text.size();
}

Result<> check_name(std::string_view field, std::string_view value) {
  if (is_name(value)) return {};
  return refuse(field, std::string(field) + " must be 1 to 64 characters of A-Z a-z 0-9 . _ -");
}

Result<> check_text(std::string_view field, std::string_view value) {
  if (value.size() <= kMaxText && is_printable_utf8(value)) return {};
  return refuse(field, std::string(field) + " must be at most 256 bytes of UTF-8 without control characters");
}

Result<> check_duration(std::string_view field, Duration value) {
  if (value >= Duration::zero() && value <= kMaxDuration) return {};
  return refuse(field, std::string(field) + " must be a duration from 0s to 365d");
}

Result<> check_documents(const NewTask& task) {
  if (task.spec.size() > kMaxSpecBytes) {
    return refuse("spec", "spec must be at most " + std::to_string(kMaxSpecBytes) +
                              " bytes of JSON: pass bigger things by reference");
  }
  if (!is_json_object(task.spec, false)) {
    return refuse("spec",
                  "spec must be a JSON object, nested at most 32 deep, with finite numbers and no \\u0000");
  }
  if (task.labels.size() > kMaxLabels || (!task.labels.empty() && !is_json_object(task.labels, true))) {
    return refuse("labels", "labels must be a JSON object of strings, at most 4096 bytes, without \\u0000");
  }
  return {};
}

Result<> check_retry(const RetryPolicy& retry) {
  if (retry.max_attempts < 1 || retry.max_attempts > 1000) {
    return refuse("retry.max_attempts", "retry.max_attempts must be 1 to 1000");
  }
  if (!(retry.factor >= 1 && retry.factor <= kMaxFactor)) {
    return refuse("retry.factor", "retry.factor must be a number from 1 to 100");
  }
  if (auto ok = check_duration("retry.backoff", retry.backoff); !ok) return ok;
  return check_duration("retry.backoff_max", retry.backoff_max);
}

Result<> check_choices(const NewTask& task) {
  if (task.priority < 0 || task.priority > kMaxPriority) {
    return refuse("priority", "priority must be 0 to 9; 9 is the most urgent");
  }
  // A number that a newer peer sent may name no choice of this version.
  if (task.routing > Routing::strict) return refuse("routing", "routing must be bounded or strict");
  if (task.on_worker_lost > OnWorkerLost::fail) {
    return refuse("on_worker_lost", "on_worker_lost must be rerun, rerun_after_lease or fail");
  }
  using namespace std::chrono_literals;
  if (task.run_at && (*task.run_at < std::chrono::sys_days(1970y / 1 / 1) ||
                      *task.run_at >= std::chrono::sys_days(std::chrono::year(10000) / 1 / 1))) {
    return refuse("run_at", "run_at must lie in the years 1970 to 9999");
  }
  return {};
}

std::size_t request_bytes(const NewTask& task) {
  return kTaskOverhead + task.ns.size() + task.kind.size() + task.spec.size() + task.group.size() +
         task.routing_key.size() + task.labels.size() + task.traceparent.size() + task.created_by.size() +
         task.idempotency_key.size();
}

}  // namespace

Result<> validate(const NewTask& task) {
  if (auto ok = check_name("namespace", task.ns); !ok) return ok;
  if (auto ok = check_name("kind", task.kind); !ok) return ok;
  if (auto ok = check_name("group", task.group); !ok) return ok;
  if (auto ok = check_text("routing_key", task.routing_key); !ok) return ok;
  if (auto ok = check_text("traceparent", task.traceparent); !ok) return ok;
  if (auto ok = check_text("created_by", task.created_by); !ok) return ok;
  if (auto ok = check_text("idempotency_key", task.idempotency_key); !ok) return ok;
  if (auto ok = check_choices(task); !ok) return ok;
  if (auto ok = check_duration("timeout", task.timeout); !ok) return ok;
  if (auto ok = check_duration("start_deadline", task.start_deadline); !ok) return ok;
  if (auto ok = check_retry(task.retry); !ok) return ok;
  return check_documents(task);
}

Result<> validate(const SubmitRequest& request) {
  if ((request.tasks.empty() && !request.each) || request.tasks.size() > kMaxTasks) {
    return refuse("tasks", "tasks must hold 1 to 10000 tasks");
  }
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < request.tasks.size(); ++i) {
    const NewTask& task = request.tasks[i];
    bytes += request_bytes(task);
    if (bytes > kMaxRequestBytes)
      return refuse("tasks", "tasks must be at most 4 MiB in all: send several requests");
    if (request.each) continue;
    if (task.idempotency_key.empty() != request.tasks[0].idempotency_key.empty())
      return refuse("tasks", "either every task of a request has an idempotency_key, or none");
    if (auto checked = validate(task); !checked) {
      const std::string where = "tasks[" + std::to_string(i) + "].";
      return refuse(where + checked.error().field, where + checked.error().message);
    }
  }
  return {};
}

}  // namespace ringmaster
