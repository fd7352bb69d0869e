// ringmaster: the master daemon, and the migration of its database.
// Exit codes: 0 ok, 1 failure, 2 bad configuration.
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include "master/master_daemon.h"
#include "master/master_settings.h"
#include "registry/zookeeper_registry.h"
#include "sql/migrate.h"

namespace ringmaster {
namespace {

constexpr int kFailure = 1;
constexpr int kBadConfiguration = 2;

int complain(const Error& error, int code) {
  std::fprintf(stderr, "ringmaster: %s\n", error.message.c_str());
  return code;
}

Result<MasterSettings> load(Settings& settings, const std::string& config) {
  if (!config.empty()) {
    if (auto loaded = settings.load_file(config); !loaded) return std::unexpected(loaded.error());
  }
  const auto lookup = [](const char* name) -> const char* { return std::getenv(name); };
  if (auto loaded = settings.load_environment(lookup); !loaded) return std::unexpected(loaded.error());
  auto read = read_master_settings(settings);
  if (!read) return read;
  const ZooKeeperOptions zookeeper{
      .hosts = read->zookeeper, .cluster = read->cluster, .session_timeout = read->session_timeout};
  if (auto valid = validate(zookeeper); !valid) return std::unexpected(valid.error());
  return read;
}

int serve(const char* argv0, MasterSettings settings) {
  install_log(argv0, settings.log_level);  // takes SIGTERM, which the daemon's signal set takes back
  MasterDaemon daemon(std::move(settings));
  if (auto started = daemon.start(); !started) return complain(started.error(), kFailure);
  return daemon.run();
}

int migrate_database(const std::string& database) {
  const auto report = migrate(database);
  if (!report) return complain(report.error(), kFailure);
  for (const std::string& name : report->applied) std::printf("applied %s\n", name.c_str());
  std::printf("schema version %d%s\n", report->version_after,
              report->applied.empty() ? ", nothing to do" : "");
  return 0;
}

int main_of(int argc, char** argv) {
  Settings settings(declare_master_settings());
  CLI::App app("ringmaster: schedules the tasks of a Ringmaster cluster", "ringmaster");
  app.set_version_flag("--version", RINGMASTER_VERSION);
  app.require_subcommand(1);
  CLI::App* command = app.add_subcommand("serve", "Run the master until SIGTERM");
  std::string config;
  bool check_config = false;
  std::optional<Error> bad_flag;
  command->add_option("--config", config, "YAML file with settings");
  command->add_flag("--check-config", check_config, "show each effective value and its origin, then end");
  for (const Setting& setting : settings.declared()) {
    const auto set = [&settings, &bad_flag, name = setting.name](const std::string& value) {
      if (auto taken = settings.set_flag(name, value); !taken && !bad_flag) bad_flag = taken.error();
    };
    command->add_option_function<std::string>(Settings::flag_of(setting.name), set, setting.description);
  }
  std::string database;
  CLI::App* migration = app.add_subcommand("migrate", "Bring the database to the schema of this version");
  migration->add_option("--database", database, "PostgreSQL: a connection string or URI")
      ->envname("RINGMASTER_DATABASE")
      ->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kBadConfiguration;
  }
  if (migration->parsed()) return migrate_database(database);
  if (bad_flag) return complain(*bad_flag, kBadConfiguration);
  auto read = load(settings, config);
  if (!read) return complain(read.error(), kBadConfiguration);
  if (!check_config) return serve(argv[0], *std::move(read));
  for (const Settings::Line& line : settings.describe()) {
    std::printf("%-16s %-32s %s\n", line.name.c_str(), line.value.c_str(), line.origin.c_str());
  }
  return 0;
}

}  // namespace
}  // namespace ringmaster

int main(int argc, char** argv) {
  return ringmaster::main_of(argc, argv);
}
