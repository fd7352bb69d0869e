// Settings: a program's configuration in four layers, the stronger first: flags, RINGMASTER_* environment, a
// YAML file, defaults; in whatever order they are loaded. Only declared keys exist, and every value is
// checked as it arrives: an error names the key, where the value came from and what is allowed. One thread
// while loading.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "base/secret_file.h"
#include "base/setting_value.h"

namespace ringmaster {

class Settings {
 public:
  // A repeated name or a default that is not allowed is a bug of the program: CHECK.
  explicit Settings(std::vector<Setting> declared);

  const std::vector<Setting>& declared() const { return declared_; }
  // `--worker-timeout` of `worker_timeout`.
  static std::string flag_of(std::string_view name);
  // `RINGMASTER_WORKER_TIMEOUT` of `worker_timeout`.
  static std::string variable_of(std::string_view name);

  // Each refuses on the first error (invalid_argument; load_file also when the file cannot be read) and may
  // have taken the values before it.

  // A map of declared keys to scalars (or, for lists, sequences). An unknown key is refused with the nearest
  // known one.
  Result<> load_file(const std::string& path);
  // One value as strong as those of a file, for a program with a file of another shape. `origin` says where
  // it stands: `file:line`.
  Result<> set_in_file(std::string_view name, std::string_view text, const std::string& origin);
  // `lookup` is like getenv: null if the variable is not set. An empty variable counts as not set.
  Result<> load_environment(const std::function<const char*(const char*)>& lookup);
  // `name` with underscores or dashes, with or without the leading `--`.
  Result<> set_flag(std::string_view name, std::string_view value);

  // The strongest layer's value. An undeclared name or another type than the declared one: CHECK.
  const std::string& get_string(std::string_view name) const;  // text and address
  std::int64_t get_int(std::string_view name) const;           // integer
  std::int64_t get_size(std::string_view name) const;          // size, in bytes
  Duration get_duration(std::string_view name) const;
  bool get_bool(std::string_view name) const;
  const std::vector<std::string>& get_list(std::string_view name) const;
  // Whether any layer but the defaults says something about it.
  bool is_set(std::string_view name) const;

  struct Line {
    std::string name, value,
        origin;  // origin: `default`, `flag --listen`, `environment RINGMASTER_…`, `file:line`
  };
  // Every declared key, in declared order.
  std::vector<Line> describe() const;

 private:
  enum class Layer { defaults, file, environment, flag };
  struct Current {
    SettingValue value;
    Layer layer = Layer::defaults;
    std::string origin = "default";
  };

  const Setting* find(std::string_view name) const;
  std::string unknown(std::string_view name) const;
  Result<> set(const Setting& setting, std::string_view text, Layer layer, std::string origin);
  const Current& current(std::string_view name) const;
  template <class T>
  const T& get(std::string_view name, std::initializer_list<SettingType> types) const;

  std::vector<Setting> declared_;
  std::map<std::string, Current, std::less<>> values_;
};

}  // namespace ringmaster
