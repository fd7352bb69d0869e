// What the settings of a worker mean for the parts that every worker has, whatever runs its attempts. Pure,
// but for the incarnation.
#pragma once

#include <string>

#include "rpc/tcp_links.h"
#include "worker/worker_node.h"
#include "worker/worker_settings.h"

namespace ringmaster {

// For the node of a life that begins: everything but its callbacks.
WorkerOptions node_options(const WorkerSettings& settings);
// For the links of that life. `store_id`: the database that its spool belongs to, if it does.
LinksOptions links_options(const WorkerSettings& settings, Incarnation incarnation, std::string store_id);

}  // namespace ringmaster
