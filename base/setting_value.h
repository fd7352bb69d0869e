// The values that a setting can have, and their text. Pure. Any thread.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace ringmaster {

enum class SettingType : std::uint8_t {
  text,
  integer,
  duration,  // `1h30m`
  boolean,   // `true` or `false`
  list,      // texts, separated by commas
  address,   // `host:port`
  size,      // bytes: `4096`, `64KiB`, `1GiB`
};

// One declared key. Names are snake_case: `worker_timeout` is the flag --worker-timeout, the environment's
// RINGMASTER_WORKER_TIMEOUT and the same name in YAML.
struct Setting {
  std::string name;
  SettingType type = SettingType::text;
  std::string default_value;  // empty: an empty text, list or address; 0; false
  std::string description;    // one line
  std::int64_t min = 0;       // of integers and sizes (bytes)
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
  bool live = false;                 // SIGHUP changes it in a running daemon
  std::vector<std::string> choices;  // of a text: only these; empty: any
};
inline Setting live(Setting setting) {
  setting.live = true;
  return setting;
}

// text and address: string; integer and size: number.
using SettingValue = std::variant<std::string, std::int64_t, Duration, bool, std::vector<std::string>>;

// What this setting takes, for a person: `a number from 1 to 64`.
std::string allowed_values(const Setting& setting);

// Errors: invalid_argument with what is allowed. The empty text is taken only where the default is empty too.
Result<SettingValue> parse_setting(const Setting& setting, std::string_view text);
std::string format_setting(SettingType type, const SettingValue& value);

}  // namespace ringmaster
