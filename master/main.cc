// ringmaster: the master daemon, the migration of its database, and the standalone mode.
// Exit codes: 0 ok, 1 failure, 2 bad configuration.
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>

#include "base/serve_command.h"
#include "master/master_daemon.h"
#include "master/master_settings.h"
#include "registry/zookeeper_registry.h"
#include "sql/migrate.h"
#include "standalone/standalone.h"

namespace ringmaster {
namespace {

constexpr int kFailure = 1;
constexpr int kBadConfiguration = 2;

int complain(const Error& error, int code) {
  std::fprintf(stderr, "ringmaster: %s\n", error.message.c_str());
  return code;
}

int serve(const char* argv0, MasterSettings settings, ServeCommand& command) {
  // Takes SIGTERM, which the daemon's frame takes back.
  install_log(argv0, settings.log_level, settings.log_format);
  DaemonFrame frame;
  const auto registry = [&frame, options = settings.registry()] {
    return std::make_unique<ZooKeeperRegistry>(frame.loop(), options);
  };
  MasterDaemon daemon(frame.loop(), std::move(settings), registry, frame.ended());
  if (auto started = daemon.start(); !started) return complain(started.error(), kFailure);
  return frame.run(daemon, [&] {
    command.reload(read_master_settings, [&](const auto& again) {
      set_log_level(again.log_level);
      daemon.reload(again);
    });
  });
}

int serve_standalone(const char* argv0, StandaloneSettings settings, ServeCommand& command) {
  if (auto made = make_standalone_directory(settings.data); !made) return complain(made.error(), kFailure);
  // Forked first: it stays as small as this process is now, and inherits no thread, lock or descriptor.
  auto supervisor = Supervisor::spawn(settings.worker.data_dir, settings.worker.cgroup_root);
  if (!supervisor) return complain(supervisor.error(), kFailure);
  if (auto locked = lock_standalone_directory(settings.data); !locked)
    return complain(locked.error(), kFailure);
  install_log(argv0, settings.master.log_level, settings.master.log_format);
  DaemonFrame frame;
  Standalone daemon(frame.loop(), std::move(settings), *std::move(supervisor), frame.ended());
  if (auto started = daemon.start(); !started) return complain(started.error(), kFailure);
  return frame.run(daemon, [&] {
    command.reload(read_standalone_settings, [&](const auto& again) {
      set_log_level(again.master.log_level);
      daemon.reload(again);
    });
  });
}

int migrate_database(const std::string& database) {
  const auto report = migrate(database);
  if (!report) return complain(report.error(), kFailure);
  for (const std::string& name : report->applied) std::printf("applied %s\n", name.c_str());
  std::printf("schema version %d%s\n", report->version_after,
              report->applied.empty() ? ", nothing to do" : "");
  return 0;
}

// The settings of one of the two, or what is wrong with them; then `serve` with them, if that is wanted.
template <class Read, class Serve>
int run(const char* argv0, ServeCommand& command, const Settings& settings, Read read, Serve serve) {
  if (auto loaded = command.load(); !loaded) return complain(loaded.error(), kBadConfiguration);
  auto wanted = read(settings);
  if (!wanted) return complain(wanted.error(), kBadConfiguration);
  if (!command.check_only()) return serve(argv0, *std::move(wanted), command);
  command.print();
  return 0;
}

int main_of(int argc, char** argv) {
  Settings settings(declare_master_settings()), of_standalone(declare_standalone_settings());
  CLI::App app("ringmaster: schedules the tasks of a Ringmaster cluster", "ringmaster");
  app.set_version_flag("--version", RINGMASTER_VERSION);
  app.require_subcommand(1);
  ServeCommand command(app, settings, "Run a master of a cluster until SIGTERM");
  ServeCommand standalone(
      app, of_standalone,
      "Run a master, a worker and a PostgreSQL of their own on this machine until SIGTERM", "standalone");
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
  if (standalone.parsed())
    return run(argv[0], standalone, of_standalone, read_standalone_settings, serve_standalone);
  return run(argv[0], command, settings, read_master_settings, serve);
}

}  // namespace
}  // namespace ringmaster

int main(int argc, char** argv) {
  return ringmaster::main_of(argc, argv);
}
