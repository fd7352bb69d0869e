// WorkerNode: the worker's shell. It hears masters (Links) and its Runner, feeds the Ledger, and carries out
// what that decides: once for each turn of the loop, journal first, then send. It runs alike on real and
// simulated parts.
//
// Life: construct (loads the spool) → start() (joins the registry, serves) → drain() → destroy. It may be
// destroyed at any moment, a simulated crash included: nothing that it posted runs afterwards. Links and
// Runner are its owner's to silence first. All on the loop's thread; the references outlive it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.h"
#include "registry/registry.h"
#include "rpc/links.h"
#include "worker/credits.h"
#include "worker/ledger.h"
#include "worker/runner.h"
#include "worker/spool.h"
#include "worker/worker_node_delivery.h"

namespace ringmaster {

struct WorkerOptions {
  std::string node_id;
  Incarnation incarnation;
  std::vector<std::string> groups = {"default"};
  std::uint32_t slots = 1;
  std::uint32_t prefetch = 2;
  std::uint32_t weight = 1;
  std::map<std::string, std::string> labels;
  std::string version;
  LeaseTimes lease;
  int report_redials = 3;  // failed tries to reach a shard's owner, before others get its results
  // What attempts have written, for masters that ask; none: they are refused.
  std::function<Result<LogReply>(const LogRequest&)> read_log;
  // The database that its results belong to is known from now on.
  std::function<void(const std::string& store_id)> bound;
};

class WorkerNode final : public LinkHandler, public RunnerHandler {
 public:
  WorkerNode(Loop& loop, Registry& registry, Spool& spool, Runner& runner, WorkerOptions options);
  ~WorkerNode() override;
  WorkerNode(const WorkerNode&) = delete;
  WorkerNode& operator=(const WorkerNode&) = delete;

  // The database that the spooled results belong to; empty: none yet. For the handshake. The first master
  // that names one binds this worker to it, for ever; masters of another one are turned away.
  const std::string& store_id() const { return store_id_; }

  // How attempts of an earlier life ended that it did not live to journal. Before start(). True: they are
  // now.
  bool inherit(std::vector<ResultReport> last_words);

  // Once. `links` calls this handler and already listens on `address`, which goes to the registry.
  // `joined`: registered, or refused for good.
  void start(Links& links, std::string address, Registry::Joined joined);

  // Takes nothing new, gives queued attempts back, lets running ones finish and delivers every result; then
  // leaves the registry and calls `done`. The caller sets the deadline.
  void drain(Callback done);

  void on_link_up(LinkId link, const PeerInfo& peer) override;
  void on_link_down(LinkId link, const PeerInfo& peer, const std::string& reason) override;
  void on_dial_failed(Role role, const std::string& node_id, DialError error,
                      const std::string& reason) override;
  void on_message(LinkId link, Message message) override;
  void on_request(LinkId link, ApiRequest request, ApiResponder respond) override;

  void on_attempt_started(Token token, WallTime started_at) override;
  void on_attempt_progress(Token token, Progress progress) override;
  void on_attempt_finished(Token token, AttemptResult result) override;

  const Ledger& ledger() const { return ledger_; }

 private:
  void on(LinkId link, Announce announce);
  void on(LinkId link, DispatchBatch batch);
  void on(LinkId link, ResultAckBatch batch);
  void on(LinkId link, KillBatch batch);
  void on(LinkId link, MasterStatus status);
  void on(LinkId link, LeaseGrant grant);
  // What only masters get.
  void on(LinkId, Inventory) {}
  void on(LinkId, AckBatch) {}
  void on(LinkId, ResultBatch) {}
  void on(LinkId, WorkerStatus) {}
  void on(LinkId, StartedBatch) {}
  void on(LinkId, ProgressBatch) {}
  void on(LinkId, RelayedResults) {}
  void on(LinkId, RelayedAcks) {}
  void on(LinkId, PeerStatus) {}

  // Wraps a callback so that it does nothing once this node is gone.
  template <class F>
  auto guarded(F fn);
  Result<> bind_store(const std::string& store_id);
  void schedule_flush();
  void flush();
  void journal();
  void journal_failed(const Error& error);
  void journal_mended();
  void sync_results();
  void start_attempts();
  void extend_leases();
  void send_changed_limits();
  void send_status(LinkId link);
  void tick();
  void deliver();
  void finish_drain();
  void on_masters(const std::vector<Member>& members);

  Loop& loop_;
  Registry& registry_;
  Spool& spool_;
  Runner& runner_;
  Links* links_ = nullptr;  // set by start()
  WorkerOptions options_;
  std::string store_id_;
  Ledger ledger_;
  Credits credits_;
  Delivery delivery_;
  std::map<LinkId, std::string> masters_;  // links that are up
  bool flush_scheduled_ = false;
  std::string spool_error_;  // empty: the journal works
  std::uint64_t spool_failures_ = 0;
  bool draining_ = false;
  bool leaving_ = false;
  Callback drained_;
  Timer tick_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace ringmaster
