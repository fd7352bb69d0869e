#include "base/yaml_text.h"

namespace ringmaster {

std::optional<std::string> yaml_text(const YAML::Node& node, SettingType type) {
  if (node.IsScalar()) return node.Scalar();
  if (!node.IsSequence() || type != SettingType::list) return std::nullopt;
  std::string joined;
  for (const YAML::Node& item : node) {
    if (!item.IsScalar() || item.Scalar().contains(',')) return std::nullopt;
    joined += (joined.empty() ? "" : ",") + item.Scalar();
  }
  return joined;
}

}  // namespace ringmaster
