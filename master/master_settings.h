// The settings of `ringmaster serve`: what there is, and what one set of values means. Pure, but for the
// host's name and the secret file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/daemon_log.h"
#include "base/settings.h"
#include "base/time.h"

namespace ringmaster {

struct MasterSettings {
  std::string node_id;
  std::string cluster;
  std::string listen;
  std::string advertise;  // empty: the address that was bound
  std::string http_listen;
  std::string database;
  std::string zookeeper;
  Duration session_timeout{};
  std::string secret;
  std::uint32_t connections = 0;
  Duration worker_timeout{};
  Duration retention{};
  std::uint32_t lane_window = 0;
  Duration stop_timeout{};
  LogLevel log_level = LogLevel::info;
};

std::vector<Setting> declare_master_settings();
// Errors: invalid_argument, with what is allowed.
Result<MasterSettings> read_master_settings(const Settings& settings);

}  // namespace ringmaster
