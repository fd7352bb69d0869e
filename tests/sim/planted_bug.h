// Bugs that a simulated run can be given, to see that it would be caught: each switches one rule off. They
// sit at seams (the store, the network, the disks, what a node hears); the real code stays as it is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ringmaster {

enum class PlantedBug {
  none,
  skip_the_fence,           // the database believes whoever writes (also H2: a former life passes)
  ignore_the_generation,    // H1: what was sent before a release still applies after it
  answer_before_commit,     // a submission is answered while its insert is still on its way
  forget_the_spool,         // a crashed worker's unacknowledged results are gone
  reuse_an_attempt_number,  // a retry keeps the number
  forget_a_completion,      // the store says "done" and does nothing
  forget_the_epochs,        // a restarted worker listens to deposed masters again
  zombie_renews_the_lease,  // H4: a fenced master's fence checks go on succeeding
  start_without_lease,      // H5: a worker believes that its leases are always valid
  recorded_is_never_sent,   // H6: what a dispatch record says is not believed
  any_life_will_do,         // H7: masters and workers do not tell a worker's lives apart
  repeat_a_dispatch,        // H8: a dispatch is delivered again on its channel, long after
  keep_replaced_frames,     // H9: an older channel's unread frames still arrive after the newer one is up
  children_outlive_leases,  // H10: the supervisor enforces nothing, and attempts outlive their daemon
  any_token_will_do,        // H11: whatever result comes is taken for the current attempt's
  zombie_judges,            // H12: a master that does not own a shard refuses its results
  record_without_compare,   // H13: a dispatch record replaces whatever was recorded before
  settle_nothing,           // H14: an unknown write may still apply after it was looked up
  empty_inventory,          // a worker's inventory leaves out what it holds
  torn_inventory,           // only its first part arrives, and says that it is the last
};
struct PlantedBugCase {
  PlantedBug bug;
  std::string name;
  std::uint64_t seeds;  // within so many it is caught
};
// Those that random seeds catch. Every one that stands for a rule (H1 …) has its scenario as well.
std::vector<PlantedBugCase> all_planted_bugs();

}  // namespace ringmaster
