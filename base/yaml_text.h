// Settings in YAML. Pure. Any thread.
#pragma once

#include <optional>
#include <string>

#include <yaml-cpp/yaml.h>

#include "base/setting_value.h"

namespace ringmaster {

// A value as the text that an environment variable would hold, or nothing if it has no such form.
std::optional<std::string> yaml_text(const YAML::Node& node, SettingType type);

}  // namespace ringmaster
