#include "tests/sim/sim_cluster.h"

#include <algorithm>
#include <array>

#include "tests/sim/sim_world.h"

namespace ringmaster {

namespace {

constexpr Duration kCalm = std::chrono::seconds(180);  // simulated time in which a healed cluster must finish
constexpr std::array<std::string_view, 15> kTroubleNames = {
    "worker_crashes", "worker_drains", "master_crashes", "master_stops",     "resets",
    "cuts",           "freezes",       "store_trouble",  "registry_trouble", "slow",
    "cancels",        "clock_rates",   "lying_registry", "splits",           "supervisor_crashes"};

class Simulation {
 public:
  explicit Simulation(const SimOptions& options)
      : options_(options), world_(options.seed, options.bug, options.trace), loop_(world_.loop) {}
  SimReport run();

 private:
  std::uint64_t below(std::uint64_t bound) { return loop_.random() % bound; }
  bool chance(double p) { return static_cast<double>(loop_.random() >> 11) * 0x1.0p-53 < p; }
  Duration up_to(Duration most) {
    return Duration{static_cast<std::int64_t>(below(static_cast<std::uint64_t>(most.count())))};
  }
  bool may(Trouble trouble) const { return weather_.contains(trouble); }
  template <class Map>
  std::string pick(const Map& map);
  std::string pick_node();

  void draw_weather();
  void storm();  // one thing goes wrong, and the next is planned
  void drain_somebody(Duration down);
  void stop_some_master(Duration down);
  void cut_somewhere();
  void split();
  void heal_split();
  void freeze_somebody();
  void trouble_the_registry();
  void trouble_the_store();
  void submit_some();
  // Until it is answered: the same again, to any master.
  void submit_with_keys(std::vector<NewTask> tasks, std::shared_ptr<bool> answered);
  std::vector<NewTask> some_tasks();
  void operate();  // cancels some, and looks after the quarantined
  void calm_down();

  const SimOptions options_;
  SimWorld world_;
  ManualLoop& loop_;
  std::set<Trouble> weather_;
  // Workers crash and are back before anybody can be sure that they died: what they had spooled must count.
  bool quick_restarts_ = false;
  // Little else happens than splits that last: masters that were deposed and do not know, and what they lead
  // to.
  bool long_splits_ = false;
  bool raging_ = true;
  std::vector<std::string> all_nodes_, far_;
  std::size_t to_submit_ = 0, submitted_ = 0;
  std::vector<TaskId> answered_;
};

char kind_of(const std::string& node) {
  return node.front();
}

template <class Map>
std::string Simulation::pick(const Map& map) {
  auto it = map.begin();
  std::advance(it, static_cast<std::ptrdiff_t>(below(map.size())));
  return it->first;
}

// Empty: there is none.
std::string Simulation::pick_node() {
  const bool master = chance(0.5);
  if (master ? world_.masters.empty() : world_.workers.empty()) return {};
  return master ? pick(world_.masters) : pick(world_.workers);
}

void Simulation::draw_weather() {
  world_.last_words_share = chance(0.5) ? 0 : 0.7;
  constexpr std::array<double, 15> kOdds = {0.5, 0.3, 0.4, 0.3, 0.5, 0.4, 0.3, 0.4,
                                            0.3, 0.5, 0.4, 0.3, 0.2, 0.3, 0.3};
  for (std::size_t i = 0; i < kOdds.size(); ++i) {
    if (chance(kOdds[i])) weather_.insert(static_cast<Trouble>(i));
  }
  if (chance(0.15)) {
    quick_restarts_ = true;
    const bool store_trouble = may(Trouble::store_trouble);
    weather_ = {Trouble::worker_crashes};
    if (store_trouble) weather_.insert(Trouble::store_trouble);
  } else if (chance(0.2)) {
    long_splits_ = true;
    const bool worker_crashes = may(Trouble::worker_crashes);
    weather_ = {Trouble::splits};
    if (worker_crashes) weather_.insert(Trouble::worker_crashes);
  }
  for (const Trouble trouble : options_.without) weather_.erase(trouble);

  if (may(Trouble::slow)) world_.network.faults.slow = world_.store_faults.slow = 0.02;
  if (may(Trouble::resets)) world_.network.faults.reset = 0.008;
  if (may(Trouble::store_trouble)) world_.store_faults.unavailable = world_.store_faults.unknown = 0.02;
  if (may(Trouble::clock_rates)) world_.clock_spread_permille = 4;
  const Duration lag = may(Trouble::lying_registry) ? Duration{std::chrono::seconds(3)}
                                                    : Duration{std::chrono::milliseconds(20)};
  world_.hub.set_delay([this, lag](MemoryRegistryHub::ClientId) { return up_to(raging_ ? lag : lag / 100); });
  if (quick_restarts_) {
    world_.witness.expect_spooled_results();
    world_.store_faults.slow = 0.5;  // so that results wait in the spools
    world_.longest_orphan_life = std::chrono::milliseconds(100);
    world_.last_words_share = 0;  // a verdict may fall before they are told: they are not in time
  }
  // Where nobody can be taken for dead, no attempt may begin twice.
  std::set<Trouble> harmless = {Trouble::master_stops, Trouble::store_trouble, Trouble::cancels};
  if (!std::ranges::includes(harmless, weather_)) world_.witness.allow_reruns();
}

std::vector<NewTask> Simulation::some_tasks() {
  std::vector<NewTask> tasks;
  const std::uint64_t count = 1 + below(4);
  for (std::uint64_t i = 0; i < count; ++i) {
    NewTask task;
    task.kind = "simulated";
    task.group = below(4) == 0 ? "other" : "default";
    task.priority = static_cast<int>(below(10));
    const std::uint64_t policy = below(10);
    task.on_worker_lost = policy < 5   ? OnWorkerLost::rerun
                          : policy < 7 ? OnWorkerLost::fail
                                       : OnWorkerLost::rerun_after_lease;
    if (task.on_worker_lost != OnWorkerLost::fail)
      task.retry.max_attempts = static_cast<std::int32_t>(1 + below(3));
    task.retry.backoff = std::chrono::milliseconds(200);
    // Some outlive their leases, should those end.
    if (needs_lease(task.on_worker_lost) && may(Trouble::splits) && below(12) == 0) {
      const Duration least = std::chrono::seconds(long_splits_ ? 15 : 0);
      task.spec = "{\"sleep\":\"" + format_duration(least + up_to(std::chrono::seconds(20))) + "\"}";
    }
    if (below(5) == 0) task.run_at = loop_.wall_now() + up_to(std::chrono::seconds(15));
    if (below(8) == 0) task.routing = Routing::strict;
    tasks.push_back(std::move(task));
  }
  return tasks;
}

void Simulation::submit_some() {
  if (to_submit_ == 0) return;
  --to_submit_;
  std::vector<NewTask> tasks = some_tasks();
  if (!world_.masters.empty()) {
    const std::string id = pick(world_.masters);
    if (submitted_++ < options_.most_tasks) {
      if (chance(0.2)) {
        for (std::size_t i = 0; i < tasks.size(); ++i) {
          tasks[i].idempotency_key = std::to_string(submitted_) + "." + std::to_string(i);
          tasks[i].labels = R"({"key":")" + tasks[i].idempotency_key + R"("})";
        }
        submit_with_keys(std::move(tasks), std::make_shared<bool>(false));
      } else {
        world_.submit(id, std::move(tasks), [this](const std::vector<TaskId>& ids) {
          answered_.insert(answered_.end(), ids.begin(), ids.end());
        });
      }
    }
  }
  loop_.after(up_to(std::chrono::milliseconds(400)), [this] { submit_some(); });
}

void Simulation::submit_with_keys(std::vector<NewTask> tasks, std::shared_ptr<bool> answered) {
  if (*answered) return;
  if (!world_.masters.empty()) {
    world_.submit(pick(world_.masters), tasks, [this, answered](const std::vector<TaskId>& ids) {
      if (!std::exchange(*answered, true)) answered_.insert(answered_.end(), ids.begin(), ids.end());
    });
  }
  loop_.after(up_to(std::chrono::seconds(2)),
              [this, tasks = std::move(tasks), answered] { submit_with_keys(tasks, answered); });
}

void Simulation::operate() {
  if (may(Trouble::cancels) && raging_ && !answered_.empty() && !world_.masters.empty() && chance(0.3)) {
    // Recent ones mostly: the others have ended.
    const std::size_t back = 1 + below(std::min<std::size_t>(answered_.size(), 6));
    world_.control(pick(world_.masters), answered_[answered_.size() - back], ControlAction::cancel);
  }
  std::vector<TaskId> quarantined;
  for (const auto& [id, task] : world_.database.tasks()) {
    if (task.row.state == TaskState::quarantined) quarantined.push_back(id);
  }
  for (const TaskId id : quarantined) {
    if (world_.masters.empty() || !chance(0.3)) continue;
    world_.control(pick(world_.masters), id, chance(0.5) ? ControlAction::release : ControlAction::cancel);
  }
  loop_.after(std::chrono::milliseconds(500), [this] { operate(); });
}

void Simulation::cut_somewhere() {
  std::vector<std::string> nodes;
  for (const auto& [id, p] : world_.masters) nodes.push_back(id);
  for (const auto& [id, p] : world_.workers) nodes.push_back(id);
  if (nodes.size() < 2) return;
  const std::string a = nodes[below(nodes.size())], b = nodes[below(nodes.size())];
  const bool both = chance(0.6);
  world_.tell("cut " + a + (both ? " <-> " : " -> ") + b);
  world_.network.cut(a, b);
  if (both) world_.network.cut(b, a);
  loop_.after(up_to(std::chrono::seconds(20)), [this, a, b] {
    world_.tell("heal " + a + " <-> " + b);
    world_.network.heal(a, b);
    world_.network.heal(b, a);
  });
}

// Some nodes are on the far side of a split: cut off from the registry and the database, and mostly from the
// other nodes.
void Simulation::split() {
  if (!far_.empty()) return;
  const bool apart = long_splits_ ? !may(Trouble::worker_crashes) : chance(0.6);
  std::vector<std::string> near;
  const auto serves = [](const std::vector<std::string>& side) {
    return std::ranges::count(side, 'm', kind_of) > 0 && std::ranges::count(side, 'w', kind_of) > 0;
  };
  do {
    far_.clear();
    near.clear();
    for (const std::string& id : all_nodes_) (chance(0.5) ? far_ : near).push_back(id);
  } while (long_splits_ && !(serves(far_) && serves(near)));
  for (const std::string& far : far_) {
    world_.isolate(far);
    for (const std::string& id : near) {
      if (!apart) break;
      world_.network.cut(far, id);
      world_.network.cut(id, far);
    }
  }
  const Duration least = std::chrono::seconds(long_splits_ ? 16 : 5);
  loop_.after(least + up_to(std::chrono::seconds(12)), [this] { heal_split(); });
}

void Simulation::heal_split() {
  for (const std::string& far : std::exchange(far_, {})) {
    world_.rejoin(far);
    for (const std::string& id : all_nodes_) {
      world_.network.heal(far, id);
      world_.network.heal(id, far);
    }
  }
}

void Simulation::drain_somebody(Duration down) {
  const std::string id = pick(world_.workers);
  SimWorker& worker = *world_.workers.at(id);
  if (worker.draining || worker.loop.frozen()) return;
  world_.tell(id + " drains");
  worker.draining = true;
  worker.node->drain([this, id, down] {
    loop_.post([this, id, down] {
      world_.tell(id + " has drained");
      world_.workers.erase(id);
      world_.start_worker(id, down);
    });
  });
}

void Simulation::stop_some_master(Duration down) {
  const std::string id = pick(world_.masters);
  SimMaster& master = *world_.masters.at(id);
  if (master.stopping || master.loop.frozen()) return;
  world_.tell(id + " stops");
  master.stopping = true;
  master.node.stop([this, id, down] {
    loop_.post([this, id, down] {
      world_.tell(id + " has stopped");
      world_.masters.erase(id);
      world_.start_master(id, down);
    });
  });
}

void Simulation::freeze_somebody() {
  const std::string id = pick_node();
  if (id.empty() || world_.loop_of(id).frozen()) return;
  if (!world_.is_master(id)) world_.workers.at(id)->draining = true;  // nobody asks a frozen daemon to drain
  world_.freeze(id);
  loop_.after(up_to(std::chrono::seconds(25)), [this, id, client = world_.session_of(id)] {
    if (world_.lives(id, client)) world_.thaw(id);
  });
}

void Simulation::trouble_the_registry() {
  const std::string id = pick_node();
  if (id.empty()) return;
  const auto client = world_.session_of(id);
  world_.tell(id + " loses the registry");
  world_.hub.disconnect(client);
  if (chance(0.5)) world_.hub.expire(client);
  loop_.after(up_to(std::chrono::seconds(6)), [this, id, client] {
    if (world_.lives(id, client)) world_.mend_session(id);
  });
}

void Simulation::trouble_the_store() {
  world_.tell("the database is out of reach");
  world_.store_faults.down = true;
  loop_.after(up_to(std::chrono::seconds(chance(0.2) ? 12 : 3)),
              [this] { world_.store_faults.down = false; });
}

void Simulation::storm() {
  if (!raging_) return;
  const Duration down = up_to(std::chrono::seconds(long_splits_ ? 2 : 8));
  const bool workers = !world_.workers.empty(), masters = !world_.masters.empty();
  switch (quick_restarts_ ? 0 : long_splits_ ? 4 * below(2) : below(10)) {
    case 0:
      if (may(Trouble::worker_crashes) && workers) {
        const std::string id = pick(world_.workers);
        world_.crash_worker(id);
        world_.start_worker(id, quick_restarts_ ? up_to(std::chrono::milliseconds(100)) : down);
      }
      break;
    case 1:
      if (may(Trouble::supervisor_crashes) && workers && chance(0.5)) {
        world_.crash_supervisor(pick(world_.workers), down);
        break;
      }
      if (may(Trouble::worker_drains) && workers) drain_somebody(down);
      break;
    case 2:
      if (may(Trouble::master_crashes) && masters) {
        const std::string id = pick(world_.masters);
        world_.crash_master(id);
        world_.start_master(id, down);
      }
      break;
    case 3:
      if (may(Trouble::master_stops) && masters) stop_some_master(down);
      break;
    case 4:
      if (may(Trouble::splits)) split();
      break;
    case 5:
      if (may(Trouble::freezes)) freeze_somebody();
      break;
    case 6:
      if (may(Trouble::store_trouble)) trouble_the_store();
      break;
    case 7:
      if (may(Trouble::registry_trouble)) trouble_the_registry();
      break;
    default:
      if (may(Trouble::cuts)) cut_somewhere();
      break;
  }
  loop_.after(up_to(std::chrono::seconds(quick_restarts_ ? 1 : 2)), [this] { storm(); });
}

void Simulation::calm_down() {
  world_.tell("calm");
  raging_ = false;
  heal_split();
  world_.network.heal_all();
  world_.network.faults.slow = world_.network.faults.reset = 0;
  world_.store_faults.slow = world_.store_faults.unavailable = world_.store_faults.unknown = 0;
}

SimReport Simulation::run() {
  draw_weather();
  to_submit_ = 30 + below(60);
  const std::uint64_t master_count = long_splits_ ? 2 + below(2) : 1 + below(3);
  for (std::uint64_t i = 1; i <= master_count; ++i) {
    all_nodes_.push_back("m" + std::to_string(i));
    world_.start_master(all_nodes_.back(), up_to(std::chrono::milliseconds(500)));
  }
  for (int i = 1; i <= 3; ++i) {
    all_nodes_.push_back("w" + std::to_string(i));
    world_.start_worker(all_nodes_.back(), up_to(std::chrono::milliseconds(500)));
  }
  loop_.after(std::chrono::seconds(1), [this] { submit_some(); });
  loop_.after(std::chrono::seconds(2), [this] { storm(); });
  loop_.after(std::chrono::seconds(2), [this] { operate(); });
  world_.run_for(std::chrono::seconds(40));
  calm_down();
  world_.run_until([this] { return to_submit_ == 0 && world_.settled(); }, kCalm);
  Witness& witness = world_.witness;
  if (witness.violations().empty()) witness.check_end();
  for (const auto& [id, disk] : world_.disks) {
    if (witness.violations().empty() && !disk.contents.results.empty())
      witness.violate(id + "'s spool still holds " + std::to_string(disk.contents.results.size()) +
                      " results");
  }
  if (!witness.violations().empty()) world_.tell_state();
  return {witness.violations(), world_.steps, witness.accepted_count(), witness.runs(),
          loop_.now().time_since_epoch()};
}

}  // namespace

std::string_view to_string(Trouble trouble) {
  return kTroubleNames.at(static_cast<std::size_t>(trouble));
}

std::vector<Trouble> all_troubles() {
  std::vector<Trouble> all;
  for (std::size_t i = 0; i < kTroubleNames.size(); ++i) all.push_back(static_cast<Trouble>(i));
  return all;
}

SimReport run_simulation(const SimOptions& options) {
  auto simulation = std::make_unique<Simulation>(options);
  return simulation->run();
}

SimOptions shrink(SimOptions options) {
  options.trace = false;
  const auto breaks = [](const SimOptions& smaller) { return !run_simulation(smaller).violations.empty(); };
  for (const Trouble trouble : all_troubles()) {
    SimOptions smaller = options;
    smaller.without.insert(trouble);
    if (breaks(smaller)) options = smaller;
  }
  for (std::size_t tasks = 64; tasks > 0; tasks /= 2) {
    SimOptions smaller = options;
    smaller.most_tasks = std::min(options.most_tasks, tasks);
    if (!breaks(smaller)) break;
    options = smaller;
  }
  return options;
}

}  // namespace ringmaster
