#include "base/serve_command.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include <glog/logging.h>

#include "base/failpoint.h"

namespace ringmaster {

ServeCommand::ServeCommand(CLI::App& app, Settings& settings, const std::string& description,
                           const std::string& name)
    : settings_(settings), command_(app.add_subcommand(name, description)) {
  command_->add_option("--config", config_, "YAML file with settings");
  command_->add_flag("--check-config", check_config_, "show each effective value and its origin, then end");
  for (const Setting& setting : settings.declared()) {
    const auto set = [this, key = setting.name](const std::string& value) {
      flags_.emplace_back(key, value);
      if (auto taken = settings_.set_flag(key, value); !taken && !bad_flag_) bad_flag_ = taken.error();
    };
    command_->add_option_function<std::string>(Settings::flag_of(setting.name), set, setting.description);
  }
}

Result<> ServeCommand::load() {
  if (bad_flag_) return std::unexpected(*bad_flag_);
#if RINGMASTER_FAILPOINTS
  if (const char* wanted = std::getenv("RINGMASTER_FAILPOINTS"); wanted != nullptr) {
    if (auto armed = failpoints().arm(wanted); !armed)
      return fail(ErrorCode::invalid_argument, "RINGMASTER_FAILPOINTS: " + armed.error().message);
  }
#endif
  return load(settings_);
}

Result<> ServeCommand::load(Settings& into) const {
  if (!config_.empty()) {
    if (auto loaded = into.load_file(config_); !loaded) return loaded;
  }
  return into.load_environment([](const char* name) -> const char* { return std::getenv(name); });
}

Result<Settings> ServeCommand::read_again() const {
  Settings again(settings_.declared());
  for (const auto& [name, value] : flags_) {
    if (auto taken = again.set_flag(name, value); !taken) return std::unexpected(taken.error());
  }
  if (auto loaded = load(again); !loaded) return std::unexpected(loaded.error());
  return again;
}

void ServeCommand::take_over(Settings again) {
  const auto before = settings_.describe(), after = again.describe();
  bool changed = false;
  for (std::size_t i = 0; i < after.size(); ++i) {
    if (before[i].value == after[i].value) continue;
    changed = true;
    if (settings_.declared()[i].live) {
      LOG(INFO) << after[i].name << " is " << after[i].value << " now (" << after[i].origin << ")";
    } else {
      LOG(WARNING) << after[i].name << " has changed (" << after[i].origin
                   << "): it takes a restart to be in force";
    }
  }
  if (!changed) LOG(INFO) << "settings read again: nothing has changed";
  settings_ = std::move(again);
}

void ServeCommand::refuse_reload(const Error& error) {
  LOG(ERROR) << "not reloaded: " << error.message;
}

void ServeCommand::print() const {
  for (const Settings::Line& line : settings_.describe()) {
    std::printf("%-16s %-32s %s\n", line.name.c_str(), line.value.c_str(), line.origin.c_str());
  }
}

}  // namespace ringmaster
