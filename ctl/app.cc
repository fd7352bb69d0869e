// The command line as a whole: global options, the nouns, and what happens with them.
#include <algorithm>
#include <iostream>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include "ctl/ctl.h"
#include "ctl/exit_code.h"

namespace ringmaster {
namespace {

void add_global_options(CLI::App& app, CtlOptions& options) {
  app.add_option("--address", options.address,
                 "Masters, host:port[,host:port…]; the next is tried when one is down")
      ->envname("RINGMASTER_ADDRESS")
      ->capture_default_str();
  app.add_option("--cluster", options.cluster, "Cluster name")
      ->envname("RINGMASTER_CLUSTER")
      ->capture_default_str();
  app.add_option("--secret-file", options.secret_file, "File with the cluster secret, mode 600 or 400")
      ->envname("RINGMASTER_SECRET_FILE");
  app.add_option("-o,--output", options.output, "text, or json: one document a line")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  app.set_version_flag("--version", std::string("ringctl ") + RINGMASTER_VERSION);
}

// What follows `--` is a command and belongs to nobody's option parser: "[a,b]" and "{}" stay as they are.
std::vector<std::string> take_command(std::vector<std::string>& words) {
  const auto marker = std::ranges::find(words, "--");
  if (marker == words.end()) return {};
  std::vector<std::string> command(marker + 1, words.end());
  words.erase(marker, words.end());
  return command;
}

int parse_and_run(CLI::App& app, Ctl& ctl, std::vector<std::string> words) {
  const bool marked = std::ranges::find(words, "--") != words.end();
  ctl.command = take_command(words);
  std::ranges::reverse(words);  // as CLI11 wants it
  try {
    app.parse(std::move(words));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error, ctl.out(), ctl.err());
    ctl.err() << "ringctl: " << error.what() << "; see ringctl --help\n";
    return kExitOwnError;
  }
  const bool submits = app.got_subcommand("task") && app.get_subcommand("task")->got_subcommand("submit");
  if (marked && !submits)
    return ctl.failed({ErrorCode::invalid_argument, "only `task submit` takes `-- …`", {}});
  return ctl.action();
}

}  // namespace

int run_ringctl(int argc, const char* const* argv) {
  std::ios::sync_with_stdio(false);
  Ctl ctl(std::cout, std::cerr, isatty(STDOUT_FILENO) == 1, isatty(STDERR_FILENO) == 1);
  CLI::App app("ringctl: the command line of Ringmaster", "ringctl");
  add_global_options(app, ctl.options);
  app.require_subcommand(1);
  app.fallthrough();  // global options may stand anywhere
  add_task_commands(app, ctl);
  add_worker_commands(app, ctl);
  add_group_commands(app, ctl);
  add_master_commands(app, ctl);
  add_cluster_commands(app, ctl);
  add_ring_commands(app, ctl);
  add_completion_command(app, ctl);
  app.footer(
      "Exit status: 0; with --wait the task's own; 124 time-out; 125 ringctl's own errors; 128+n signal "
      "n.\n\n"
      "Examples:\n"
      "  ringctl task submit --wait -- sha256sum /etc/hostname\n"
      "  ringctl -o json task list --state failed\n"
      "  ringctl --address m1:7420,m2:7420 cluster status");
  const int status = parse_and_run(app, ctl, {argv + std::min(argc, 1), argv + argc});
  ctl.out() << std::flush;
  return ctl.out().good() || status != kExitOk
             ? status
             : ctl.failed({ErrorCode::internal, "cannot write to stdout", {}});
}

}  // namespace ringmaster
