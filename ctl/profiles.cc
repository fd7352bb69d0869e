#include "ctl/profiles.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <utility>

#include <yaml-cpp/yaml.h>

#include "base/name.h"
#include "base/nearest_word.h"
#include "base/yaml_text.h"

namespace ringmaster {
namespace {

Error refusal(const std::string& origin, const std::string& message) {
  return {ErrorCode::invalid_argument, origin + ": " + message, {}};
}

// It is typed, completed and shown.
bool is_profile_name(const std::string& text) {
  return is_name(text) && text.front() != '-';
}

// From the folder of the file that names it: what a relative path means must not depend on where one stands.
std::string resolved(const std::string& path, const std::string& file) {
  const char* home = std::getenv("HOME");
  if (path.starts_with("~/") && home != nullptr) return std::string(home) + path.substr(1);
  if (path.empty() || path.front() == '/') return path;
  return (std::filesystem::path(file).parent_path() / path).lexically_normal().string();
}

class Reader {
 public:
  Reader(std::string path, const std::vector<Setting>& declared)
      : path_(std::move(path)), declared_(declared) {}

  std::string origin(const YAML::Node& node) const {
    return path_ + ":" + std::to_string(node.Mark().line + 1);
  }

  Result<Profile> profile(const YAML::Node& name, const YAML::Node& values) const {
    if (!name.IsScalar() || !is_profile_name(name.Scalar())) {
      return std::unexpected(
          refusal(origin(name), "a profile's name is made of up to 64 letters, digits and . _ -"));
    }
    Profile profile{name.Scalar(), {}};
    if (values.IsNull()) return profile;
    if (!values.IsMap())
      return std::unexpected(refusal(origin(values), "expected settings under " + profile.name));
    Settings checked(declared_);
    for (const auto& entry : values) {
      auto value = read(entry.first, entry.second, profile, checked);
      if (!value) return std::unexpected(value.error());
      profile.values.push_back(std::move(*value));
    }
    return profile;
  }

 private:
  Result<Profile::Value> read(const YAML::Node& key, const YAML::Node& node, const Profile& profile,
                              Settings& checked) const {
    const std::string name = key.IsScalar() ? key.Scalar() : "";
    const auto setting = std::ranges::find(declared_, name, &Setting::name);
    const auto type = setting == declared_.end() ? SettingType::text : setting->type;
    const auto text = yaml_text(node, type);
    if (setting != declared_.end() && !text)
      return std::unexpected(refusal(origin(key), name + ": expected " + allowed_values(*setting)));
    if (auto taken = checked.set_in_file(name, text.value_or(""), origin(key)); !taken)
      return std::unexpected(taken.error());
    if (std::ranges::find(profile.values, name, &Profile::Value::name) != profile.values.end())
      return std::unexpected(refusal(origin(key), name + " is given twice"));
    return Profile::Value{name, name == "secret_file" ? resolved(*text, path_) : *text, origin(key)};
  }

  std::string path_;
  const std::vector<Setting>& declared_;
};

Result<YAML::Node> load(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    return fail(ErrorCode::invalid_argument, path + " is a directory, not a file of profiles");
  try {
    return YAML::LoadFile(path);
  } catch (const YAML::BadFile&) {
    return fail(ErrorCode::invalid_argument, "cannot read the file of profiles " + path);
  } catch (const YAML::Exception& error) {
    return std::unexpected(
        refusal(path + ":" + std::to_string(error.mark.line + 1), "not valid YAML: " + error.msg));
  }
}

}  // namespace

Result<Profiles> Profiles::read(const std::string& path, const std::vector<Setting>& declared) {
  const auto root = load(path);
  if (!root) return std::unexpected(root.error());
  Profiles read;
  if (root->IsNull()) return read;
  const Reader reader(path, declared);
  if (!root->IsMap())
    return std::unexpected(refusal(reader.origin(*root), "expected `profiles:` and `default:`"));
  for (const auto& entry : *root) {
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
    const std::string origin = reader.origin(entry.first);
    if (key == "default" && entry.second.IsScalar()) {
      read.default_ = entry.second.Scalar();
      read.default_origin_ = origin;
    } else if (key == "profiles" && (entry.second.IsMap() || entry.second.IsNull())) {
      for (const auto& named : entry.second) {
        auto profile = reader.profile(named.first, named.second);
        if (!profile) return std::unexpected(profile.error());
        if (read.find(profile->name) != nullptr)
          return std::unexpected(refusal(reader.origin(named.first), profile->name + " is given twice"));
        read.profiles_.push_back(std::move(*profile));
      }
    } else {
      const bool known = key == "default" || key == "profiles";
      return std::unexpected(refusal(
          origin, known ? key + ": expected " + (key == "default" ? "a name" : "named profiles")
                        : "unknown key " + key + "; there are `default` and `profiles`, and settings " +
                              "stand in a profile"));
    }
  }
  if (!read.default_.empty() && read.find(read.default_) == nullptr) {
    const std::string nearest = nearest_word(read.default_, read.names());
    return std::unexpected(refusal(
        read.default_origin_,
        "there is no profile " + read.default_ + (nearest.empty() ? "" : "; did you mean " + nearest + "?")));
  }
  return read;
}

const Profile* Profiles::find(std::string_view name) const {
  const auto found = std::ranges::find(profiles_, name, &Profile::name);
  return found == profiles_.end() ? nullptr : &*found;
}

std::vector<std::string> Profiles::names() const {
  std::vector<std::string> names;
  names.reserve(profiles_.size());
  for (const Profile& profile : profiles_) names.push_back(profile.name);
  return names;
}

}  // namespace ringmaster
