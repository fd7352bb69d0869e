// ringmaster: the master daemon, and the migration of its database.
// Exit codes: 0 ok, 1 failure, 2 bad configuration.
#include <cstdio>
#include <string>

#include <CLI/CLI.hpp>

#include "base/serve_command.h"
#include "master/master_daemon.h"
#include "master/master_settings.h"
#include "sql/migrate.h"

namespace ringmaster {
namespace {

constexpr int kFailure = 1;
constexpr int kBadConfiguration = 2;

int complain(const Error& error, int code) {
  std::fprintf(stderr, "ringmaster: %s\n", error.message.c_str());
  return code;
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
  ServeCommand command(app, settings, "Run the master until SIGTERM");
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
  if (auto loaded = command.load(); !loaded) return complain(loaded.error(), kBadConfiguration);
  auto read = read_master_settings(settings);
  if (!read) return complain(read.error(), kBadConfiguration);
  if (!command.check_only()) return serve(argv[0], *std::move(read));
  command.print();
  return 0;
}

}  // namespace
}  // namespace ringmaster

int main(int argc, char** argv) {
  return ringmaster::main_of(argc, argv);
}
