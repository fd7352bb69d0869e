// Follows tasks to their ends: `task wait`, and `task submit --wait`.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "ctl/ctl.h"
#include "ctl/task_tally.h"

namespace ringmaster {

struct FollowOptions {
  std::optional<Duration> limit;  // give up after this
  bool print_each = false;        // one JSON line for each task as it ends
};

// Blocks until all have ended or the limit has passed; progress goes to stderr if it is a terminal. A task id
// that nobody knows counts as missing. Errors: those of the client.
Result<TaskTally> follow(Ctl& ctl, std::vector<TaskId> ids, const FollowOptions& options);

// follow(), then the words about it and the exit status: of one task its own, of many the tally's.
int follow_and_report(Ctl& ctl, const std::vector<TaskId>& ids, const FollowOptions& options);

}  // namespace ringmaster
