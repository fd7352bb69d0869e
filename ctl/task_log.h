// `ringctl task log`.
#pragma once

#include "ctl/ctl.h"

namespace ringmaster {

void add_task_log(CLI::App& task, Ctl& ctl);

}  // namespace ringmaster
