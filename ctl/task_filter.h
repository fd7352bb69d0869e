// Which tasks: the filters that `task list` and `task watch` have in common.
#pragma once

#include <string>
#include <vector>

#include "base/api.h"
#include "ctl/ctl.h"

namespace ringmaster {

struct TaskFilter {  // as typed
  std::string ns, group, kind;
  std::vector<std::string> states, labels;
  std::string since, until;

  bool empty() const;
};

// `filter` outlives the app.
void add_filter_options(CLI::App& app, TaskFilter& filter);

// Errors: invalid_argument with the option's field.
Result<ListRequest> list_request(const TaskFilter& filter, WallTime now);

}  // namespace ringmaster
