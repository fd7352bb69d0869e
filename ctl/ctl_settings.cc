#include "ctl/ctl_settings.h"

#include <filesystem>
#include <utility>

#include <CLI/CLI.hpp>

#include "base/nearest_word.h"
#include "ctl/option_values.h"

namespace ringmaster {
namespace {

std::string read(const CtlSettings::Environment& environment, const char* name) {
  const char* value = environment(name);
  return value == nullptr ? "" : value;
}

// What stands for the value in help, manual and completion.
std::string placeholder(const Setting& setting) {
  if (!setting.choices.empty()) return alternatives(setting.choices);
  if (setting.type == SettingType::duration) return "DURATION";
  if (setting.name == "secret_file") return "FILE";
  return setting.type == SettingType::list ? "HOST:PORT" : "NAME";
}

// `Cluster name (default: default)`.
std::string help_of(const Setting& setting) {
  const std::string known = setting.default_value.empty() ? "" : " (default: " + setting.default_value + ")";
  return as_sentence(setting.description) + known;
}

}  // namespace

std::vector<Setting> CtlSettings::declared() {
  using enum SettingType;
  return {
      {"address", list, "127.0.0.1:7420",
       "masters, host:port[,host:port…]; the next is tried when one is down"},
      {"cluster", text, "default", "cluster name"},
      {"secret_file", text, "", "file with the cluster secret, mode 600 or 400"},
      {.name = "output",
       .type = text,
       .default_value = "text",
       .description = "text; json, one document; jsonl, one document a line",
       .choices = {"text", "json", "jsonl"}},
      {.name = "color",
       .type = text,
       .default_value = "auto",
       .description = "auto: on a terminal, unless NO_COLOR is set",
       .choices = {"auto", "always", "never"}},
      {.name = "times",
       .type = text,
       .default_value = "relative",
       .description = "times in tables: relative to now, or absolute in UTC",
       .choices = {"relative", "absolute"}},
      {"request_timeout", duration, "10s",
       "for the connection and for each answer; a submission may take three times that"},
  };
}

void CtlSettings::add_flags(CLI::App& app) {
  for (const Setting& setting : settings_.declared()) {
    const auto set = [this, name = setting.name](const std::string& value) {
      if (auto taken = settings_.set_flag(name, value); !taken && !bad_flag_) bad_flag_ = taken.error();
    };
    const std::string names = (setting.name == "output" ? "-o," : "") + Settings::flag_of(setting.name);
    app.add_option_function<std::string>(names, set, help_of(setting))
        ->take_last()
        ->type_name(placeholder(setting));
  }
  app.add_option("--profile", profile_flag_, "Take the settings of this profile")
      ->take_last()
      ->type_name("PROFILE");
  app.add_option("--config", file_flag_, "File of profiles (default: ~/.config/ringmaster/ringctl.yaml)")
      ->take_last()
      ->type_name("FILE");
}

void CtlSettings::find_file(const Environment& environment) {
  const std::string config_home = read(environment, "XDG_CONFIG_HOME"), home = read(environment, "HOME");
  if (!file_flag_.empty()) {
    file_ = {file_flag_, "flag --config"};
  } else if (const std::string named = read(environment, "RINGMASTER_CONFIG"); !named.empty()) {
    file_ = {named, "environment RINGMASTER_CONFIG"};
  } else if (config_home.starts_with('/')) {
    file_ = {config_home + "/ringmaster/ringctl.yaml", "environment XDG_CONFIG_HOME"};
  } else if (!home.empty()) {
    file_ = {home + "/.config/ringmaster/ringctl.yaml", "default"};
  }
  std::error_code ignored;
  file_exists_ = !file_.text.empty() && std::filesystem::exists(file_.text, ignored);
}

Result<> CtlSettings::choose_profile(const Environment& environment) {
  if (!profile_flag_.empty()) {
    profile_ = {profile_flag_, "flag --profile"};
  } else if (const std::string named = read(environment, "RINGMASTER_PROFILE"); !named.empty()) {
    profile_ = {named, "environment RINGMASTER_PROFILE"};
  } else {
    profile_ = {profiles_.default_name(), profiles_.default_origin()};
  }
  if (profile_.text.empty() || profiles_.find(profile_.text) != nullptr) return {};
  const std::string nearest = nearest_word(profile_.text, profiles_.names());
  const std::string hint = !file_exists_     ? "; " + file_.text + " does not exist"
                           : nearest.empty() ? "; `ringctl config profiles` lists those of " + file_.text
                                             : "; did you mean " + nearest + "?";
  return fail(ErrorCode::invalid_argument,
              "there is no profile " + profile_.text + hint + " (" + profile_.origin + ")");
}

Result<> CtlSettings::load_profile(const Environment& environment) {
  const Profile* profile = profiles_.find(profile_.text);
  if (profile == nullptr) return {};
  for (const Profile::Value& value : profile->values) {
    if (auto taken = settings_.set_in_file(value.name, value.text, value.origin); !taken) return taken;
    const std::string variable = Settings::variable_of(value.name);
    const std::string set = read(environment, variable.c_str());
    if (profile_flag_.empty() || set.empty() || set == value.text) continue;
    std::string line = variable;
    line.append("=").append(set).append(" overrules ").append(value.name).append(" of profile ");
    overruled_.push_back(line + profile_.text);
  }
  return {};
}

Result<> CtlSettings::load(const Environment& environment) {
  find_file(environment);
  if (bad_flag_) return std::unexpected(*bad_flag_);
  // A file that was named must be there; the usual one need not.
  const bool named = file_.origin.starts_with("flag") || file_.origin.ends_with("RINGMASTER_CONFIG");
  if (file_exists_ || named) {
    auto profiles = Profiles::read(file_.text, settings_.declared());
    if (!profiles) return std::unexpected(profiles.error());
    profiles_ = std::move(*profiles);
  }
  if (auto chosen = choose_profile(environment); !chosen) return chosen;
  if (auto loaded = load_profile(environment); !loaded) return loaded;
  return settings_.load_environment(environment);
}

CtlOptions CtlSettings::options() const {
  std::string addresses;
  for (const std::string& address : settings_.get_list("address"))
    addresses += (addresses.empty() ? "" : ",") + address;
  return {.address = addresses,
          .cluster = settings_.get_string("cluster"),
          .secret_file = settings_.get_string("secret_file"),
          .output = settings_.get_string("output"),
          .color = settings_.get_string("color"),
          .times = settings_.get_string("times"),
          .request_timeout = settings_.get_duration("request_timeout")};
}

}  // namespace ringmaster
