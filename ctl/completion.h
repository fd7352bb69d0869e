// Completion scripts, made from the commands and options that there are. Pure.
#pragma once

#include <string>
#include <vector>

#include "ctl/command_tree.h"

namespace ringmaster {

// As all_commands() gives them.
std::string bash_completion(const std::vector<Command>& commands);
std::string zsh_completion(const std::vector<Command>& commands);
std::string fish_completion(const std::vector<Command>& commands);

}  // namespace ringmaster
