#include "sql/attempt_log.h"

#include <array>
#include <cstdint>

#include <boost/json.hpp>

#include "base/utf8.h"

namespace ringmaster {
namespace {

namespace json = boost::json;

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<std::int8_t, 256> kValueOf = [] {
  std::array<std::int8_t, 256> values{};
  values.fill(-1);
  for (std::size_t i = 0; i < kDigits.size(); ++i) {
    values[static_cast<unsigned char>(kDigits[i])] = static_cast<std::int8_t>(i);
  }
  return values;
}();

// RFC 4648, without padding.
std::string to_base64(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() / 3 * 4 + 4);
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (held += 8; held >= 6; held -= 6) text += kDigits[bits >> (held - 6) & 63];
  }
  if (held > 0) text += kDigits[bits << (6 - held) & 63];
  return text;
}

std::string from_base64(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 3);
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    const int value = kValueOf[static_cast<unsigned char>(c)];
    if (value < 0) break;
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    bytes += static_cast<char>(bits >> held & 0xff);
  }
  return bytes;
}

std::int64_t number(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  const std::int64_t* found = value == nullptr ? nullptr : value->if_int64();
  return found == nullptr ? 0 : *found;
}

std::string text(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  const json::string* found = value == nullptr ? nullptr : value->if_string();
  return found == nullptr ? std::string() : std::string(*found);
}

AttemptRecord record_of(const json::object& object) {
  AttemptRecord record;
  record.attempt = static_cast<Attempt>(number(object, "attempt"));
  record.epoch = number(object, "epoch");
  record.worker = text(object, "worker");
  AttemptResult& result = record.result;
  result.outcome = static_cast<Outcome>(number(object, "outcome"));
  result.exit_code = static_cast<std::int32_t>(number(object, "exit_code"));
  result.signal = static_cast<std::int32_t>(number(object, "signal"));
  result.permanent = number(object, "permanent") != 0;
  result.started_at = from_unix_micros(number(object, "started_at"));
  result.finished_at = from_unix_micros(number(object, "finished_at"));
  result.usage = {number(object, "user_us"), number(object, "system_us"), number(object, "max_rss_kib")};
  result.message = text(object, "message");
  result.output_tail = from_base64(text(object, "output_tail"));
  return record;
}

}  // namespace

AttemptResult storable(AttemptResult result) {
  result.message = replace_invalid_utf8(result.message);
  if (result.output_tail.size() > kMaxOutputTail) {
    result.output_tail.erase(0, result.output_tail.size() - kMaxOutputTail);
  }
  return result;
}

std::string attempt_to_json(const AttemptRecord& record) {
  const AttemptResult& result = record.result;
  json::object object{{"attempt", record.attempt},
                      {"epoch", record.epoch},
                      {"worker", record.worker},
                      {"outcome", static_cast<int>(result.outcome)},
                      {"exit_code", result.exit_code},
                      {"started_at", to_unix_micros(result.started_at)},
                      {"finished_at", to_unix_micros(result.finished_at)}};
  const auto add = [&](std::string_view key, std::int64_t value) {
    if (value != 0) object[key] = value;
  };
  add("signal", result.signal);
  add("permanent", result.permanent ? 1 : 0);
  add("user_us", result.usage.user_us);
  add("system_us", result.usage.system_us);
  add("max_rss_kib", result.usage.max_rss_kib);
  if (!result.message.empty()) object["message"] = result.message;
  if (!result.output_tail.empty()) object["output_tail"] = to_base64(result.output_tail);
  return json::serialize(object);
}

Result<std::vector<AttemptRecord>> attempts_from_json(std::string_view text) {
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  const json::array* items = error ? nullptr : value.if_array();
  if (items == nullptr) return fail(ErrorCode::internal, "the attempt log of a task is no JSON array");
  std::vector<AttemptRecord> records;
  for (const json::value& item : *items) {
    if (const json::object* object = item.if_object()) records.push_back(record_of(*object));
  }
  return records;
}

}  // namespace ringmaster
