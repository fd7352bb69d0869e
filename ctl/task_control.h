// `ringctl task cancel`, `task release` and `task explain`.
#pragma once

#include <string>

#include "base/api.h"
#include "ctl/ctl.h"

namespace ringmaster {

void add_task_cancel(CLI::App& task, Ctl& ctl);
void add_task_release(CLI::App& task, Ctl& ctl);
void add_task_explain(CLI::App& task, Ctl& ctl);

// The state, then one line for each reason: its code and its text.
std::string explanation(TaskId id, const ExplainReply& reply, bool colour);

}  // namespace ringmaster
