#include "tests/fault/cluster_evidence.h"

#include <fstream>
#include <sstream>

namespace ringmaster {

Evidence gather_evidence(Cluster& cluster, const std::string& witness_file,
                         std::map<TaskId, AcceptedTask> accepted) {
  std::ifstream witness(witness_file);
  Evidence evidence{.accepted = std::move(accepted),
                    .witness = parse_witness({std::istreambuf_iterator<char>(witness), {}}),
                    .ended = {},
                    .open = {}};
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
