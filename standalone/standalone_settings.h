// The settings of `ringmaster standalone`: those of a master and of a worker that have a meaning on one
// machine, and where its data lies. Pure, but for what those two read.
#pragma once

#include <string>
#include <vector>

#include "master/master_settings.h"
#include "worker/worker_settings.h"

namespace ringmaster {

struct StandaloneSettings {
  std::string data;      // absolute
  std::string binaries;  // of PostgreSQL; empty: look for them
  MasterSettings master;
  WorkerSettings worker;
};

std::vector<Setting> declare_standalone_settings();
// Errors: invalid_argument, with what is allowed.
Result<StandaloneSettings> read_standalone_settings(const Settings& settings);

// Of its own PostgreSQL in `data`: what the master's `database` is.
std::string standalone_database(const std::string& data);

}  // namespace ringmaster
