// The commands and options that there are, read from CLI11's definitions: what completions and manual are
// made of, and what a mistyped word is compared with.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace ringmaster {

struct CommandOption {
  std::vector<std::string> names;  // `-o`, `--output`; none: it is positional
  std::string value;               // placeholder, or `a|b`; empty: a flag
  std::string help;
  bool required = false, repeated = false;
};

struct Command {
  std::vector<std::string> path;  // `task`, `submit`; empty: ringctl itself
  std::string description, footer;
  std::vector<CommandOption> options;  // positional ones among them
  struct Sub {
    std::string name, description;
  };
  std::vector<Sub> subcommands;
};

// Deeper ones first, ringctl itself last; hidden ones are left out.
std::vector<Command> all_commands(const CLI::App& app);

// What is wrong with these words if a command is mistyped or missing, and what to write; else empty.
std::string command_mistake(const CLI::App& app, const std::vector<std::string>& words);

// The deepest command that the words name, as typed: `ringctl task list`.
std::string command_named(const CLI::App& app, const std::vector<std::string>& words);

}  // namespace ringmaster
