#include "tests/sim/planted_bug.h"

namespace ringmaster {

// About twice what was needed. Not here: ignore_the_generation and record_without_compare. What they would
// let through is stopped by the flush before a release and by the settling of unknown writes as well; the
// scenarios of H1 and H13 take those away. Nor forget_the_epochs: a deposed master repeats nothing without a
// fence check, so random seeds hardly reach it; ARestartedWorkerStillRefusesADeposedMaster does.
std::vector<PlantedBugCase> all_planted_bugs() {
  return {{PlantedBug::skip_the_fence, "skip_the_fence", 40},
          {PlantedBug::answer_before_commit, "answer_before_commit", 20},
          {PlantedBug::forget_the_spool, "forget_the_spool", 400},
          {PlantedBug::reuse_an_attempt_number, "reuse_an_attempt_number", 20},
          {PlantedBug::forget_a_completion, "forget_a_completion", 20},
          {PlantedBug::zombie_renews_the_lease, "zombie_renews_the_lease", 400},
          {PlantedBug::start_without_lease, "start_without_lease", 200},
          {PlantedBug::recorded_is_never_sent, "recorded_is_never_sent", 100},
          {PlantedBug::any_life_will_do, "any_life_will_do", 60},
          {PlantedBug::repeat_a_dispatch, "repeat_a_dispatch", 20},
          {PlantedBug::keep_replaced_frames, "keep_replaced_frames", 400},
          {PlantedBug::children_outlive_leases, "children_outlive_leases", 40},
          {PlantedBug::any_token_will_do, "any_token_will_do", 60},
          {PlantedBug::zombie_judges, "zombie_judges", 100},
          {PlantedBug::settle_nothing, "settle_nothing", 120},
          {PlantedBug::empty_inventory, "empty_inventory", 20},
          {PlantedBug::torn_inventory, "torn_inventory", 20}};
}

}  // namespace ringmaster
