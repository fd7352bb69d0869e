// `ringctl task submit`.
#pragma once

#include "ctl/ctl.h"

namespace ringmaster {

void add_task_submit(CLI::App& task, Ctl& ctl);

}  // namespace ringmaster
