// What a cluster's database and the witness file say of these tasks: the Evidence to judge. Throws where the
// database does not answer.
#pragma once

#include <map>
#include <string>

#include "tests/fault/evidence.h"
#include "tests/servers/cluster.h"

namespace ringmaster {

using AcceptedTasks = std::map<TaskId, AcceptedTask>;

// `no_worker_was_lost`: as in Evidence.
Evidence gather_evidence(Cluster& cluster, const std::string& witness, AcceptedTasks accepted,
                         bool no_worker_was_lost = false);

// A file's bytes; none if it cannot be read.
std::string text_of(const std::string& path);

}  // namespace ringmaster
