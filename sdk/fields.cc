#include <algorithm>
#include <cmath>

#include <boost/json.hpp>

#include "ringmaster/codec.h"

namespace ringmaster::sdk {
namespace {

namespace json = boost::json;

[[noreturn]] void refuse(std::string_view name, const std::string& why) {
  throw std::invalid_argument(std::string(name) + ": " + why);
}

// Exact: a double that is not an integer is none, and 1e3 is 1000.
json::value parse_value(std::string_view text) {
  json::error_code error;
  json::value value = json::parse(text, error);
  if (error) throw std::invalid_argument("not JSON: " + error.message());
  return value;
}

}  // namespace

Fields Fields::parse(std::string_view text) {
  const json::value value = parse_value(text);
  if (!value.is_object()) throw std::invalid_argument("must be a JSON object");
  Fields fields;
  for (const auto& entry : value.get_object())
    fields.fields_.emplace_back(std::string(entry.key()), json::serialize(entry.value()));
  return fields;
}

std::string Fields::text() const {
  std::string text = "{";
  for (const auto& [name, value] : fields_) {
    if (text.size() > 1) text += ',';
    text += json::serialize(json::string_view(name)) + ":" + value;
  }
  return text + "}";
}

Fields& Fields::set(std::string_view name, std::string_view value) {
  return set_json(name, json::serialize(json::string_view(value)));
}
Fields& Fields::set(std::string_view name, bool value) {
  return set_json(name, value ? "true" : "false");
}
Fields& Fields::set(std::string_view name, double value) {
  if (!std::isfinite(value)) refuse(name, "must be a finite number");
  return set_json(name, json::serialize(json::value(value)));
}

Fields& Fields::set_json(std::string_view name, std::string_view text) {
  std::string value = json::serialize(parse_value(text));
  const auto held = std::ranges::find(fields_, name, &std::pair<std::string, std::string>::first);
  if (held != fields_.end()) {
    held->second = std::move(value);
  } else {
    fields_.emplace_back(std::string(name), std::move(value));
  }
  return *this;
}

const std::string* Fields::find(std::string_view name) const {
  const auto held = std::ranges::find(fields_, name, &std::pair<std::string, std::string>::first);
  return held == fields_.end() ? nullptr : &held->second;
}

std::string Fields::get_json(std::string_view name) const {
  const std::string* text = find(name);
  if (text == nullptr) refuse(name, "is missing");
  return *text;
}

std::string Fields::get_string(std::string_view name) const {
  const json::value value = parse_value(get_json(name));
  if (!value.is_string()) refuse(name, "must be a string");
  return std::string(value.get_string());
}
bool Fields::get_bool(std::string_view name) const {
  const json::value value = parse_value(get_json(name));
  if (!value.is_bool()) refuse(name, "must be true or false");
  return value.get_bool();
}
double Fields::get_double(std::string_view name) const {
  const json::value value = parse_value(get_json(name));
  if (!value.is_number()) refuse(name, "must be a number");
  return value.to_number<double>();
}
std::int64_t Fields::get_signed(std::string_view name) const {
  const json::value value = parse_value(get_json(name));
  json::error_code error;
  const auto number = value.to_number<std::int64_t>(error);
  if (!value.is_number() || error) refuse(name, "must be an integer, and not too large");
  return number;
}
std::uint64_t Fields::get_unsigned(std::string_view name) const {
  const json::value value = parse_value(get_json(name));
  json::error_code error;
  const auto number = value.to_number<std::uint64_t>(error);
  if (!value.is_number() || error) refuse(name, "must be an integer from 0 on, and not too large");
  return number;
}

void Fields::out_of_range(std::string_view name) {
  refuse(name, "is out of range");
}

}  // namespace ringmaster::sdk
