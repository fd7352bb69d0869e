// Manual pages in roff, made from the commands and options that there are. ASCII only, and the same at each
// build. Pure.
#pragma once

#include <string>
#include <vector>

#include "ctl/command_tree.h"

namespace ringmaster {

// `ringctl-task-submit`; the page is that and `.1`.
std::string page_name(const Command& command);

// Of one command; that of ringctl itself also has the environment, the files and the exit status.
std::string man_page(const Command& command, const std::vector<Command>& all);

}  // namespace ringmaster
