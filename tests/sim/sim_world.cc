#include "tests/sim/sim_world.h"

#include <algorithm>
#include <cstdio>

#include "base/time.h"
#include "tests/sim/story.h"

namespace ringmaster {

// ---- what a node hears ----

void BentHandler::on_link_up(LinkId link, const PeerInfo& peer) {
  PeerInfo shown = peer;
  if (world_.bug == PlantedBug::any_life_will_do && peer.role == Role::worker) {
    shown.incarnation = world_.first_lives_.try_emplace(peer.node_id, peer.incarnation).first->second;
  }
  inner_.on_link_up(link, shown);
}

void BentHandler::on_link_down(LinkId link, const PeerInfo& peer, const std::string& reason) {
  inner_.on_link_down(link, peer, reason);
}

void BentHandler::on_message(LinkId link, Message message) {
  if (auto* inventory = std::get_if<Inventory>(&message)) {
    if (world_.bug == PlantedBug::empty_inventory) inventory->held.clear();
    if (world_.bug == PlantedBug::torn_inventory) {
      inventory->held.resize(inventory->held.size() / 2);
      inventory->last = true;
    }
  }
  if (auto* batch = std::get_if<DispatchBatch>(&message);
      batch != nullptr && world_.bug == PlantedBug::any_life_will_do && world_.workers.contains(node_)) {
    batch->worker = world_.workers.at(node_)->incarnation;
  }
  if (auto* results = std::get_if<ResultBatch>(&message); results != nullptr && world_.is_master(node_)) {
    const SchedulerCore& core = world_.masters.at(node_)->node.core();
    if (world_.bug == PlantedBug::any_token_will_do) {
      for (ResultReport& report : results->items) {
        if (const auto live = core.live(report.token.task)) report.token = live->token;
      }
    }
    if (world_.bug == PlantedBug::zombie_judges) {
      ResultAckBatch refused;
      std::erase_if(results->items, [&](const ResultReport& report) {
        if (core.shards().owns(report.token.task.shard())) return false;
        refused.items.push_back({report.token, ResultFate::stale});
        return true;
      });
      if (!refused.items.empty()) world_.masters.at(node_)->links->send(link, std::move(refused));
    }
  }
  inner_.on_message(link, std::move(message));
}

// ---- nodes ----

SimMaster::SimMaster(SimWorld& w, const std::string& id, Incarnation incarnation)
    : world(w),
      loop(w.loop, w.draw_clock_rate()),
      registry(std::make_unique<MemoryRegistry>(loop, w.hub)),
      store(w.loop, loop, w.database, w.store_faults, w.gate, w.writes),
      node(loop, store, *registry,
           MasterOptions{.cluster = "sim",
                         .self = {id, incarnation, id, id, "sim"},
                         .core = {.lease = kSimLease, .lane_window = 20, .page_size = 8},
                         .dead_after = std::chrono::seconds(2),
                         .batch = 16,
                         .gives_way = w.masters_give_way},
           [this, id](const Error& error) {
             world.tell(id + " is fenced: " + error.message);
             world.loop.post([&w2 = world, id] {
               w2.masters.erase(id);
               w2.start_master(id, std::chrono::milliseconds(50));
             });
           }),
      handler(w, node, id) {
  if (w.isolated_.contains(id)) w.hub.disconnect(registry->client_id());
  links = std::make_unique<SimLinks>(w.network, loop, handler, Role::master, id, id, incarnation);
  node.start(*links, [this, id](Result<std::string> started) {
    if (started) return;
    world.tell(id + " cannot start: " + started.error().message);
    world.loop.post([&w2 = world, id] {
      w2.masters.erase(id);
      w2.start_master(id, std::chrono::milliseconds(300));
    });
  });
}

SimMaster::~SimMaster() {
  links.reset();
  world.expire_later(registry->client_id());
}

SimWorker::SimWorker(SimWorld& w, const std::string& id, Incarnation life, SimDisk& disk)
    : world(w),
      incarnation(life),
      clock_rate(w.draw_clock_rate()),
      loop(w.loop, clock_rate),
      supervisor_loop(w.loop, clock_rate),
      registry(std::make_unique<MemoryRegistry>(loop, w.hub)),
      spool(loop, disk, w.witness),
      runner(loop, supervisor_loop, w.loop, w.witness, disk, id, life) {
  if (w.isolated_.contains(id)) w.hub.disconnect(registry->client_id());
  runner.shortest_orphan_life = w.shortest_orphan_life;
  runner.longest_orphan_life = w.longest_orphan_life;
  runner.last_words_share = w.last_words_share;
  if (w.bug == PlantedBug::children_outlive_leases)
    runner.shortest_orphan_life = runner.longest_orphan_life = std::chrono::seconds(30);
  runner.enforces_leases =
      w.bug != PlantedBug::children_outlive_leases && w.bug != PlantedBug::start_without_lease;
  LeaseTimes lease = kSimLease;
  if (w.bug == PlantedBug::start_without_lease) lease.length = std::chrono::hours(1);
  node = std::make_unique<WorkerNode>(
      loop, *registry, spool, runner,
      WorkerOptions{.node_id = id,
                    .incarnation = life,
                    .groups = id == "w3" ? std::vector<std::string>{"default", "other"}
                                         : std::vector<std::string>{"default"},
                    .slots = id == "w1" ? 3U : 6U,
                    .version = "sim",
                    .lease = lease});
  handler = std::make_unique<BentHandler>(w, *node, id);
  links = std::make_unique<SimLinks>(w.network, loop, *handler, Role::worker, id, id, life);
  if (node->inherit(disk.last_words)) disk.last_words.clear();
  node->start(*links, id, [](Result<>) {});
}

SimWorker::~SimWorker() {
  links.reset();
  world.expire_later(registry->client_id());
  node.reset();
}

SimWorld::SimWorld(std::uint64_t seed, PlantedBug planted, bool trace)
    : loop(seed), network(loop), witness(database), bug(planted), trace_(trace) {
  for (int i = 0; i < 20; ++i) loop.random();
  if (trace_) {
    network.observer = [this](const std::string& from, const std::string& to, const Message& message) {
      tell(from + " -> " + to + ": " + ringmaster::tell(message));
    };
  }
  store_faults.trespass = [this](const std::string& what) { witness.violate(what); };
  plant();
}

SimWorld::~SimWorld() {
  masters.clear();
  workers.clear();
}

void SimWorld::plant() {
  if (bug == PlantedBug::skip_the_fence) {
    unfenced_ = std::make_unique<MemoryTaskStore>(loop, database);
    unfenced_->open({"nobody", Incarnation{1}, "", "", ""}, [](Result<std::string>) {});
    store_faults.unfenced = unfenced_.get();
  }
  store_faults.answers_before_commit = bug == PlantedBug::answer_before_commit;
  store_faults.reuses_attempts = bug == PlantedBug::reuse_an_attempt_number;
  store_faults.forgets_completions = bug == PlantedBug::forget_a_completion;
  store_faults.proves_anything = bug == PlantedBug::zombie_renews_the_lease;
  store_faults.hides_records = bug == PlantedBug::recorded_is_never_sent;
  store_faults.records_blindly = bug == PlantedBug::record_without_compare;
  store_faults.ignores_generations = bug == PlantedBug::ignore_the_generation;
  store_faults.settles_nothing = bug == PlantedBug::settle_nothing;
  network.faults.keep_replaced = bug == PlantedBug::keep_replaced_frames;
  if (bug == PlantedBug::repeat_a_dispatch) network.faults.repeat = 0.2;
}

double SimWorld::draw_clock_rate() {
  if (clock_spread_permille == 0) return 1;
  const auto span = static_cast<std::uint64_t>(2 * clock_spread_permille + 1);
  return 1 + (static_cast<double>(loop.random() % span) - clock_spread_permille) / 1000;
}

// A dead process's session lives on in the registry until it times out.
void SimWorld::expire_later(MemoryRegistryHub::ClientId client) {
  hub.disconnect(client);
  const auto left =
      static_cast<std::int64_t>(loop.random() % static_cast<std::uint64_t>(kSimSession.count()));
  loop.after(Duration{left + 1'000}, [this, client] { hub.expire(client); });
}

void SimWorld::start_master(const std::string& id, Duration after) {
  loop.after(after, [this, id] {
    if (masters.contains(id)) return;
    tell(id + " starts");
    masters[id] = std::make_unique<SimMaster>(*this, id, new_incarnation());
  });
}

void SimWorld::start_worker(const std::string& id, Duration after) {
  loop.after(after, [this, id] {
    if (workers.contains(id)) return;
    const Duration busy = disks[id].busy_until - loop.now();
    // Its predecessor's attempts die first.
    if (busy > Duration{0} && bug != PlantedBug::children_outlive_leases) return start_worker(id, busy);
    tell(id + " starts");
    workers[id] = std::make_unique<SimWorker>(*this, id, new_incarnation(), disks[id]);
  });
}

void SimWorld::crash_master(const std::string& id) {
  tell(id + " crashes");
  masters.erase(id);
}

void SimWorld::crash_worker(const std::string& id) {
  tell(id + " crashes");
  disks[id].forgets_results = bug == PlantedBug::forget_the_spool;
  disks[id].forgets_epochs = bug == PlantedBug::forget_the_epochs;
  workers.erase(id);
}

void SimWorld::crash_supervisor(const std::string& id, Duration after) {
  tell("the supervisor of " + id + " crashes");
  workers.at(id)->runner.lose_supervisor();
  const auto client = session_of(id);
  loop.after(Duration{static_cast<std::int64_t>(loop.random() % 20'000)}, [this, id, client, after] {
    if (!lives(id, client)) return;
    crash_worker(id);
    start_worker(id, after);
  });
}

NodeLoop& SimWorld::loop_of(const std::string& id) {
  return masters.contains(id) ? masters.at(id)->loop : workers.at(id)->loop;
}

MemoryRegistryHub::ClientId SimWorld::session_of(const std::string& id) {
  return masters.contains(id) ? masters.at(id)->registry->client_id() : workers.at(id)->registry->client_id();
}

bool SimWorld::lives(const std::string& id, MemoryRegistryHub::ClientId client) {
  return lives(id) && session_of(id) == client;
}

void SimWorld::freeze(const std::string& id) {
  tell(id + " freezes");
  loop_of(id).freeze();
  cut_session(id);  // it sends the registry nothing
}

void SimWorld::thaw(const std::string& id) {
  tell(id + " thaws");
  loop_of(id).thaw();
  mend_session(id);
}

void SimWorld::isolate(const std::string& id) {
  tell(id + " loses the registry and the database");
  isolated_.insert(id);
  store_faults.cut_off.insert(id);
  if (lives(id)) cut_session(id);
}

void SimWorld::rejoin(const std::string& id) {
  if (isolated_.erase(id) == 0) return;
  tell(id + " has the registry and the database back");
  store_faults.cut_off.erase(id);
  if (lives(id)) mend_session(id);
}

void SimWorld::cut_session(const std::string& id) {
  const auto client = session_of(id);
  hub.disconnect(client);
  loop.after(kSimSession, [this, id, client] {
    if (lives(id, client) && (loop_of(id).frozen() || isolated_.contains(id))) hub.expire(client);
  });
}

void SimWorld::mend_session(const std::string& id) {
  if (!loop_of(id).frozen() && !isolated_.contains(id)) hub.reconnect(session_of(id));
}

// ---- work ----

void SimWorld::submit(const std::string& id, std::vector<NewTask> tasks,
                      std::function<void(const std::vector<TaskId>&)> answered) {
  SimMaster& master = *masters.at(id);
  // A frozen master reads it when it thaws.
  master.loop.post([this, &master, tasks = std::move(tasks), answered = std::move(answered)] {
    master.node.call(SubmitRequest{tasks}, [this, tasks, answered](Result<ApiReply> reply) {
      if (!reply) return;
      const auto& ids = std::get<SubmitReply>(*reply).ids;
      for (std::size_t i = 0; i < ids.size(); ++i) witness.accepted(ids[i], tasks[i]);
      if (answered) answered(ids);
    });
  });
}

void SimWorld::control(const std::string& id, TaskId task, ControlAction action) {
  SimMaster& master = *masters.at(id);
  master.loop.post([this, &master, id, task, action] {
    master.node.call(ControlRequest{task, action, false}, [this, id, task, action](Result<ApiReply> reply) {
      tell(id + " answers " + std::string(to_string(action)) + " of " + to_string(task) + ": " +
           (reply ? "done" : reply.error().message));
      if (reply && action == ControlAction::cancel) witness.cancel_promised(task);
    });
  });
}

// ---- time ----

bool SimWorld::settled() const {
  if (!database.tasks().empty() || witness.running() > 0) return false;
  return std::ranges::all_of(disks, [](const auto& disk) { return disk.second.contents.results.empty(); });
}

bool SimWorld::step_until(const std::function<bool()>& done, MonoTime end) {
  while (loop.now() < end && witness.violations().empty()) {
    if (done()) return true;
    loop.run_until([first = true]() mutable { return !std::exchange(first, false); }, std::chrono::hours(1));
    ++steps;
    if (std::exchange(checked_, writes) != writes) witness.check_step();
  }
  return false;
}

// ---- for a trace ----

void SimWorld::tell(const std::string& what) {
  if (trace_)
    std::printf("%12.6f  %s\n", static_cast<double>(loop.now().time_since_epoch().count()) / 1e6,
                what.c_str());
}

// What each master makes of what is left.
void SimWorld::tell_state() {
  for (const auto& [id, master] : masters) {
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
    for (const auto& [task, row] : database.tasks()) {
      if (!core.shards().owns(task.shard())) continue;
      const Now now{loop.now(), master->loop.wall_now()};
      const auto why = core.explain(task, now);
      tell("  " + to_string(task) + ", group " + row.row.task.group + ", run_at " +
           format_time(row.row.run_at) +
           (why ? " is " + std::string(to_string(why->state)) : " is not in memory"));
      if (!why) continue;
      for (const auto& reason : why->reasons) tell("    " + reason.code + ": " + reason.text);
    }
  }
}

}  // namespace ringmaster
