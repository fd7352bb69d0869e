#include "ctl/completion.h"

#include <map>
#include <sstream>

#include <CLI/CLI.hpp>

#include "base/task.h"
#include "ctl/ctl.h"
#include "ctl/exit_code.h"
#include "ctl/option_values.h"

namespace ringmaster {
namespace {

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

std::string shell_quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// The words that a placeholder stands for, known now.
std::string words_of(const std::string& value) {
  if (value != "STATE") return joined(choices_of(value));
  std::vector<std::string> states;
  for (int number = 0; number < 256; ++number) {
    const std::string name(to_string(static_cast<TaskState>(number)));
    if (parse_task_state(name) == static_cast<TaskState>(number)) states.push_back(name);
  }
  return joined(states);
}

// A command that prints those that are only known then.
std::string command_for(const std::string& value) {
  if (value == "PROFILE") return "ringctl config profiles -q 2>/dev/null";
  if (value == "WORKER") return "ringctl --request-timeout 2s worker list -q 2>/dev/null";
  return {};
}

std::string bash_words(const std::string& value) {
  const std::string command = command_for(value);
  return command.empty() ? shell_quoted(words_of(value)) : "\"$(" + command + ")\"";
}

// `--output` means the same everywhere, but --wait is a flag here and takes a value there: such names stay
// out.
std::map<std::string, std::string> values_by_name(const std::vector<Command>& commands) {
  std::map<std::string, std::string> values;
  for (const Command& command : commands) {
    for (const CommandOption& option : command.options) {
      for (const std::string& name : option.names) {
        const auto [known, fresh] = values.emplace(name, option.value);
        if (!fresh && known->second != option.value) known->second.clear();
      }
    }
  }
  std::erase_if(values, [](const auto& entry) { return entry.second.empty(); });
  return values;
}

std::string long_names(const Command& command) {
  std::string text;
  for (const CommandOption& option : command.options) {
    if (!option.names.empty()) text += " " + option.names.back();
  }
  return text;
}

}  // namespace

std::string bash_completion(const std::vector<Command>& commands) {
  std::ostringstream out;
  out << "_ringctl() {\n"
         "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} typed= offers= "
         "word\n"
         "  for word in \"${COMP_WORDS[@]:1:$((COMP_CWORD-1))}\"; do\n"
         "    [[ $word == -- ]] && return\n"
         "    [[ $word == -* ]] || typed+=\" $word\"\n"
         "  done\n"
         // bash makes words of their own of `=` and what follows.
         "  [[ $previous == '=' ]] && previous=${COMP_WORDS[COMP_CWORD-2]}\n"
         "  [[ $current == '=' ]] && current=\n"
         "  case $previous in\n";
  std::string anything;
  for (const auto& [name, value] : values_by_name(commands)) {
    if (value == "FILE") {
      out << "    " << name << ") COMPREPLY=($(compgen -f -- \"$current\")); return ;;\n";
    } else if (words_of(value).empty() && command_for(value).empty()) {
      anything += (anything.empty() ? "" : "|") + name;
    } else {
      out << "    " << name << ") COMPREPLY=($(compgen -W " << bash_words(value)
          << " -- \"$current\")); return ;;\n";
    }
  }
  out << "    " << anything << ") return ;;\n";
  out << "  esac\n  case \"$typed \" in\n";
  const std::string global = long_names(commands.back());
  for (const Command& command : commands) {
    const std::string path = joined(command.path);
    std::string words, dynamic;
    for (const Command::Sub& sub : command.subcommands) words += sub.name + " ";
    for (const CommandOption& option : command.options) {
      if (!option.names.empty()) continue;
      if (const std::string known = words_of(option.value); !known.empty()) words += known + " ";
      if (const std::string later = command_for(option.value); !later.empty()) dynamic += " $(" + later + ")";
    }
    words += long_names(command).substr(1) + (path.empty() ? "" : global);
    out << "    " << (path.empty() ? "*" : "*\" " + path + " \"*") << ") offers=" << shell_quoted(words);
    if (!dynamic.empty()) out << "; offers+=\"" << dynamic << "\"";
    out << " ;;\n";
  }
  out << "  esac\n"
         "  COMPREPLY=($(compgen -W \"$offers\" -- \"$current\"))\n"
         "}\n"
         "complete -o default -F _ringctl ringctl\n";
  return out.str();
}

std::string zsh_completion(const std::vector<Command>& commands) {
  // The last line is for the first call of an autoloaded file, which only reads it.
  return "#compdef ringctl\nautoload -U +X bashcompinit && bashcompinit\n" + bash_completion(commands) +
         "[[ ${funcstack[1]} == _ringctl ]] && _bash_complete -o default -F _ringctl\ntrue\n";
}

std::string fish_completion(const std::vector<Command>& commands) {
  std::ostringstream out;
  // Files only where there may be one: an option that takes one, and the command of a task.
  out << "complete -c ringctl -f\n"
         "complete -c ringctl -n '__fish_seen_subcommand_from task; and __fish_seen_subcommand_from submit' "
         "-F\n";
  for (const Command& command : commands) {
    std::string condition;
    for (const std::string& word : command.path)
      condition += (condition.empty() ? "" : "; and ") + ("__fish_seen_subcommand_from " + word);
    const std::string when = condition.empty() ? "" : " -n " + shell_quoted(condition);
    std::vector<std::string> names;
    for (const Command::Sub& sub : command.subcommands) names.push_back(sub.name);
    const std::string none_yet = condition + "; and not __fish_seen_subcommand_from " + joined(names);
    for (const Command::Sub& sub : command.subcommands) {
      out << "complete -c ringctl -f -n "
          << (condition.empty() ? "__fish_use_subcommand" : shell_quoted(none_yet)) << " -a " << sub.name
          << " -d " << shell_quoted(first_line(sub.description)) << "\n";
    }
    for (const CommandOption& option : command.options) {
      const std::string later = command_for(option.value);
      const std::string words = later.empty() ? words_of(option.value) : "(" + later + ")";
      if (option.names.empty() && words.empty()) continue;
      out << "complete -c ringctl" << when;
      for (const std::string& name : option.names)
        out << (name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1));
      if (option.names.empty() || (!option.value.empty() && option.value != "FILE")) out << " -x";
      if (option.value == "FILE") out << " -r -F";
      if (!words.empty()) out << " -a " << shell_quoted(words);
      out << " -d " << shell_quoted(first_line(option.help)) << "\n";
    }
  }
  return out.str();
}

void add_completion_command(CLI::App& app, Ctl& ctl) {
  CLI::App* completion = app.add_subcommand("completion", "Print a completion script for a shell");
  auto shell = std::make_shared<std::string>();
  one_of(completion->add_option("shell", *shell, "The shell")->required(), {"bash", "zsh", "fish"});
  completion->footer(
      "Examples:\n  source <(ringctl completion bash)\n  ringctl completion fish > "
      "~/.config/fish/completions/ringctl.fish");
  completion->callback([&app, &ctl, shell] {
    ctl.needs_settings = false;
    ctl.action = [&app, &ctl, shell] {
      const std::vector<Command> commands = all_commands(app);
      ctl.out() << (*shell == "bash"  ? bash_completion(commands)
                    : *shell == "zsh" ? zsh_completion(commands)
                                      : fish_completion(commands));
      return kExitOk;
    };
  });
}

}  // namespace ringmaster
