#include "worker/worker_parts.h"

#include <utility>

namespace ringmaster {

WorkerOptions node_options(const WorkerSettings& settings) {
  WorkerOptions options;
  options.node_id = settings.node_id;
  options.incarnation = new_incarnation();
  options.groups = settings.groups;
  options.slots = settings.slots;
  options.prefetch = settings.prefetch;
  options.weight = settings.weight;
  options.version = RINGMASTER_VERSION;
  options.report_redials = settings.report_redials;
  return options;
}

LinksOptions links_options(const WorkerSettings& settings, Incarnation incarnation, std::string store_id) {
  LinksOptions options;
  options.cluster = settings.cluster;
  options.secret = settings.secret;
  options.role = Role::worker;
  options.node_id = settings.node_id;
  options.incarnation = incarnation;
  options.store_id = std::move(store_id);
  return options;
}

}  // namespace ringmaster
