#include "base/setting_value.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "base/address.h"

namespace ringmaster {
namespace {

// Added to any clock of ours, in nanoseconds too, it does not overflow.
constexpr Duration kMaxDuration = std::chrono::days(3650);

constexpr std::array<std::pair<std::string_view, std::int64_t>, 3> kSizeUnits{
    {{"GiB", std::int64_t{1} << 30}, {"MiB", std::int64_t{1} << 20}, {"KiB", std::int64_t{1} << 10}}};

std::optional<std::int64_t> read_integer(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<std::int64_t> read_size(std::string_view text) {
  std::int64_t unit = 1;
  for (const auto& [name, bytes] : kSizeUnits) {
    if (!text.ends_with(name)) continue;
    unit = bytes;
    text.remove_suffix(name.size());
    break;
  }
  const auto number = read_integer(text);
  std::int64_t bytes = 0;
  if (!number || __builtin_mul_overflow(*number, unit, &bytes)) return std::nullopt;
  return bytes;
}

std::string format_size(std::int64_t bytes) {
  for (const auto& [name, unit] : kSizeUnits) {
    if (bytes >= unit && bytes % unit == 0) return std::to_string(bytes / unit) + std::string(name);
  }
  return std::to_string(bytes);
}

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

std::vector<std::string> read_list(std::string_view text) {
  std::vector<std::string> items;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    if (const auto item = trim(text.substr(0, comma)); !item.empty()) items.emplace_back(item);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return items;
}

// `text, json or jsonl`.
std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 < words.size() ? ", " : " or ";
    text += words[i];
  }
  return text;
}

std::optional<SettingValue> read_number(const Setting& setting, std::string_view text) {
  if (text.empty()) text = "0";
  const auto number = setting.type == SettingType::size ? read_size(text) : read_integer(text);
  if (!number || *number < setting.min || *number > setting.max) return std::nullopt;
  return *number;
}

std::optional<SettingValue> read_value(const Setting& setting, std::string_view text) {
  switch (setting.type) {
    case SettingType::text:
      if (!setting.choices.empty() && std::ranges::find(setting.choices, text) == setting.choices.end())
        return std::nullopt;
      return std::string(text);
    case SettingType::integer:
    case SettingType::size:
      return read_number(setting, text);
    case SettingType::duration: {
      const auto duration = parse_duration(text.empty() ? "0" : text);
      if (!duration || *duration > kMaxDuration) return std::nullopt;
      return *duration;
    }
    case SettingType::boolean:
      if (text == "true") return true;
      if (text == "false" || text.empty()) return false;
      return std::nullopt;
    case SettingType::list:
      return read_list(text);
    case SettingType::address:
      if (!text.empty() && !parse_address(text)) return std::nullopt;
      return std::string(text);
  }
  return std::nullopt;
}

}  // namespace

std::string allowed_values(const Setting& setting) {
  const bool unbounded = setting.max == std::numeric_limits<std::int64_t>::max();
  const auto range = [&](auto format) {
    return " from " + format(setting.min) + (unbounded ? " up" : " to " + format(setting.max));
  };
  switch (setting.type) {
    case SettingType::text:
      return setting.choices.empty() ? "a text" : listed(setting.choices);
    case SettingType::integer:
      return "a number" + range([](std::int64_t n) { return std::to_string(n); });
    case SettingType::duration:
      return "a duration of at most 3650d, for example 30s or 1h30m";
    case SettingType::boolean:
      return "true or false";
    case SettingType::list:
      return "texts separated by commas";
    case SettingType::address:
      return "host:port, for example 127.0.0.1:7420 or [::1]:7420";
    case SettingType::size:
      return "a size" + range(format_size) + ", for example 4096, 64KiB or 1GiB";
  }
  return {};
}

Result<SettingValue> parse_setting(const Setting& setting, std::string_view text) {
  std::optional<SettingValue> value;
  if (!text.empty() || setting.default_value.empty()) value = read_value(setting, text);
  if (!value) {
    const std::string shown = "\"" + std::string(text) + "\"";
    return fail(ErrorCode::invalid_argument, shown + " is not allowed: expected " + allowed_values(setting),
                setting.name);
  }
  return *std::move(value);
}

std::string format_setting(SettingType type, const SettingValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* duration = std::get_if<Duration>(&value)) return format_duration(*duration);
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    return type == SettingType::size ? format_size(*number) : std::to_string(*number);
  }
  std::string joined;
  for (const std::string& item : std::get<std::vector<std::string>>(value)) {
    joined += (joined.empty() ? "" : ",") + item;
  }
  return joined;
}

}  // namespace ringmaster
