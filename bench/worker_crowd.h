// WorkerCrowd: many workers in one process, light but real: each with its own port, channels and ledger,
// speaking the protocol; they run `noop` only and keep their results in memory. On a thread of its own.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/asio_loop.h"
#include "registry/zookeeper_registry.h"
#include "rpc/tcp_links.h"
#include "worker/noop_runner.h"
#include "worker/worker_node.h"

namespace ringmaster {

class WorkerCrowd {
 public:
  // A worker for each of them, with these groups. All join one ZooKeeper session. Blocks until all listen.
  WorkerCrowd(const std::string& zookeeper, const std::vector<std::vector<std::string>>& groups,
              std::uint32_t slots);
  // They vanish at once, as with a rack that loses power but for the sockets.
  ~WorkerCrowd();
  WorkerCrowd(const WorkerCrowd&) = delete;
  WorkerCrowd& operator=(const WorkerCrowd&) = delete;

 private:
  class Member;
  AsioLoop loop_;
  std::unique_ptr<ZooKeeperRegistry> registry_;
  std::vector<std::unique_ptr<Member>> members_;
  std::jthread thread_;
};

}  // namespace ringmaster
