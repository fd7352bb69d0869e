#include "base/serve_command.h"

#include <cstdio>
#include <cstdlib>

namespace ringmaster {

ServeCommand::ServeCommand(CLI::App& app, Settings& settings, const std::string& description)
    : settings_(settings) {
  CLI::App* command = app.add_subcommand("serve", description);
  command->add_option("--config", config_, "YAML file with settings");
  command->add_flag("--check-config", check_config_, "show each effective value and its origin, then end");
  for (const Setting& setting : settings.declared()) {
    const auto set = [this, name = setting.name](const std::string& value) {
      if (auto taken = settings_.set_flag(name, value); !taken && !bad_flag_) bad_flag_ = taken.error();
    };
    command->add_option_function<std::string>(Settings::flag_of(setting.name), set, setting.description);
  }
}

Result<> ServeCommand::load() {
  if (bad_flag_) return std::unexpected(*bad_flag_);
  if (!config_.empty()) {
    if (auto loaded = settings_.load_file(config_); !loaded) return loaded;
  }
  return settings_.load_environment([](const char* name) -> const char* { return std::getenv(name); });
}

void ServeCommand::print() const {
  for (const Settings::Line& line : settings_.describe()) {
    std::printf("%-16s %-32s %s\n", line.name.c_str(), line.value.c_str(), line.origin.c_str());
  }
}

}  // namespace ringmaster
