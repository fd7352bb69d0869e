// Standalone: a whole Ringmaster in one process: a master, a worker, the registry in memory, and a PostgreSQL
// of its own beneath (and the worker's supervisor, as everywhere). Everything that must survive lies in one
// directory: a restart, after whatever end, goes on where it was. One thread: the loop's.
#pragma once

#include <memory>
#include <string>

#include "base/daemon.h"
#include "master/master_daemon.h"
#include "registry/memory_registry.h"
#include "standalone/private_postgres.h"
#include "standalone/standalone_settings.h"
#include "worker/worker_daemon.h"

namespace ringmaster {

class Standalone final : public Daemon {
 public:
  Standalone(AsioLoop& loop, StandaloneSettings settings, Supervisor supervisor, Ended ended);

  // Blocks until the database is there. Errors: what a person can mend.
  Result<> start() override;
  // The worker drains, then the master stops, then the database.
  void stop() override;
  void reload(const StandaloneSettings& settings);

 private:
  void worker_ended(int code);

  AsioLoop& loop_;
  const StandaloneSettings settings_;
  const Ended ended_;
  bool stopping_ = false;
  PrivatePostgres postgres_;
  MemoryRegistryHub hub_;
  MasterDaemon master_;
  std::unique_ptr<WorkerDaemon> worker_;
  int worker_code_ = 0;
};

// Where everything is kept: made, and then locked for this process until it ends. Between the two the
// supervisor is forked, which would inherit the lock. Errors: unavailable.
Result<> make_standalone_directory(const std::string& path);
Result<> lock_standalone_directory(const std::string& path);

}  // namespace ringmaster
