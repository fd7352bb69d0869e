#include "master/master_daemon.h"

#include <glog/logging.h>

#include "rpc/tcp_links.h"
#include "sql/pg_task_store.h"

namespace ringmaster {

namespace {

constexpr Duration kChores = std::chrono::seconds(5);
constexpr Duration kLifePause = std::chrono::milliseconds(200);
constexpr Duration kStorePause = std::chrono::seconds(1);
constexpr int kHistoryDaysAhead = 3;

}  // namespace

// Destroyed in reverse: channels first, so that nothing arrives at a node that is going.
struct MasterDaemon::Life {
  Life(AsioLoop& loop, const MasterSettings& settings, std::unique_ptr<Registry> its_registry,
       const std::string& serves_http_on, std::function<void(const Error&)> on_fenced)
      : incarnation(new_incarnation()),
        store(loop, PgStoreOptions{.conninfo = settings.database, .connections = settings.connections}),
        registry(std::move(its_registry)),
        relay{*this},
        links(loop,
              LinksOptions{.cluster = settings.cluster,
                           .secret = settings.secret,
                           .role = Role::master,
                           .node_id = settings.node_id,
                           .incarnation = incarnation},
              relay),
        http_address(serves_http_on),
        fenced(std::move(on_fenced)) {}

  // The node needs the address that the links have bound, and the links need a handler.
  struct Relay final : LinkHandler {
    explicit Relay(Life& l) : life(l) {}
    Life& life;
    void on_link_up(LinkId link, const PeerInfo& peer) override { life.node->on_link_up(link, peer); }
    void on_link_down(LinkId link, const PeerInfo& peer, const std::string& reason) override {
      life.node->on_link_down(link, peer, reason);
    }
    void on_dial_failed(Role role, const std::string& id, DialError error,
                        const std::string& reason) override {
      life.node->on_dial_failed(role, id, error, reason);
    }
    void on_message(LinkId link, Message message) override {
      life.node->on_message(link, std::move(message));
    }
    void on_request(LinkId link, ApiRequest request, ApiResponder respond) override {
      life.node->on_request(link, std::move(request), std::move(respond));
    }
  };

  void make_node(AsioLoop& loop, const MasterSettings& settings) {
    MasterOptions options;
    options.cluster = settings.cluster;
    options.self = {settings.node_id,
                    incarnation,
                    settings.advertise.empty() ? links.bound_address() : settings.advertise,
                    http_address,
                    RINGMASTER_VERSION,
                    settings.cluster};
    options.core.worker_timeout = settings.worker_timeout;
    options.core.max_crashes = settings.max_crashes;
    options.core.lane_window = settings.lane_window;
    options.core.waiting_window = settings.waiting_window;
    options.audit_interval = settings.audit_interval;
    node = std::make_unique<MasterNode>(loop, store, *registry, std::move(options), fenced);
  }

  const Incarnation incarnation;
  PgTaskStore store;
  const std::unique_ptr<Registry> registry;
  std::unique_ptr<MasterNode> node;
  Relay relay;
  TcpLinks links;
  const std::string http_address;
  const std::function<void(const Error&)> fenced;
};

void MasterDaemon::Front::call(ApiRequest request, ApiResponder respond) {
  if (!daemon_.life_ || !daemon_.life_->node) {
    return respond(fail(ErrorCode::unavailable, "this master is starting: try again"));
  }
  daemon_.life_->node->call(std::move(request), std::move(respond));
}

MasterDaemon::MasterDaemon(AsioLoop& loop, MasterSettings settings, MakeRegistry make_registry, Ended ended)
    : loop_(loop),
      settings_(std::move(settings)),
      make_registry_(std::move(make_registry)),
      ended_(std::move(ended)) {
  metrics_.before_expose([this] { refresh_metrics(); });
}

MasterDaemon::~MasterDaemon() {
  http_.reset();
  life_.reset();
}

Result<> MasterDaemon::start() {
  http_ = std::make_unique<HttpServer>(loop_, front_, HttpOptions{}, metrics_);
  if (auto listening = http_->listen(settings_.http_listen); !listening) return listening;
  http_address_ = http_->bound_address();
  return begin_life();
}

void MasterDaemon::reload(const MasterSettings& settings) {
  settings_.retention = settings.retention;
  settings_.stop_timeout = settings.stop_timeout;
  settings_.worker_timeout = settings.worker_timeout;
  settings_.max_crashes = settings.max_crashes;
  if (life_) life_->node->reconfigure(settings.worker_timeout, settings.max_crashes);
}

Result<> MasterDaemon::begin_life() {
  auto life = std::make_unique<Life>(loop_, settings_, make_registry_(), http_address_,
                                     [this](const Error&) { end_life(kLifePause); });
  if (auto listening = life->links.listen(settings_.listen); !listening) return listening;
  life->make_node(loop_, settings_);
  LOG(INFO) << "master " << settings_.node_id << " listens on " << life->links.bound_address() << ", HTTP on "
            << http_address_;
  life_ = std::move(life);
  life_->node->start(life_->links, [this](const Result<std::string>& started) { on_started(started); });
  return {};
}

void MasterDaemon::on_started(const Result<std::string>& started) {
  if (started) {
    ever_started_ = true;
    life_->links.set_store_id(*started);
    LOG(INFO) << "serving cluster " << settings_.cluster << ", store " << *started;
    return chores();
  }
  // A wrong schema is for a person to mend; a database that is away comes back.
  if (started.error().code == ErrorCode::invalid_argument) return end(1, started.error().message);
  LOG_EVERY_T(WARNING, 5) << "cannot start yet, and tries again: " << started.error().message
                          << "; is PostgreSQL running, and is the setting `database` right?";
  end_life(kStorePause);
}

void MasterDaemon::end_life(Duration pause) {
  loop_.post([this, pause, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    if (stopping_) return end(1, "stopped while this incarnation was over: its shards wait for a take-over");
    life_.reset();
    again_.start(pause, [this] {
      if (auto begun = begin_life(); !begun) end(1, begun.error().message);
    });
  });
}

void MasterDaemon::chores() {
  life_->store.maintain(kHistoryDaysAhead, settings_.retention, [](Result<> done) {
    if (!done) LOG(WARNING) << "database chores: " << done.error().message;
  });
  chores_timer_.start(kChores, [this] {
    if (life_ && life_->node) chores();
  });
}

void MasterDaemon::stop() {
  if (std::exchange(stopping_, true)) return end(1, "stopped at once: its shards wait for a take-over");
  LOG(INFO) << "stopping: handing shards over";
  http_->stop();
  if (!life_ || !life_->node) return end(0, "stopped before it had started");
  stop_timer_.start(settings_.stop_timeout,
                    [this] { end(1, "the orderly stop took too long: its shards wait for a take-over"); });
  life_->node->stop([this] { life_->links.shutdown([this] { end(0, "stopped"); }); });
}

void MasterDaemon::end(int code, const std::string& why) {
  (code == 0 ? LOG(INFO) : LOG(ERROR)) << why;
  ended_(code);
}

void MasterDaemon::refresh_metrics() {
  if (!life_ || !life_->node) return;
  const SchedulerCore& core = life_->node->core();
  const auto& totals = core.counters();
  const auto total = [this](const char* name, const char* help, std::uint64_t value) {
    metrics_.counter(std::string("ringmaster_") + name, help).raise_to(value);
  };
  total("tasks_accepted_total", "Tasks committed by this master", totals.accepted);
  total("tasks_completed_total", "Tasks whose end was committed", totals.completed);
  total("attempts_dispatched_total", "Attempts sent to workers", totals.dispatched);
  total("attempts_retried_total", "Retries committed, lost attempts included", totals.retried);
  total("attempts_lost_total", "Attempts whose worker was declared lost", totals.lost_attempts);
  total("attempts_adopted_total", "Attempts found in a worker's inventory", totals.adopted);
  total("results_stale_total", "Results refused for a newer fact", totals.stale_results);
  metrics_.gauge("ringmaster_shards_owned", "Shards that this master owns").set(core.shards().count());
  metrics_.gauge("ringmaster_tasks_in_memory", "Tasks that this master holds in memory")
      .set(static_cast<double>(core.tasks_in_memory()));
  double waiting = 0, running = 0;
  for (const auto& its : core.lanes()) {
    waiting += static_cast<double>(its.waiting_in_memory);
    running += static_cast<double>(its.dispatched);
  }
  metrics_.gauge("ringmaster_tasks_waiting", "Ready tasks in memory, over all groups").set(waiting);
  metrics_.gauge("ringmaster_attempts_outstanding", "Attempts on workers without a result").set(running);
  refresh_audit_metrics(*life_->node);
}

// All of them are 0 at a master that makes no audits; `leader` says which one does.
void MasterDaemon::refresh_audit_metrics(const MasterNode& node) {
  const auto gauge = [this](const char* name, const char* help, double value) {
    metrics_.gauge(std::string("ringmaster_audit_") + name, help).set(value);
  };
  const auto& last = node.last_audit();
  gauge("leader", "1: this master makes the audits for all (it owns shard 0)", node.leads() ? 1 : 0);
  gauge("complete", "1: in the last audit every node answered and every check was made",
        last && last->complete() ? 1 : 0);
  gauge("took_seconds", "How long the last audit took",
        last ? std::chrono::duration<double>(last->took).count() : 0);
  gauge("rows_read", "Rows of the database that the last audit read",
        last ? static_cast<double>(last->rows_read) : 0);
  metrics_.counter("ringmaster_audits_total", "Audits that this master has made by itself")
      .raise_to(node.audits());
  for (const std::string_view name : kAuditChecks) {
    double found = 0;
    for (const AuditCheck& check : last ? last->checks : std::vector<AuditCheck>{}) {
      if (check.name == name) found = static_cast<double>(check.findings.size() + check.more);
    }
    metrics_.gauge("ringmaster_audit_findings", "What the last audit found", {{"check", std::string(name)}})
        .set(found);
  }
}

}  // namespace ringmaster
