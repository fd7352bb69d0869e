// The settings of ringworker: what there is, and what one set of values means. Pure, but for the host's name,
// its number of cores and the secret file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/daemon_log.h"
#include "base/settings.h"

namespace ringmaster {

struct WorkerSettings {
  std::string node_id;
  std::string cluster;
  std::string listen;
  std::string advertise;  // empty: the address that was bound
  std::string zookeeper;
  Duration session_timeout{0};
  std::vector<std::string> groups;
  std::uint32_t slots = 0;
  std::uint32_t prefetch = 0;
  std::uint32_t weight = 0;
  std::string data_dir;
  std::string secret;
  Duration drain_timeout{0};
  LogLevel log_level = LogLevel::info;
};

std::vector<Setting> declare_worker_settings();

// Errors: invalid_argument with `field` and what is allowed.
Result<WorkerSettings> read_worker_settings(const Settings& settings);

}  // namespace ringmaster
