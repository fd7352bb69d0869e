// HandlerDaemon: the parts of a worker around a HandlerRunner, on one loop: what ringworker's main puts
// together, without processes and their supervisor.
//
// Life: construct → open() → run() on a thread of its own → destroy. Between the first and the last,
// request_stop(), hasten() and give_up() are safe from any thread; the rest is the owner's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/asio_loop.h"
#include "registry/zookeeper_registry.h"
#include "rpc/tcp_links.h"
#include "sdk/handler_runner.h"
#include "worker/file_spool.h"
#include "worker/worker_node.h"
#include "worker/worker_settings.h"

namespace ringmaster::sdk {

class HandlerDaemon {
 public:
  // `handlers` outlives it.
  HandlerDaemon(WorkerSettings settings, const Handlers& handlers, std::uint32_t threads);
  ~HandlerDaemon();
  HandlerDaemon(const HandlerDaemon&) = delete;
  HandlerDaemon& operator=(const HandlerDaemon&) = delete;

  // Opens the spool, listens, begins to register; then `joined` is told once, from within run(): cancelled if
  // it is stopped before, and never if it gives up. Errors: unavailable, internal (damaged spool),
  // invalid_argument.
  ringmaster::Result<> open(Registry::Joined joined);
  std::string address() const { return address_; }  // after open()

  // Serves until it was stopped. Errors: deadline_exceeded (results stay in the spool), unavailable.
  ringmaster::Result<> run();

  void request_stop();  // an orderly one
  void hasten();        // asks all handlers to stop, at once
  void give_up();       // ends run() without an orderly stop

 private:
  void make_node();
  void drain();
  void stop_handlers();
  void end(ringmaster::Result<> outcome);

  WorkerSettings settings_;
  const Handlers& handlers_;
  std::uint32_t threads_;
  std::string address_;
  bool draining_ = false;
  bool stopping_ = false;
  ringmaster::Result<> outcome_;
  AsioLoop loop_;
  Timer deadline_{loop_};
  std::unique_ptr<FileSpool> spool_;
  std::unique_ptr<HandlerRunner> runner_;
  std::unique_ptr<ZooKeeperRegistry> registry_;
  std::unique_ptr<WorkerNode> node_;
  std::unique_ptr<TcpLinks> links_;
};

}  // namespace ringmaster::sdk
