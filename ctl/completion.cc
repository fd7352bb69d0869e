// `ringctl completion bash|zsh|fish`: scripts made from the commands and options that there are.
#include <memory>
#include <sstream>

#include <CLI/CLI.hpp>

#include "ctl/ctl.h"
#include "ctl/exit_code.h"

namespace ringmaster {
namespace {

// One command, by its words behind `ringctl`, and what may follow them.
struct Command {
  std::string path;  // `task submit`; empty: ringctl itself
  struct Word {
    std::string text, help;
  };
  std::vector<Word> subcommands, options;
};

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

// Deeper ones first.
void collect(const CLI::App& app, const std::string& path, std::vector<Command>& commands) {
  Command command{path, {}, {}};
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    command.subcommands.push_back({sub->get_name(), first_line(sub->get_description())});
    collect(*sub, path.empty() ? sub->get_name() : path + " " + sub->get_name(), commands);
  }
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames())
      command.options.push_back({"--" + name, first_line(option->get_description())});
  }
  commands.push_back(std::move(command));
}

std::string shell_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string for_bash(const std::vector<Command>& commands) {
  std::ostringstream out;
  out << "_ringctl() {\n"
         "  local current=${COMP_WORDS[COMP_CWORD]} path= words= word\n"
         "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
         "    [[ $word == -- ]] && return\n"
         "    [[ $word == -* ]] || path+=\" $word\"\n"
         "  done\n"
         "  case \"$path \" in\n";
  std::string global;
  for (const Command::Word& option : commands.back().options) global += " " + option.text;
  for (const Command& command : commands) {
    std::string words;
    for (const Command::Word& sub : command.subcommands) words += sub.text + " ";
    for (const Command::Word& option : command.options) words += option.text + " ";
    const std::string pattern = command.path.empty() ? "*" : "*\" " + command.path + " \"*";
    out << "    " << pattern
        << ") words=" << shell_quoted(command.path.empty() ? words : words + global.substr(1)) << " ;;\n";
  }
  out << "  esac\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
         "}\n"
         "complete -o default -F _ringctl ringctl\n";
  return out.str();
}

std::string for_zsh(const std::vector<Command>& commands) {
  return "#compdef ringctl\nautoload -U +X bashcompinit && bashcompinit\n" + for_bash(commands);
}

std::string for_fish(const std::vector<Command>& commands) {
  std::ostringstream out;
  for (const Command& command : commands) {
    std::string condition;
    std::istringstream words(command.path);
    for (std::string word; words >> word;)
      condition += (condition.empty() ? "" : "; and ") + ("__fish_seen_subcommand_from " + word);
    const std::string when = condition.empty() ? "" : " -n " + shell_quoted(condition);
    const std::string first = condition.empty() ? " -n __fish_use_subcommand" : when;
    for (const Command::Word& sub : command.subcommands)
      out << "complete -c ringctl -f" << first << " -a " << sub.text << " -d " << shell_quoted(sub.help)
          << "\n";
    for (const Command::Word& option : command.options)
      out << "complete -c ringctl" << when << " -l " << option.text.substr(2) << " -d "
          << shell_quoted(option.help) << "\n";
  }
  return out.str();
}

int print(Ctl& ctl, const CLI::App& app, const std::string& shell) {
  std::vector<Command> commands;
  collect(app, {}, commands);
  ctl.out() << (shell == "bash"  ? for_bash(commands)
                : shell == "zsh" ? for_zsh(commands)
                                 : for_fish(commands));
  return kExitOk;
}

}  // namespace

void add_completion_command(CLI::App& app, Ctl& ctl) {
  CLI::App* completion = app.add_subcommand("completion", "Print a completion script for a shell");
  auto shell = std::make_shared<std::string>();
  completion->add_option("shell", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  completion->footer(
      "Examples:\n  source <(ringctl completion bash)\n  ringctl completion fish > "
      "~/.config/fish/completions/ringctl.fish");
  completion->callback(
      [&app, &ctl, shell] { ctl.action = [&app, &ctl, shell] { return print(ctl, app, *shell); }; });
}

}  // namespace ringmaster
