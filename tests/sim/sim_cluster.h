// SimCluster: a SimWorld in random trouble, from one seed. Each seed draws which kinds of trouble there are
// and when they come; then all is healed, and everything accepted must come to its end. The same seed replays
// the same run, event by event.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "tests/sim/planted_bug.h"

namespace ringmaster {

// A kind of trouble that a seed may draw, and that a replay may leave out: fewer kinds tell a shorter story.
enum class Trouble : std::uint8_t {
  worker_crashes,
  worker_drains,
  master_crashes,
  master_stops,
  resets,
  cuts,
  freezes,
  store_trouble,
  registry_trouble,
  slow,
  cancels,
  clock_rates,
  lying_registry,
  splits,
  supervisor_crashes,
};
std::string_view to_string(Trouble trouble);
std::vector<Trouble> all_troubles();

struct SimOptions {
  std::uint64_t seed = 1;
  PlantedBug bug = PlantedBug::none;
  bool trace = false;                 // tell the story on stdout
  std::set<Trouble> without{};        // drawn or not, they do not happen
  std::size_t most_tasks = SIZE_MAX;  // submissions beyond these are left out
};

struct SimReport {
  std::vector<std::string> violations;
  std::size_t steps = 0, accepted = 0, runs = 0;
  Duration simulated{0};
};

SimReport run_simulation(const SimOptions& options);

// The smallest trouble, and the fewest submissions, with which this seed still breaks something.
SimOptions shrink(SimOptions options);

}  // namespace ringmaster
