// `ringctl task watch`.
#pragma once

#include "ctl/ctl.h"

namespace ringmaster {

void add_task_watch(CLI::App& task, Ctl& ctl);

}  // namespace ringmaster
