#include "tests/sim/cluster/scenario.h"

#include <algorithm>
#include <cstdlib>

#include "base/hash_ring.h"

namespace ringmaster {

namespace {
// A scenario decides what happens, not when to the millisecond: it holds under any seed
// (RINGMASTER_SIM_SEED).
std::uint64_t seed() {
  const char* wanted = std::getenv("RINGMASTER_SIM_SEED");
  return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 1;
}

// RINGMASTER_SIM_TRACE tells every message.
bool traced() {
  return std::getenv("RINGMASTER_SIM_TRACE") != nullptr;
}

// A key that the ring of w1 and w2 gives to this one.
std::string key_of(const std::string& worker) {
  static const HashRing ring({"w1", "w2"});
  for (int i = 0;; ++i) {
    std::string key = "key " + std::to_string(i);
    if (ring.owner(key) == worker) return key;
  }
}
}  // namespace

Story::Story(PlantedBug bug) : world(seed(), bug, traced()) {
  world.witness.allow_reruns();
  world.masters_give_way = false;
}

bool Story::ready() const {
  std::uint32_t owned = 0;
  for (const auto& [id, master] : world.masters) {
    const SchedulerCore& core = master->node.core();
    owned += core.shards().count();
    if (!core.shards().to_release().empty()) return false;
    for (const WorkerView& worker : core.workers()) {
      const bool reachable = !world.network.is_cut(id, worker.id);
      if (reachable && (!worker.connected || worker.credit_limit == 0)) return false;
    }
    if (core.workers().size() < world.workers.size()) return false;
  }
  return owned == kShardCount;
}

void Story::start(std::initializer_list<std::string> nodes) {
  for (const std::string& id : nodes) {
    id.front() == 'm' ? world.start_master(id) : world.start_worker(id);
  }
  const auto all_live = [&] {
    return std::ranges::all_of(nodes, [&](const auto& n) { return world.lives(n); });
  };
  until("the cluster is up", [&] { return all_live() && ready(); });
  pass(std::chrono::milliseconds(1'500));  // every announcement is answered, every lease granted
}

void Story::cut(const std::string& a, const std::string& b) {
  world.tell("cut " + a + " <-> " + b);
  world.network.cut(a, b);
  world.network.cut(b, a);
}

void Story::heal(const std::string& a, const std::string& b) {
  world.tell("heal " + a + " <-> " + b);
  world.network.heal(a, b);
  world.network.heal(b, a);
}

NewTask Story::task(const Work& work) {
  NewTask task;
  task.kind = "simulated";
  task.spec = "{\"sleep\":\"" + work.sleep + "\"}";
  task.on_worker_lost = work.policy;
  if (!work.worker.empty()) task.routing_key = key_of(work.worker);
  return task;
}

TaskId Story::submit(const std::string& master, const Work& work) {
  const auto id = std::make_shared<TaskId>();  // an answer may come after this story
  NewTask submitted = task(work);
  if (work.due_in > Duration{0}) submitted.run_at = world.loop.wall_now() + work.due_in;
  world.submit(master, {std::move(submitted)}, [id](const std::vector<TaskId>& ids) { *id = ids.front(); });
  until("the submission is answered", [&] { return *id != TaskId{}; });
  return *id;
}

void Story::until(const std::string& what, const std::function<bool()>& done, Duration limit) {
  const bool came = world.run_until(done, limit);
  world.tell((came ? "so: " : "never: ") + what);
  EXPECT_TRUE(came || violated()) << "never: " << what;
}

void Story::expect(const std::string& what, bool so) const {
  EXPECT_TRUE(so || violated()) << "not so: " << what;
}

void Story::until_it_runs_on(const std::string& worker, TaskId id) {
  until(to_string(id) + " runs on " + worker, [&] { return world.witness.runs_on(id, worker); });
}

void Story::until_ended(TaskId id) {
  until(to_string(id) + " has ended", [&] { return end_of(id).has_value(); });
}

void Story::settle(std::initializer_list<std::string> nodes) {
  world.tell("all is mended");
  for (const std::string& id : nodes) world.rejoin(id);
  world.network.heal_all();
  for (const std::string& id : nodes) {
    if (!world.lives(id)) {
      id.front() == 'm' ? world.start_master(id) : world.start_worker(id);
    } else if (world.loop_of(id).frozen()) {
      world.thaw(id);
    }
  }
  until("all has settled", [&] { return world.settled(); }, std::chrono::seconds(120));
  if (!violated()) world.witness.check_end();
}

std::optional<TaskState> Story::end_of(TaskId id) const {
  const auto ended = world.database.history().find(id);
  if (ended == world.database.history().end()) return std::nullopt;
  return ended->second.row.state;
}

std::string Story::recorded_worker(TaskId id) const {
  const auto task = world.database.tasks().find(id);
  return task == world.database.tasks().end() ? "" : task->second.row.worker;
}

std::size_t Story::shards_of(const std::string& master) const {
  const std::vector<ShardRow> rows = world.database.shards();
  return static_cast<std::size_t>(std::ranges::count(rows, master, &ShardRow::owner_node));
}

std::size_t Story::results_on(const std::string& worker) const {
  return world.disks.at(worker).contents.results.size();
}

bool Story::dispatched(const std::string& master, TaskId id) const {
  const auto live = world.masters.at(master)->node.core().live(id);
  return live && live->token.epoch != 0;
}

std::vector<std::string> violations_of(const Scenario& scenario, PlantedBug bug) {
  Story story(bug);
  scenario.tell(story);
  for (const std::string& violation : story.world.witness.violations())
    story.world.tell("violated: " + violation);
  return story.world.witness.violations();
}

TEST_P(Protocol, HoldsWithItsRule) {
  EXPECT_THAT(violations_of(GetParam(), PlantedBug::none), testing::IsEmpty());
}

TEST_P(Protocol, IsCaughtWithoutIt) {
  const Scenario& scenario = GetParam();
  EXPECT_THAT(violations_of(scenario, scenario.without_its_rule),
              testing::Contains(testing::HasSubstr(scenario.caught_as)));
}

}  // namespace ringmaster
