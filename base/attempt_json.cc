#include "base/attempt_json.h"

#include <limits>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/utf8.h"

namespace ringmaster {
namespace {

namespace json = boost::json;

// Reads the fields of one object; an absent field leaves its target alone, one of a wrong type makes ok()
// false.
class Fields {
 public:
  explicit Fields(const json::object& object) : object_(object) {}

  template <class Int>
  void integer(const char* name, Int& out) {
    const json::value* value = object_.if_contains(name);
    if (value == nullptr) return;
    const std::int64_t* number = value->if_int64();
    ok_ = ok_ && number != nullptr && std::in_range<Int>(*number);
    if (ok_) out = static_cast<Int>(*number);
  }
  void boolean(const char* name, bool& out) {
    const json::value* value = object_.if_contains(name);
    if (value == nullptr) return;
    ok_ = ok_ && value->is_bool();
    if (ok_) out = value->get_bool();
  }
  void text(const char* name, std::string& out) {
    if (const json::string* value = string(name)) out = std::string(value->data(), value->size());
  }
  void time(const char* name, WallTime& out) {
    const json::value* given = object_.if_contains(name);
    if (given != nullptr && given->is_null()) return;
    const json::string* value = string(name);
    if (value == nullptr) return;
    const auto time = parse_time({value->data(), value->size()});
    ok_ = ok_ && time.has_value();
    if (time) out = *time;
  }
  void outcome(const char* name, Outcome& out) {
    // An outcome of a newer version: all that this one can tell is that it was no success.
    if (const json::string* value = string(name)) {
      out = parse_outcome({value->data(), value->size()}).value_or(Outcome::failed);
    }
  }
  bool ok() const { return ok_; }

 private:
  const json::string* string(const char* name) {
    const json::value* value = object_.if_contains(name);
    if (value == nullptr) return nullptr;
    ok_ = ok_ && value->is_string();
    return value->if_string();
  }

  const json::object& object_;
  bool ok_ = true;
};

// The epoch of time stands for none: an attempt that was lost before it started, for example.
json::value time_or_null(WallTime time) {
  return time == WallTime{} ? json::value(nullptr) : json::value(format_time(time));
}

void put_result(json::object& out, const AttemptResult& result) {
  const auto name = to_string(result.outcome);
  out["outcome"] = json::string_view(name.data(), name.size());
  out["exit_code"] = result.exit_code;
  out["signal"] = result.signal;
  out["permanent"] = result.permanent;
  out["started_at"] = time_or_null(result.started_at);
  out["finished_at"] = time_or_null(result.finished_at);
  out["usage"] = json::object{{"user_us", result.usage.user_us},
                              {"system_us", result.usage.system_us},
                              {"max_rss_kib", result.usage.max_rss_kib}};
  out["message"] = replace_invalid_utf8(result.message);
  out["output_tail"] = replace_invalid_utf8(result.output_tail);
}

bool read_record(const json::object& object, AttemptRecord& record) {
  AttemptResult& result = record.result;
  Fields fields(object);
  fields.integer("attempt", record.attempt);
  fields.integer("epoch", record.epoch);
  fields.text("worker", record.worker);
  fields.outcome("outcome", result.outcome);
  fields.integer("exit_code", result.exit_code);
  fields.integer("signal", result.signal);
  fields.boolean("permanent", result.permanent);
  fields.time("started_at", result.started_at);
  fields.time("finished_at", result.finished_at);
  fields.text("message", result.message);
  fields.text("output_tail", result.output_tail);
  const json::value* usage = object.if_contains("usage");
  if (usage == nullptr) return fields.ok();
  if (!usage->is_object()) return false;
  Fields used(usage->get_object());
  used.integer("user_us", result.usage.user_us);
  used.integer("system_us", result.usage.system_us);
  used.integer("max_rss_kib", result.usage.max_rss_kib);
  return fields.ok() && used.ok();
}

}  // namespace

json::object to_json(const AttemptResult& result) {
  json::object out;
  put_result(out, result);
  return out;
}

json::object to_json(const AttemptRecord& record) {
  json::object out{{"attempt", record.attempt}, {"epoch", record.epoch}, {"worker", record.worker}};
  put_result(out, record.result);
  return out;
}

std::string attempts_to_text(const std::vector<AttemptRecord>& attempts) {
  if (attempts.empty()) return "[]";
  json::array out;
  out.reserve(attempts.size());
  for (const AttemptRecord& record : attempts) out.emplace_back(to_json(record));
  return json::serialize(out);
}

Result<std::vector<AttemptRecord>> attempts_from_text(std::string_view text) {
  const auto refuse = [] {
    return fail(ErrorCode::internal, "the attempt log in the database is not an array of attempts");
  };
  std::vector<AttemptRecord> attempts;
  if (text == "[]") return attempts;
  boost::system::error_code error;
  const json::value value = json::parse({text.data(), text.size()}, error);
  if (error || !value.is_array()) return refuse();
  attempts.reserve(value.get_array().size());
  for (const json::value& item : value.get_array()) {
    if (!item.is_object() || !read_record(item.get_object(), attempts.emplace_back())) return refuse();
  }
  return attempts;
}

}  // namespace ringmaster
