#include "base/settings.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include <glog/logging.h>
#include <yaml-cpp/yaml.h>

#include "base/nearest_word.h"
#include "base/yaml_text.h"

namespace ringmaster {
namespace {

std::string replace_each(std::string_view text, char from, char to) {
  std::string changed(text);
  std::ranges::replace(changed, from, to);
  return changed;
}

Result<> refuse(std::string_view name, const std::string& message, const std::string& origin) {
  return fail(ErrorCode::invalid_argument, message + " (" + origin + ")", std::string(name));
}

Result<YAML::Node> load_yaml(const std::string& path) {
  // A directory opens and reads like an empty file.
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    return fail(ErrorCode::invalid_argument, path + " is a directory, not a configuration file");
  }
  try {
    return YAML::LoadFile(path);
  } catch (const YAML::BadFile&) {
    return fail(ErrorCode::invalid_argument, "cannot read the configuration file " + path);
  } catch (const YAML::Exception& error) {
    return fail(ErrorCode::invalid_argument,
                path + ":" + std::to_string(error.mark.line + 1) + ": not valid YAML: " + error.msg);
  }
}

}  // namespace

Settings::Settings(std::vector<Setting> declared) : declared_(std::move(declared)) {
  for (const Setting& setting : declared_) {
    auto value = parse_setting(setting, setting.default_value);
    CHECK(value) << "default of " << setting.name << ": " << value.error().message;
    const bool added = values_.emplace(setting.name, Current{*std::move(value)}).second;
    CHECK(added) << setting.name << " is declared twice";
  }
}

std::string Settings::flag_of(std::string_view name) {
  return "--" + replace_each(name, '_', '-');
}

std::string Settings::variable_of(std::string_view name) {
  std::string variable = "RINGMASTER_" + std::string(name);
  for (char& c : variable) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return variable;
}

const Setting* Settings::find(std::string_view name) const {
  const auto found = std::ranges::find(declared_, name, &Setting::name);
  return found == declared_.end() ? nullptr : &*found;
}

std::string Settings::unknown(std::string_view name) const {
  std::vector<std::string> names;
  for (const Setting& setting : declared_) names.push_back(setting.name);
  const std::string nearest = nearest_word(name, names);
  return "unknown setting " + std::string(name) + (nearest.empty() ? "" : "; did you mean " + nearest + "?");
}

Result<> Settings::set(const Setting& setting, std::string_view text, Layer layer, std::string origin) {
  auto value = parse_setting(setting, text);
  if (!value) return refuse(setting.name, setting.name + ": " + value.error().message, origin);
  Current& current = values_.find(setting.name)->second;
  if (layer >= current.layer) current = {*std::move(value), layer, std::move(origin)};
  return {};
}

Result<> Settings::load_file(const std::string& path) {
  const auto root = load_yaml(path);
  if (!root) return std::unexpected(root.error());
  if (root->IsNull()) return {};
  if (!root->IsMap()) return fail(ErrorCode::invalid_argument, path + ": expected a map of settings");
  std::set<std::string> seen;
  for (const auto& entry : *root) {
    const std::string origin = path + ":" + std::to_string(entry.first.Mark().line + 1);
    if (!entry.first.IsScalar()) return refuse("", "a setting's name is expected", origin);
    const std::string& name = entry.first.Scalar();
    const Setting* setting = find(name);
    if (setting == nullptr) return refuse(name, unknown(name), origin);
    if (!seen.insert(name).second) return refuse(name, name + " is given twice", origin);
    const auto text = yaml_text(entry.second, setting->type);
    if (!text) {
      return refuse(name, name + ": expected " + allowed_values(*setting), origin);
    }
    if (auto taken = set(*setting, *text, Layer::file, origin); !taken) return taken;
  }
  return {};
}

Result<> Settings::set_in_file(std::string_view name, std::string_view text, const std::string& origin) {
  const Setting* setting = find(name);
  if (setting == nullptr) return refuse(name, unknown(name), origin);
  return set(*setting, text, Layer::file, origin);
}

Result<> Settings::load_environment(const std::function<const char*(const char*)>& lookup) {
  for (const Setting& setting : declared_) {
    const std::string variable = variable_of(setting.name);
    const char* text = lookup(variable.c_str());
    if (text == nullptr || *text == '\0') continue;
    if (auto taken = set(setting, text, Layer::environment, "environment " + variable); !taken) return taken;
  }
  return {};
}

Result<> Settings::set_flag(std::string_view name, std::string_view value) {
  if (name.starts_with("--")) name.remove_prefix(2);
  const std::string key = replace_each(name, '-', '_');
  const std::string origin = "flag " + flag_of(key);
  const Setting* setting = find(key);
  if (setting == nullptr) return refuse(key, unknown(key), origin);
  return set(*setting, value, Layer::flag, origin);
}

const Settings::Current& Settings::current(std::string_view name) const {
  const auto found = values_.find(name);
  CHECK(found != values_.end()) << name << " is not declared";
  return found->second;
}

template <class T>
const T& Settings::get(std::string_view name, std::initializer_list<SettingType> types) const {
  const Current& found = current(name);
  CHECK(std::ranges::find(types, find(name)->type) != types.end())
      << name << " is declared with another type";
  return std::get<T>(found.value);
}

const std::string& Settings::get_string(std::string_view name) const {
  return get<std::string>(name, {SettingType::text, SettingType::address});
}
std::int64_t Settings::get_int(std::string_view name) const {
  return get<std::int64_t>(name, {SettingType::integer});
}
std::int64_t Settings::get_size(std::string_view name) const {
  return get<std::int64_t>(name, {SettingType::size});
}
Duration Settings::get_duration(std::string_view name) const {
  return get<Duration>(name, {SettingType::duration});
}
bool Settings::get_bool(std::string_view name) const {
  return get<bool>(name, {SettingType::boolean});
}
const std::vector<std::string>& Settings::get_list(std::string_view name) const {
  return get<std::vector<std::string>>(name, {SettingType::list});
}
bool Settings::is_set(std::string_view name) const {
  return current(name).layer != Layer::defaults;
}

std::vector<Settings::Line> Settings::describe() const {
  std::vector<Line> lines;
  lines.reserve(declared_.size());
  for (const Setting& setting : declared_) {
    const Current& found = current(setting.name);
    lines.push_back({setting.name, format_setting(setting.type, found.value), found.origin});
  }
  return lines;
}

}  // namespace ringmaster
