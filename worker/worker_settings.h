// The settings of ringworker: what there is, and what one set of values means. Pure, but for the host's name,
// its number of cores, its users and the files of secrets.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "registry/node_settings.h"

namespace ringmaster {

struct WorkerSettings : NodeSettings {
  std::vector<std::string> groups;
  std::uint32_t slots = 0;
  std::uint32_t prefetch = 0;
  std::uint32_t weight = 0;
  std::string data_dir;
  Duration drain_timeout{0};
  Duration log_retention{0};
  std::int64_t log_max_size = 0;    // bytes
  std::int64_t log_total_size = 0;  // bytes; 0: no bound
  std::vector<std::string> allowed_users;
  std::string default_user;
  std::string secrets_dir;
  std::string cgroup_root;
  std::int64_t max_memory = 0;     // bytes; 0: no bound
  std::int64_t max_processes = 0;  // 0: no bound
  int report_redials = 0;
};

std::vector<Setting> declare_worker_settings();

// Errors: invalid_argument with `field` and what is allowed.
Result<WorkerSettings> read_worker_settings(const Settings& settings);

}  // namespace ringmaster
