// WorkerDaemon: puts the real parts of a worker together: spool, supervisor, runners, registry session, node
// and channels. One thread: the loop's.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "base/asio_loop.h"
#include "base/daemon.h"
#include "registry/registry.h"
#include "rpc/tcp_links.h"
#include "worker/attempt_logs.h"
#include "worker/file_spool.h"
#include "worker/kind_runner.h"
#include "worker/process_runner.h"
#include "worker/supervisor.h"
#include "worker/worker_node.h"
#include "worker/worker_settings.h"

namespace ringmaster {

class WorkerDaemon final : public Daemon {
 public:
  // The supervisor is forked first of all, while the process is small (Supervisor::spawn).
  WorkerDaemon(AsioLoop& loop, WorkerSettings settings, Supervisor supervisor,
               std::unique_ptr<Registry> registry, Ended ended);
  // Whatever ends the daemon, its attempts end before masters can see it gone, and the journal last.
  ~WorkerDaemon() override;
  WorkerDaemon(const WorkerDaemon&) = delete;
  WorkerDaemon& operator=(const WorkerDaemon&) = delete;

  // Errors: what a person can mend (port in use, spool in use or damaged).
  Result<> start() override;
  void stop() override;  // drains
  // What can change in a running worker does.
  void reload(const WorkerSettings& settings);

 private:
  void make_runner(Supervisor supervisor);
  ProcessRules process_rules() const;
  void make_node();
  void remove_old_logs();
  void drain();
  void end(int code, const std::string& why);

  AsioLoop& loop_;
  WorkerSettings settings_;
  std::optional<Supervisor> supervisor_;  // until start()
  const Ended ended_;
  bool draining_ = false;
  Timer deadline_{loop_};
  Timer cleaning_{loop_};
  std::optional<AttemptLogs> logs_;
  std::unique_ptr<FileSpool> spool_;
  std::unique_ptr<KindRunner> runner_;
  ProcessRunner* processes_ = nullptr;  // one of them
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<WorkerNode> node_;
  std::unique_ptr<TcpLinks> links_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace ringmaster
