// docs/configuration.md against the settings that a daemon declares: a row for each, in their order, and no
// other.
#pragma once

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/setting_value.h"

namespace ringmaster {

inline std::string takes(const Setting& setting) {
  switch (setting.type) {
    case SettingType::text: {
      std::string words;
      for (const std::string& word : setting.choices) words += (words.empty() ? "" : ", ") + word;
      return words.empty() ? "text" : words;
    }
    case SettingType::address:
      return "address";
    case SettingType::integer:
      return std::to_string(setting.min) + " to " + std::to_string(setting.max);
    case SettingType::size:
      return "size";
    case SettingType::duration:
      return "duration";
    case SettingType::boolean:
      return "true, false";
    case SettingType::list:
      return "list";
  }
  return {};
}

// `heading`: of the daemon's section. `of_host`: what the page says of defaults that are this machine's.
inline void expect_documented(const std::string& heading, const std::vector<Setting>& declared,
                              const std::map<std::string, std::string>& of_host) {
  std::ifstream page(SOURCE_ROOT "/docs/configuration.md");
  std::string rows, wanted;
  bool inside = false;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("## ")) inside = line == heading;
    if (inside && line.starts_with("| `")) rows += line + "\n";
  }
  for (const Setting& setting : declared) {
    const auto host = of_host.find(setting.name);
    std::string value = setting.default_value.empty() ? "none" : "`" + setting.default_value + "`";
    if (host != of_host.end()) value = host->second;
    wanted += "| `" + setting.name + "`" + (setting.live ? " ↻" : "") + " | " + value + " | " +
              takes(setting) + " | " + setting.description + " |\n";
  }
  EXPECT_EQ(rows, wanted) << "docs/configuration.md, " << heading;
}

}  // namespace ringmaster
