// What a running cluster's database and the witness file say, for the judge of evidence.h. Throws where the
// database does not answer.
#pragma once

#include <map>
#include <string>

#include "tests/fault/evidence.h"
#include "tests/servers/cluster.h"

namespace ringmaster {

Evidence gather_evidence(Cluster& cluster, const std::string& witness_file,
                         std::map<TaskId, AcceptedTask> accepted);

}  // namespace ringmaster
