// Evidence: what is known about a cluster from outside after a fault and its heal: what clients were told,
// what the tasks' own processes wrote, and what the database says. broken_promises() holds it against the
// promises of docs/guarantees.md. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/task.h"

namespace ringmaster {

// A task of which a client was told the id.
struct AcceptedTask {
  OnWorkerLost policy = OnWorkerLost::rerun;
  bool witnessed = false;  // its process writes to the witness file
  bool cancelled = false;  // a client was told that its cancel is committed
  bool fails = false;      // it ends with an exit code other than 0
  std::int32_t max_attempts = 1;
};

struct WitnessLine {
  enum class What { begin, alive, end };
  What what = What::begin;
  Token token;
  std::int64_t boot_us = 0;
};

// A row of task_history.
struct EndedTask {
  TaskId id;
  TaskState state = TaskState::succeeded;
  Attempt attempt = 1;
  Epoch epoch = 0;
};

struct Evidence {
  std::map<TaskId, AcceptedTask> accepted;
  std::vector<WitnessLine> witness;  // in the order of the file
  std::vector<EndedTask> ended;
  std::vector<TaskId> open;  // rows of `task`
  // No worker died, was cut off or out of reach for long: nothing may have run a second time.
  bool no_worker_was_lost = false;
};

// One line for each promise that was broken by one task; empty: none was.
std::vector<std::string> broken_promises(const Evidence& evidence);

std::vector<WitnessLine> parse_witness(const std::string& text);

}  // namespace ringmaster
