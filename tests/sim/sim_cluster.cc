#include "tests/sim/sim_cluster.h"

#include <cstdio>

#include <glog/logging.h>

#include "base/time.h"
#include "tests/sim/story.h"

namespace ringmaster {

namespace {

constexpr Duration kSessionTimeout = std::chrono::seconds(4);
constexpr Duration kCalm = std::chrono::seconds(180);  // simulated time in which a healed cluster must finish

class Simulation;

// What goes wrong in this seed; each seed draws its own mixture.
struct Weather {
  bool worker_crashes = false, worker_drains = false, master_crashes = false, master_stops = false;
  bool resets = false, cuts = false, freezes = false, store_trouble = false, registry_trouble = false,
       slow = false;
  // Workers crash and are back before anybody can be sure that they died: what they had spooled must count.
  bool quick_restarts = false;
};

// Links that lie to a master about a worker (planted bugs).
class LyingHandler final : public LinkHandler {
 public:
  LyingHandler(LinkHandler& inner, PlantedBug bug) : inner_(inner), bug_(bug) {}
  void on_link_up(LinkId link, const PeerInfo& peer) override { inner_.on_link_up(link, peer); }
  void on_link_down(LinkId link, const PeerInfo& peer, const std::string& reason) override {
    inner_.on_link_down(link, peer, reason);
  }
  void on_dial_failed(Role role, const std::string& id, DialError error, const std::string& reason) override {
    inner_.on_dial_failed(role, id, error, reason);
  }
  void on_message(LinkId link, Message message) override {
    if (bug_ == PlantedBug::empty_inventory) {
      if (auto* inventory = std::get_if<Inventory>(&message)) inventory->held.clear();
    }
    inner_.on_message(link, std::move(message));
  }
  void on_request(LinkId link, ApiRequest request, ApiResponder respond) override {
    inner_.on_request(link, std::move(request), std::move(respond));
  }

 private:
  LinkHandler& inner_;
  const PlantedBug bug_;
};

struct MasterProcess {
  MasterProcess(Simulation& sim, const std::string& id, Incarnation incarnation);
  ~MasterProcess();
  Simulation& sim;
  NodeLoop loop;
  std::unique_ptr<MemoryRegistry> registry;
  SimStore store;
  MasterNode node;
  LyingHandler handler;
  std::unique_ptr<SimLinks> links;
  bool stopping = false;
};

struct WorkerProcess {
  WorkerProcess(Simulation& sim, const std::string& id, Incarnation incarnation, SimDisk& disk);
  ~WorkerProcess();
  Simulation& sim;
  NodeLoop loop;
  std::unique_ptr<MemoryRegistry> registry;
  SimSpool spool;
  SimRunner runner;
  std::unique_ptr<WorkerNode> node;
  std::unique_ptr<SimLinks> links;
  bool draining = false;
};

class Simulation {
 public:
  explicit Simulation(const SimOptions& options);
  SimReport run();

  void tell(const std::string& what) {
    if (options_.trace)
      std::printf("%12.6f  %s\n", static_cast<double>(loop_.now().time_since_epoch().count()) / 1e6,
                  what.c_str());
  }
  void restart_master(const std::string& id, Duration after);
  void restart_worker(const std::string& id, Duration after);
  void expire_later(MemoryRegistryHub::ClientId client);

  const SimOptions options_;
  ManualLoop loop_;
  MemoryDatabase database_;
  MemoryRegistryHub hub_;
  SimNetwork network_;
  StoreFaults store_faults_;
  std::uint64_t writes_ = 0;  // statements applied
  Witness witness_;
  std::map<std::string, SimDisk> disks_;
  std::map<std::string, std::unique_ptr<MasterProcess>> masters_;
  std::map<std::string, std::unique_ptr<WorkerProcess>> workers_;

 private:
  std::uint64_t below(std::uint64_t bound) { return loop_.random() % bound; }
  bool chance(double p) { return static_cast<double>(loop_.random() >> 11) * 0x1.0p-53 < p; }
  Duration up_to(Duration most) {
    return Duration{static_cast<std::int64_t>(below(static_cast<std::uint64_t>(most.count())))};
  }
  Incarnation new_incarnation() { return Incarnation{static_cast<std::int64_t>(loop_.random() >> 1) | 1}; }
  template <class Map>
  std::string pick(const Map& map);

  // The process of this id is still the one with this registry session.
  bool lives(const std::string& id, MemoryRegistryHub::ClientId client) {
    return (masters_.contains(id) && masters_.at(id)->registry->client_id() == client) ||
           (workers_.contains(id) && workers_.at(id)->registry->client_id() == client);
  }
  NodeLoop& loop_of(const std::string& id) {
    return masters_.contains(id) ? masters_.at(id)->loop : workers_.at(id)->loop;
  }

  void draw_weather();
  void plant();
  void storm();  // one thing goes wrong, and the next is planned
  void cut_somewhere();
  void submit_some();
  void submit_to(MasterProcess& master);
  void calm_down();
  void tell_state();
  bool settled() const;
  void step_until(const std::function<bool()>& done, MonoTime end);

  std::unique_ptr<MemoryTaskStore> unfenced_;
  Weather weather_;
  bool raging_ = true;
  std::size_t to_submit_ = 0, steps_ = 0;
  std::uint64_t checked_ = 0;
};

MasterProcess::MasterProcess(Simulation& s, const std::string& id, Incarnation incarnation)
    : sim(s),
      loop(s.loop_),
      registry(std::make_unique<MemoryRegistry>(loop, s.hub_)),
      store(s.loop_, loop, s.database_, s.store_faults_, s.writes_),
      node(loop, store, *registry,
           MasterOptions{.cluster = "sim",
                         .self = {id, incarnation, id, id, "sim"},
                         .core = {.lane_window = 20, .page_size = 8},
                         .dead_after = std::chrono::seconds(2),
                         .batch = 16},
           [this, id](const Error& error) {
             sim.tell(id + " is fenced: " + error.message);
             sim.loop_.post([&simulation = sim, id] {
               simulation.masters_.erase(id);
               simulation.restart_master(id, std::chrono::milliseconds(50));
             });
           }),
      handler(node, s.options_.bug) {
  links = std::make_unique<SimLinks>(s.network_, loop, handler, Role::master, id, id, incarnation);
  node.start(*links, [this, id](Result<std::string> started) {
    if (started) return;
    sim.tell(id + " cannot start: " + started.error().message);
    sim.loop_.post([&simulation = sim, id] {
      simulation.masters_.erase(id);
      simulation.restart_master(id, std::chrono::milliseconds(300));
    });
  });
}

MasterProcess::~MasterProcess() {
  links.reset();
  sim.expire_later(registry->client_id());
}

WorkerProcess::WorkerProcess(Simulation& s, const std::string& id, Incarnation incarnation, SimDisk& disk)
    : sim(s),
      loop(s.loop_),
      registry(std::make_unique<MemoryRegistry>(loop, s.hub_)),
      spool(loop, disk, s.witness_),
      runner(loop, s.witness_, id, incarnation) {
  node = std::make_unique<WorkerNode>(
      loop, *registry, spool, runner,
      WorkerOptions{.node_id = id,
                    .incarnation = incarnation,
                    .groups = id == "w3" ? std::vector<std::string>{"default", "other"}
                                         : std::vector<std::string>{"default"},
                    .slots = 3,
                    .version = "sim"});
  links = std::make_unique<SimLinks>(s.network_, loop, *node, Role::worker, id, id, incarnation);
  node->start(*links, id, [](Result<>) {});
}

WorkerProcess::~WorkerProcess() {
  links.reset();
  sim.expire_later(registry->client_id());
  node.reset();
}

Simulation::Simulation(const SimOptions& options)
    : options_(options), loop_(options.seed), network_(loop_), witness_(database_) {}

// A dead process's session lives on in the registry until it times out.
void Simulation::expire_later(MemoryRegistryHub::ClientId client) {
  hub_.disconnect(client);
  loop_.after(up_to(kSessionTimeout) + std::chrono::milliseconds(1), [this, client] { hub_.expire(client); });
}

void Simulation::restart_master(const std::string& id, Duration after) {
  loop_.after(after, [this, id] {
    if (masters_.contains(id)) return;
    tell(id + " starts");
    masters_[id] = std::make_unique<MasterProcess>(*this, id, new_incarnation());
  });
}

void Simulation::restart_worker(const std::string& id, Duration after) {
  loop_.after(after, [this, id] {
    if (workers_.contains(id)) return;
    tell(id + " starts");
    workers_[id] = std::make_unique<WorkerProcess>(*this, id, new_incarnation(), disks_[id]);
  });
}

template <class Map>
std::string Simulation::pick(const Map& map) {
  auto it = map.begin();
  std::advance(it, static_cast<std::ptrdiff_t>(below(map.size())));
  return it->first;
}

void Simulation::draw_weather() {
  weather_ = {.worker_crashes = chance(0.5),
              .worker_drains = chance(0.3),
              .master_crashes = chance(0.4),
              .master_stops = chance(0.3),
              .resets = chance(0.5),
              .cuts = chance(0.4),
              .freezes = chance(0.3),
              .store_trouble = chance(0.4),
              .registry_trouble = chance(0.3),
              .slow = chance(0.5)};
  if (chance(0.15))
    weather_ = {.worker_crashes = true, .store_trouble = weather_.store_trouble, .quick_restarts = true};
  if (weather_.slow) network_.faults.slow = store_faults_.slow = 0.01;
  if (weather_.resets) network_.faults.reset = 0.004;
  if (weather_.store_trouble) {
    store_faults_.unavailable = 0.02;
    store_faults_.unknown = 0.02;
  }
  hub_.set_delay([this](MemoryRegistryHub::ClientId) { return up_to(std::chrono::milliseconds(20)); });
  if (weather_.quick_restarts) {
    witness_.expect_spooled_results();
    store_faults_.slow = 0.5;  // so that results wait in the spools
  }
  // Where nobody can be taken for dead, no attempt may begin twice.
  if (weather_.worker_crashes || weather_.cuts || weather_.freezes || weather_.registry_trouble ||
      weather_.slow || weather_.worker_drains || weather_.master_crashes || weather_.resets) {
    witness_.allow_reruns();
  }
}

void Simulation::plant() {
  switch (options_.bug) {
    case PlantedBug::skip_the_fence:
      unfenced_ = std::make_unique<MemoryTaskStore>(loop_, database_);
      unfenced_->open({"nobody", Incarnation{1}, "", "", ""}, [](Result<std::string>) {});
      store_faults_.unfenced = unfenced_.get();
      break;
    case PlantedBug::answer_before_commit:
      store_faults_.answers_before_commit = true;
      break;
    case PlantedBug::forget_the_spool:
      break;  // on the disks
    case PlantedBug::reuse_an_attempt_number:
      store_faults_.reuses_attempts = true;
      break;
    case PlantedBug::forget_a_completion:
      store_faults_.forgets_completions = true;
      break;
    case PlantedBug::keep_replaced_frames:
      network_.faults.keep_replaced = true;
      break;
    case PlantedBug::repeat_a_dispatch:
      network_.faults.repeat = 0.2;
      break;
    default:
      break;
  }
}

void Simulation::submit_to(MasterProcess& master) {
  SubmitRequest request;
  const std::uint64_t count = 1 + below(4);
  for (std::uint64_t i = 0; i < count; ++i) {
    NewTask task;
    task.kind = "simulated";
    task.group = below(4) == 0 ? "other" : "default";
    task.priority = static_cast<int>(below(10));
    const std::uint64_t policy = below(10);
    task.on_worker_lost = policy < 6   ? OnWorkerLost::rerun
                          : policy < 8 ? OnWorkerLost::fail
                                       : OnWorkerLost::rerun_after_lease;
    if (task.on_worker_lost != OnWorkerLost::fail)
      task.retry.max_attempts = static_cast<std::int32_t>(1 + below(3));
    task.retry.backoff = std::chrono::milliseconds(200);
    if (below(5) == 0) task.run_at = loop_.wall_now() + up_to(std::chrono::seconds(15));
    if (below(8) == 0) task.routing = Routing::strict;
    request.tasks.push_back(std::move(task));
  }
  // A frozen master reads it when it thaws.
  master.loop.post([this, &master, request = std::move(request)]() mutable {
    auto tasks = request.tasks;
    master.node.call(std::move(request), [this, tasks = std::move(tasks)](Result<ApiReply> reply) {
      if (!reply) return;
      const auto& ids = std::get<SubmitReply>(*reply).ids;
      for (std::size_t i = 0; i < ids.size(); ++i) witness_.accepted(ids[i], tasks[i]);
    });
  });
}

void Simulation::submit_some() {
  if (to_submit_ == 0) return;
  --to_submit_;
  if (!masters_.empty()) {
    MasterProcess& master = *masters_.at(pick(masters_));
    submit_to(master);
  }
  loop_.after(up_to(std::chrono::milliseconds(400)), [this] { submit_some(); });
}

void Simulation::cut_somewhere() {
  std::vector<std::string> nodes;
  for (const auto& [id, p] : masters_) nodes.push_back(id);
  for (const auto& [id, p] : workers_) nodes.push_back(id);
  if (nodes.size() < 2) return;
  const std::string a = nodes[below(nodes.size())], b = nodes[below(nodes.size())];
  const bool both = chance(0.6);
  tell("cut " + a + (both ? " <-> " : " -> ") + b);
  network_.cut(a, b);
  if (both) network_.cut(b, a);
  loop_.after(up_to(std::chrono::seconds(14)), [this, a, b] {
    tell("heal " + a + " <-> " + b);
    network_.heal(a, b);
    network_.heal(b, a);
  });
}

void Simulation::storm() {
  if (!raging_) return;
  const Duration down = up_to(std::chrono::seconds(8));
  switch (weather_.quick_restarts ? 0 : below(10)) {
    case 0:
      if (weather_.worker_crashes && !workers_.empty()) {
        const std::string id = pick(workers_);
        tell(id + " crashes");
        if (options_.bug == PlantedBug::forget_the_spool) disks_[id].forgets_results = true;
        workers_.erase(id);
        restart_worker(id, weather_.quick_restarts ? up_to(std::chrono::milliseconds(100)) : down);
      }
      break;
    case 1:
      if (weather_.worker_drains && !workers_.empty()) {
        const std::string id = pick(workers_);
        WorkerProcess& worker = *workers_.at(id);
        if (worker.draining || worker.loop.frozen()) break;
        tell(id + " drains");
        worker.draining = true;
        worker.node->drain([this, id, down] {
          loop_.post([this, id, down] {
            tell(id + " has drained");
            workers_.erase(id);
            restart_worker(id, down);
          });
        });
      }
      break;
    case 2:
      if (weather_.master_crashes && !masters_.empty()) {
        const std::string id = pick(masters_);
        tell(id + " crashes");
        masters_.erase(id);
        restart_master(id, down);
      }
      break;
    case 3:
      if (weather_.master_stops && !masters_.empty()) {
        const std::string id = pick(masters_);
        MasterProcess& master = *masters_.at(id);
        if (master.stopping || master.loop.frozen()) break;
        tell(id + " stops");
        master.stopping = true;
        master.node.stop([this, id, down] {
          loop_.post([this, id, down] {
            tell(id + " has stopped");
            masters_.erase(id);
            restart_master(id, down);
          });
        });
      }
      break;
    case 4:
    case 8:
    case 9:
      if (weather_.cuts) cut_somewhere();
      break;
    case 5:
      if (weather_.freezes) {
        const bool master = chance(0.5);
        const std::string id =
            master ? (masters_.empty() ? "" : pick(masters_)) : (workers_.empty() ? "" : pick(workers_));
        if (id.empty()) break;
        tell(id + " freezes");
        NodeLoop& frozen = master ? masters_.at(id)->loop : workers_.at(id)->loop;
        if (frozen.frozen()) break;
        const auto client =
            master ? masters_.at(id)->registry->client_id() : workers_.at(id)->registry->client_id();
        frozen.freeze();
        if (!master) workers_.at(id)->draining = true;  // nobody asks a frozen daemon to drain
        // It sends the registry nothing: its session ends.
        hub_.disconnect(client);
        loop_.after(kSessionTimeout, [this, id, client] {
          if (lives(id, client) && loop_of(id).frozen()) hub_.expire(client);
        });
        loop_.after(up_to(std::chrono::seconds(20)), [this, id, client] {
          if (!lives(id, client)) return;
          tell(id + " thaws");
          loop_of(id).thaw();
          hub_.reconnect(client);
        });
      }
      break;
    case 6:
      if (weather_.store_trouble) {
        tell("the database is out of reach");
        store_faults_.down = true;
        loop_.after(up_to(std::chrono::seconds(3)), [this] { store_faults_.down = false; });
      }
      break;
    case 7:
      if (weather_.registry_trouble) {
        const bool master = chance(0.5);
        if (master ? masters_.empty() : workers_.empty()) break;
        const std::string id = master ? pick(masters_) : pick(workers_);
        const auto client =
            master ? masters_.at(id)->registry->client_id() : workers_.at(id)->registry->client_id();
        tell(id + " loses the registry");
        hub_.disconnect(client);
        if (chance(0.5)) hub_.expire(client);
        loop_.after(up_to(std::chrono::seconds(6)), [this, id, client] {
          if (lives(id, client) && !loop_of(id).frozen()) hub_.reconnect(client);
        });
      }
      break;
  }
  loop_.after(up_to(std::chrono::seconds(3)), [this] { storm(); });
}

void Simulation::calm_down() {
  tell("calm");
  raging_ = false;
  network_.heal_all();
  network_.faults.slow = network_.faults.reset = 0;
  store_faults_.slow = store_faults_.unavailable = store_faults_.unknown = 0;
}

// For a trace: what each master makes of what is left.
void Simulation::tell_state() {
  for (const auto& [id, master] : masters_) {
    const SchedulerCore& core = master->node.core();
    tell(id + " owns " + std::to_string(core.shards().count()) + " shards, holds " +
         std::to_string(core.tasks_in_memory()) + " tasks");
    for (const auto& lane : core.lanes()) {
      tell("  lane " + lane.group + ": " + std::to_string(lane.waiting_in_memory) + " waiting, " +
           std::to_string(lane.dispatched) + " dispatched, " + std::to_string(lane.workers) + " workers" +
           (lane.more_in_store ? ", more in the store" : ""));
    }
    for (const WorkerView& w : core.workers()) {
      tell("  worker " + w.id + (w.registered ? " registered" : "") + (w.connected ? " connected" : "") +
           (w.draining ? " draining" : "") + ", credit " + std::to_string(w.credit_limit) + ", outstanding " +
           std::to_string(w.outstanding));
    }
    for (const auto& [task, row] : database_.tasks()) {
      if (!core.shards().owns(task.shard())) continue;
      const auto live = core.live(task);
      tell("  " + to_string(task) +
           (live ? " is " + std::string(to_string(live->state)) + " " + live->worker : " is not in memory") +
           ", group " + row.row.task.group + ", run_at " + format_time(row.row.run_at));
    }
  }
}

bool Simulation::settled() const {
  if (!database_.tasks().empty() || witness_.running() > 0) return false;
  for (const auto& [id, disk] : disks_) {
    if (!disk.contents.results.empty()) return false;
  }
  return true;
}

void Simulation::step_until(const std::function<bool()>& done, MonoTime end) {
  while (loop_.now() < end && witness_.violations().empty() && !done()) {
    loop_.run_until([first = true]() mutable { return !std::exchange(first, false); }, std::chrono::hours(1));
    ++steps_;
    if (std::exchange(checked_, writes_) != writes_) {
      witness_.check_step();
    }
  }
}

SimReport Simulation::run() {
  for (int i = 0; i < 20; ++i) loop_.random();
  if (options_.trace) {
    network_.observer = [this](const std::string& from, const std::string& to, const Message& message) {
      tell(from + " -> " + to + ": " + ringmaster::tell(message));
    };
  }
  store_faults_.trespass = [this](const std::string& what) { witness_.violate(what); };
  draw_weather();
  plant();
  to_submit_ = 30 + below(60);
  const std::uint64_t master_count = 1 + below(3);
  for (std::uint64_t i = 1; i <= master_count; ++i)
    restart_master("m" + std::to_string(i), up_to(std::chrono::milliseconds(500)));
  for (int i = 1; i <= 3; ++i) restart_worker("w" + std::to_string(i), up_to(std::chrono::milliseconds(500)));
  loop_.after(std::chrono::seconds(1), [this] { submit_some(); });
  loop_.after(std::chrono::seconds(2), [this] { storm(); });
  step_until([] { return false; }, MonoTime{std::chrono::seconds(40)});
  calm_down();
  step_until([this] { return to_submit_ == 0 && settled(); }, loop_.now() + kCalm);
  if (witness_.violations().empty()) witness_.check_end();
  if (!witness_.violations().empty()) tell_state();
  for (const auto& [id, disk] : disks_) {
    if (witness_.violations().empty() && !disk.contents.results.empty()) {
      return {{id + "'s spool still holds " + std::to_string(disk.contents.results.size()) + " results"},
              steps_,
              0,
              0,
              {}};
    }
  }
  return {witness_.violations(), steps_, witness_.accepted_count(), witness_.runs(),
          loop_.now().time_since_epoch()};
}

}  // namespace

std::vector<PlantedBugCase> all_planted_bugs() {
  return {{PlantedBug::skip_the_fence, "skip_the_fence", 100},
          {PlantedBug::answer_before_commit, "answer_before_commit", 50},
          {PlantedBug::forget_the_spool, "forget_the_spool", 300},
          {PlantedBug::reuse_an_attempt_number, "reuse_an_attempt_number", 20},
          {PlantedBug::forget_a_completion, "forget_a_completion", 20},
          {PlantedBug::keep_replaced_frames, "keep_replaced_frames", 300},
          {PlantedBug::repeat_a_dispatch, "repeat_a_dispatch", 50},
          {PlantedBug::empty_inventory, "empty_inventory", 50}};
}

SimReport run_simulation(const SimOptions& options) {
  auto simulation = std::make_unique<Simulation>(options);
  return simulation->run();
}

}  // namespace ringmaster
