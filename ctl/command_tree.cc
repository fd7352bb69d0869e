#include "ctl/command_tree.h"

#include <algorithm>
#include <utility>

#include <CLI/CLI.hpp>

#include "base/nearest_word.h"

namespace ringmaster {
namespace {

std::vector<const CLI::App*> visible_subcommands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* sub) { return !sub->get_group().empty(); });
}

CommandOption option_of(const CLI::Option& option) {
  CommandOption made;
  for (const std::string& name : option.get_snames()) made.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) made.names.push_back("--" + name);
  if (option.get_type_size() != 0) made.value = option.get_type_name();
  if (made.names.empty() && made.value.empty()) made.value = option.get_name(true);
  made.help = option.get_description();
  made.required = option.get_required();
  made.repeated = option.get_expected_max() > 1;
  return made;
}

void collect(const CLI::App& app, const std::vector<std::string>& path, std::vector<Command>& commands) {
  Command command{path, app.get_description(), app.get_footer(), {}, {}};
  for (const CLI::App* sub : visible_subcommands(app)) {
    command.subcommands.push_back({sub->get_name(), sub->get_description()});
    std::vector<std::string> deeper = path;
    deeper.push_back(sub->get_name());
    collect(*sub, deeper, commands);
  }
  for (const CLI::Option* option : app.get_options()) command.options.push_back(option_of(*option));
  commands.push_back(std::move(command));
}

struct Place {
  const CLI::App* app;
  std::string typed;      // `ringctl task`
  std::string next_word;  // that is no subcommand of it; empty: none
};

bool takes_value(const CLI::App& app, const std::string& word) {
  const CLI::Option* option = app.get_option_no_throw(word);
  return option != nullptr && option->get_type_size() != 0;
}

// Walks down as far as the words are commands, past options and their values.
Place place_of(const CLI::App& app, const std::vector<std::string>& words) {
  Place place{&app, app.get_name(), {}};
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word.starts_with('-')) {
      if (takes_value(*place.app, word) || takes_value(app, word)) ++i;
      continue;
    }
    const auto subs = visible_subcommands(*place.app);
    const auto found =
        std::ranges::find_if(subs, [&](const CLI::App* sub) { return sub->get_name() == word; });
    if (found == subs.end()) {
      place.next_word = word;
      break;
    }
    place.app = *found;
    place.typed += " " + word;
  }
  return place;
}

}  // namespace

std::vector<Command> all_commands(const CLI::App& app) {
  std::vector<Command> commands;
  collect(app, {}, commands);
  return commands;
}

std::string command_mistake(const CLI::App& app, const std::vector<std::string>& words) {
  const Place place = place_of(app, words);
  std::vector<std::string> names;
  for (const CLI::App* sub : visible_subcommands(*place.app)) names.push_back(sub->get_name());
  if (names.empty()) return {};
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  if (place.next_word.empty()) return "`" + place.typed + "` needs a command: " + list;
  const std::string nearest = nearest_word(place.next_word, names);
  return "`" + place.typed + "` has no command " + place.next_word +
         (nearest.empty() ? "; there are " + list : "; did you mean `" + place.typed + " " + nearest + "`?");
}

std::string command_named(const CLI::App& app, const std::vector<std::string>& words) {
  return place_of(app, words).typed;
}

}  // namespace ringmaster
