// Follows tasks to their ends: `task wait`, and `task submit --wait`.
#pragma once

#include <optional>
#include <vector>

#include "base/ids.h"
#include "ctl/ctl.h"
#include "ctl/interrupt.h"
#include "ctl/task_tally.h"

namespace ringmaster {

struct FollowOptions {
  std::optional<Duration> limit;  // give up after this
  bool print_each = false;        // one JSON document for each task as it ends
  bool whole_view = false;        // of a single task the document is all that there is to know
};

struct Followed {
  TaskTally tally;
  std::vector<TaskId> open;  // have not ended
};

// Blocks until all have ended, the limit has passed or the interrupt has come; progress goes to stderr if it
// is a terminal. A task id that nobody knows counts as missing. Errors: those of the client.
Result<Followed> follow(Ctl& ctl, std::vector<TaskId> ids, const FollowOptions& options,
                        const Interrupt& interrupt);

// follow(), then the words about it and the exit status: of one task its own, of many the tally's.
int follow_and_report(Ctl& ctl, const std::vector<TaskId>& ids, const FollowOptions& options);

// What a person is told who stops waiting for these: they go on, and how to wait again or to end them.
std::string goes_on(const std::vector<TaskId>& open, std::size_t total);

}  // namespace ringmaster
