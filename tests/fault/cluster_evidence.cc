#include "tests/fault/cluster_evidence.h"

#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

namespace ringmaster {

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

Evidence gather_evidence(Cluster& cluster, const std::string& witness, AcceptedTasks accepted,
                         bool no_worker_was_lost) {
  Evidence evidence{.accepted = std::move(accepted),
                    .witness = parse_witness(text_of(witness)),
                    .ended = {},
                    .open = {},
                    .no_worker_was_lost = no_worker_was_lost};
  std::istringstream rows(
      cluster.query("SELECT string_agg(concat_ws(' ', id, state, attempt, coalesce(epoch, 0)), E'\\n') FROM "
                    "ringmaster.task_history"));
  EndedTask task;
  for (int state = 0; rows >> task.id.value >> state >> task.attempt >> task.epoch;) {
    task.state = static_cast<TaskState>(state);
    evidence.ended.push_back(task);
  }
  std::istringstream open(cluster.query("SELECT string_agg(id::text, ' ') FROM ringmaster.task"));
  for (TaskId id; open >> id.value;) evidence.open.push_back(id);
  return evidence;
}

}  // namespace ringmaster
