// The noun `config`: which settings are in force, and where they come from.
#include <cstdlib>
#include <memory>

#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>

#include "ctl/ctl.h"
#include "ctl/ctl_settings.h"
#include "ctl/exit_code.h"
#include "ctl/json_list.h"

namespace ringmaster {
namespace {

std::vector<Settings::Line> all_lines(const CtlSettings& settings) {
  std::vector<Settings::Line> lines{{"config", settings.file(), settings.file_origin()},
                                    {"profile", settings.profile(), settings.profile_origin()}};
  if (!settings.file_exists()) lines.front() = {"config", "", "there is no " + settings.file()};
  if (settings.profile().empty()) lines.back().origin = "default";
  for (Settings::Line& line : settings.describe()) lines.push_back(std::move(line));
  return lines;
}

int show(Ctl& ctl, const CtlSettings& settings, bool with_origin) {
  const auto lines = all_lines(settings);
  if (ctl.json()) {
    boost::json::object document;
    for (const Settings::Line& line : lines) {
      if (with_origin)
        document[line.name] = boost::json::object{{"value", line.value}, {"origin", line.origin}};
      if (!with_origin) document[line.name] = line.value;
    }
    ctl.print(document);
    return kExitOk;
  }
  std::vector<TextTable::Column> columns{{"SETTING"}, {"VALUE"}};
  if (with_origin) columns.push_back({"ORIGIN"});
  TextTable table(std::move(columns));
  for (const Settings::Line& line : lines) {
    std::vector<TextTable::Cell> row{{line.name}, {line.value}};
    if (with_origin) row.push_back({line.origin, Tone::faint});
    table.add(std::move(row));
  }
  ctl.out() << table.render({ctl.colour(), std::nullopt});
  return kExitOk;
}

std::string value_of(const Profile& profile, std::string_view name) {
  for (const Profile::Value& value : profile.values) {
    if (value.name == name) return value.text;
  }
  return {};
}

int list_profiles(Ctl& ctl, const CtlSettings& settings, bool quiet) {
  const std::vector<Profile>& profiles = settings.profiles().all();
  if (quiet) {
    for (const Profile& profile : profiles) ctl.out() << profile.name << '\n';
    return kExitOk;
  }
  if (ctl.json()) {
    JsonList list(ctl);
    for (const Profile& profile : profiles) {
      boost::json::object values;
      for (const Profile::Value& value : profile.values) values[value.name] = value.text;
      list.add(boost::json::object{
          {"name", profile.name}, {"active", profile.name == settings.profile()}, {"settings", values}});
    }
    list.end();
    return kExitOk;
  }
  if (profiles.empty()) {
    ctl.err() << "no profiles: " << settings.file()
              << (settings.file_exists() ? " has none\n" : " does not exist\n");
    return kExitOk;
  }
  TextTable table({{"PROFILE"}, {"ADDRESS", TextTable::Align::left, TextTable::Fit::cut}, {"CLUSTER"}});
  for (const Profile& profile : profiles) {
    const bool active = profile.name == settings.profile();
    table.add({{active ? profile.name + " *" : profile.name, active ? Tone::good : Tone::plain},
               {value_of(profile, "address")},
               {value_of(profile, "cluster")}});
  }
  ctl.out() << table.render(ctl.style());
  return kExitOk;
}

int path(Ctl& ctl, CtlSettings& settings) {
  settings.find_file([](const char* name) -> const char* { return std::getenv(name); });
  if (settings.file().empty())
    return ctl.failed({ErrorCode::not_found, "there is no home folder: set HOME or RINGMASTER_CONFIG", {}});
  ctl.out() << settings.file() << '\n';
  return kExitOk;
}

}  // namespace

void add_config_commands(CLI::App& app, Ctl& ctl, CtlSettings& settings) {
  CLI::App* config = app.add_subcommand("config", "Show what ringctl's options are and where they come from");
  config->require_subcommand(1);

  CLI::App* show_app = config->add_subcommand("show", "Each option in force");
  auto origin = std::make_shared<bool>(false);
  show_app->add_flag("--origin", *origin,
                     "and where it comes from: flag, environment, file and line, default");
  show_app->footer("Example:\n  ringctl --profile production config show --origin");
  show_app->callback([&ctl, &settings, origin] {
    ctl.action = [&ctl, &settings, origin] { return show(ctl, settings, *origin); };
  });

  CLI::App* profiles_app =
      config->add_subcommand("profiles", "The profiles of the file; * marks the one in use");
  auto quiet = std::make_shared<bool>(false);
  profiles_app->add_flag("-q,--quiet", *quiet, "Only their names");
  profiles_app->footer("Example:\n  ringctl config profiles");
  profiles_app->callback([&ctl, &settings, quiet] {
    ctl.action = [&ctl, &settings, quiet] { return list_profiles(ctl, settings, *quiet); };
  });

  CLI::App* path_app = config->add_subcommand("path", "Where the file of profiles is, or would be");
  path_app->footer("Example:\n  $EDITOR \"$(ringctl config path)\"");
  path_app->callback([&ctl, &settings] {
    ctl.needs_settings = false;
    ctl.action = [&ctl, &settings] { return path(ctl, settings); };
  });
}

}  // namespace ringmaster
