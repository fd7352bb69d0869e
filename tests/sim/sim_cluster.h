// SimCluster: masters, workers, clients and the world around them, in one thread, from one seed. The masters
// and workers are the real MasterNode and WorkerNode; network, store, registry, disks and processes are
// simulated. The same seed replays the same run, event by event.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "master/master_node.h"
#include "registry/memory_registry.h"
#include "sql/memory_task_store.h"
#include "tests/sim/node_loop.h"
#include "tests/sim/sim_links.h"
#include "tests/sim/sim_store.h"
#include "tests/sim/sim_worker_parts.h"
#include "tests/sim/witness.h"
#include "worker/worker_node.h"

namespace ringmaster {

// Bugs that a run can be given, to see that it would be caught. Each sits at a seam; the real code stays as
// it is.
enum class PlantedBug {
  none,
  skip_the_fence,           // the database believes whoever writes
  answer_before_commit,     // a submission is answered while its insert is still on its way
  forget_the_spool,         // a crashed worker's unacknowledged results are gone
  reuse_an_attempt_number,  // a retry keeps the number
  forget_a_completion,      // the store says "done" and does nothing
  keep_replaced_frames,     // an older channel's unread frames still arrive after the newer one is up (H9)
  repeat_a_dispatch,        // the network delivers a dispatch again, long after
  empty_inventory,          // a worker's inventory leaves out what it holds
};
struct PlantedBugCase {
  PlantedBug bug;
  std::string name;
  std::uint64_t seeds;  // within so many it is caught
};
std::vector<PlantedBugCase> all_planted_bugs();

struct SimOptions {
  std::uint64_t seed = 1;
  PlantedBug bug = PlantedBug::none;
  bool trace = false;  // tell the story on stdout
};

struct SimReport {
  std::vector<std::string> violations;
  std::size_t steps = 0, accepted = 0, runs = 0;
  Duration simulated{0};
};

SimReport run_simulation(const SimOptions& options);

}  // namespace ringmaster
