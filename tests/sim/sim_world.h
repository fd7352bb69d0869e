// SimWorld: masters and workers and the world around them, in one thread. The masters and workers are the
// real MasterNode and WorkerNode; network, store, registry, disks and processes are simulated. It does what
// it is told: SimCluster tells it random things, a scenario tells it a story.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "master/master_node.h"
#include "registry/memory_registry.h"
#include "sql/memory_task_store.h"
#include "tests/sim/node_loop.h"
#include "tests/sim/planted_bug.h"
#include "tests/sim/sim_links.h"
#include "tests/sim/sim_store.h"
#include "tests/sim/sim_worker_parts.h"
#include "tests/sim/witness.h"
#include "worker/worker_node.h"

namespace ringmaster {

class SimWorld;

// Leases in the simulated world: short ones, so that many run out in one storm.
inline constexpr LeaseTimes kSimLease{.length = std::chrono::seconds(6),
                                      .proof = std::chrono::milliseconds(1'500),
                                      .kill = std::chrono::milliseconds(400)};
inline constexpr Duration kSimSession = std::chrono::seconds(4);

// What a node hears, after a planted bug has had its way with it.
class BentHandler final : public LinkHandler {
 public:
  BentHandler(SimWorld& world, LinkHandler& inner, std::string node)
      : world_(world), inner_(inner), node_(std::move(node)) {}
  void on_link_up(LinkId link, const PeerInfo& peer) override;
  void on_link_down(LinkId link, const PeerInfo& peer, const std::string& reason) override;
  void on_dial_failed(Role role, const std::string& id, DialError error, const std::string& reason) override {
    inner_.on_dial_failed(role, id, error, reason);
  }
  void on_message(LinkId link, Message message) override;
  void on_request(LinkId link, ApiRequest request, ApiResponder respond) override {
    inner_.on_request(link, std::move(request), std::move(respond));
  }

 private:
  SimWorld& world_;
  LinkHandler& inner_;
  const std::string node_;
};

struct SimMaster {
  SimMaster(SimWorld& world, const std::string& id, Incarnation incarnation);
  ~SimMaster();
  SimWorld& world;
  NodeLoop loop;
  std::unique_ptr<MemoryRegistry> registry;
  SimStore store;
  MasterNode node;
  BentHandler handler;
  std::unique_ptr<SimLinks> links;
  bool stopping = false;
};

struct SimWorker {
  SimWorker(SimWorld& world, const std::string& id, Incarnation incarnation, SimDisk& disk);
  ~SimWorker();
  SimWorld& world;
  const Incarnation incarnation;
  const double clock_rate;
  NodeLoop loop, supervisor_loop;  // one machine, so one clock; the second never freezes
  std::unique_ptr<MemoryRegistry> registry;
  SimSpool spool;
  SimRunner runner;
  std::unique_ptr<WorkerNode> node;
  std::unique_ptr<BentHandler> handler;
  std::unique_ptr<SimLinks> links;
  bool draining = false;
};

class SimWorld {
 public:
  SimWorld(std::uint64_t seed, PlantedBug bug, bool trace);
  ~SimWorld();

  // ---- nodes ----
  void start_master(const std::string& id, Duration after = Duration{0});
  void start_worker(const std::string& id, Duration after = Duration{0});
  void crash_master(const std::string& id);
  void crash_worker(const std::string& id);
  // Its attempts die with it at once; its daemon says so, perhaps, and ends; another one comes `after`.
  void crash_supervisor(const std::string& id, Duration after);
  // SIGSTOP: nothing runs, and the registry session ends if it lasts.
  void freeze(const std::string& id);
  void thaw(const std::string& id);
  // Cut off from the registry and the database, not from the other nodes, restarts included. A master that is
  // declared dead meanwhile does not know.
  void isolate(const std::string& id);
  void rejoin(const std::string& id);
  // Its registry session has a connection again, unless it is frozen or isolated.
  void mend_session(const std::string& id);
  bool is_master(const std::string& id) const { return masters.contains(id); }
  bool lives(const std::string& id) const { return masters.contains(id) || workers.contains(id); }
  NodeLoop& loop_of(const std::string& id);
  MemoryRegistryHub::ClientId session_of(const std::string& id);
  // The process with this session is still the one of this id.
  bool lives(const std::string& id, MemoryRegistryHub::ClientId client);
  Incarnation new_incarnation() { return Incarnation{static_cast<std::int64_t>(loop.random() >> 1) | 1}; }

  // ---- work ----
  // `answered` only if the submission was.
  void submit(const std::string& master, std::vector<NewTask> tasks,
              std::function<void(const std::vector<TaskId>&)> answered = {});
  void control(const std::string& master, TaskId id, ControlAction action);

  // ---- time; the invariants are checked after each step that changed the store ----
  // False: `end` came first, or something was violated.
  bool step_until(const std::function<bool()>& done, MonoTime end);
  void run_for(Duration time) {
    step_until([] { return false; }, loop.now() + time);
  }
  bool run_until(const std::function<bool()>& done, Duration limit) {
    return step_until(done, loop.now() + limit);
  }
  // Every task has ended, nothing runs, no spool holds a result.
  bool settled() const;

  // ---- for a trace ----
  void tell(const std::string& what);
  void tell_state();

  ManualLoop loop;
  MemoryDatabase database;
  MemoryRegistryHub hub;
  SimNetwork network;
  StoreFaults store_faults;
  StatementGate gate;
  std::uint64_t writes = 0;  // statements applied
  std::size_t steps = 0;
  Witness witness;
  std::map<std::string, SimDisk> disks;
  std::map<std::string, std::unique_ptr<SimMaster>> masters;
  std::map<std::string, std::unique_ptr<SimWorker>> workers;
  Duration shortest_orphan_life{0}, longest_orphan_life = std::chrono::milliseconds(300);
  double last_words_share = 0;    // of attempts that die with their daemon, are told of to its next life
  int clock_spread_permille = 0;  // the clocks of nodes that start run so much faster or slower, at most
  const PlantedBug bug;
  // A master that is cut off ends itself by default. Whoever is to show what others do about one that does
  // not switches that off, before it starts.
  bool masters_give_way = bug == PlantedBug::none;

 private:
  friend class BentHandler;
  friend struct SimMaster;
  friend struct SimWorker;
  void plant();
  double draw_clock_rate();
  void expire_later(MemoryRegistryHub::ClientId client);
  void cut_session(const std::string& id);

  const bool trace_;
  std::set<std::string> isolated_;
  std::map<std::string, Incarnation> first_lives_;  // of workers, for a planted bug
  std::unique_ptr<MemoryTaskStore> unfenced_;
  std::uint64_t checked_ = 0;
};

}  // namespace ringmaster
