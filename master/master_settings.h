// The settings of `ringmaster serve`: what there is, and what one set of values means. Pure, but for the
// host's name and the secret file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "registry/node_settings.h"

namespace ringmaster {

struct MasterSettings : NodeSettings {
  std::string http_listen;
  std::string database;
  std::uint32_t connections = 0;
  Duration worker_timeout{};
  std::int32_t max_crashes = 0;
  Duration retention{};
  std::uint32_t lane_window = 0;
  std::uint32_t waiting_window = 0;
  Duration stop_timeout{};
  Duration audit_interval{};
};

std::vector<Setting> declare_master_settings();
// Errors: invalid_argument, with what is allowed.
Result<MasterSettings> read_master_settings(const Settings& settings);

}  // namespace ringmaster
