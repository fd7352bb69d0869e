// ringworker: the worker daemon. Exit codes: 0 ok, 1 failure, 2 bad configuration.
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>

#include "base/serve_command.h"
#include "registry/zookeeper_registry.h"
#include "worker/worker_daemon.h"

namespace ringmaster {
namespace {

constexpr int kFailure = 1;
constexpr int kBadConfiguration = 2;

int complain(const Error& error, int code) {
  std::fprintf(stderr, "ringworker: %s\n", error.message.c_str());
  return code;
}

int serve(const char* argv0, WorkerSettings settings, ServeCommand& command) {
  // Forked first: it stays as small as this process is now, and inherits no thread, lock or descriptor.
  auto supervisor = Supervisor::spawn(settings.data_dir, settings.cgroup_root);
  if (!supervisor) return complain(supervisor.error(), kFailure);
  // Takes SIGTERM, which the daemon's frame takes back.
  install_log(argv0, settings.log_level, settings.log_format);
  DaemonFrame frame;
  auto registry = std::make_unique<ZooKeeperRegistry>(frame.loop(), settings.registry());
  WorkerDaemon daemon(frame.loop(), std::move(settings), *std::move(supervisor), std::move(registry),
                      frame.ended());
  if (auto started = daemon.start(); !started) return complain(started.error(), kFailure);
  return frame.run(daemon, [&] {
    command.reload(read_worker_settings, [&](const auto& again) {
      set_log_level(again.log_level);
      daemon.reload(again);
    });
  });
}

int main_of(int argc, char** argv) {
  Settings settings(declare_worker_settings());
  CLI::App app("ringworker: runs the tasks of a Ringmaster cluster", "ringworker");
  app.set_version_flag("--version", RINGMASTER_VERSION);
  app.require_subcommand(1);
  ServeCommand command(app, settings, "Run the worker until SIGTERM");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kBadConfiguration;
  }
  if (auto loaded = command.load(); !loaded) return complain(loaded.error(), kBadConfiguration);
  auto read = read_worker_settings(settings);
  if (!read) return complain(read.error(), kBadConfiguration);
  if (!command.check_only()) return serve(argv[0], *std::move(read), command);
  command.print();
  return 0;
}

}  // namespace
}  // namespace ringmaster

int main(int argc, char** argv) {
  return ringmaster::main_of(argc, argv);
}
