// The command line as a whole: global options, the nouns, and what happens with them.
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <iostream>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include "ctl/command_tree.h"
#include "ctl/ctl.h"
#include "ctl/ctl_settings.h"
#include "ctl/exit_code.h"

namespace ringmaster {
namespace {

// What follows `--` is a command and belongs to nobody's option parser: "[a,b]" and "{}" stay as they are.
std::vector<std::string> take_command(std::vector<std::string>& words) {
  const auto marker = std::ranges::find(words, "--");
  if (marker == words.end()) return {};
  std::vector<std::string> command(marker + 1, words.end());
  words.erase(marker, words.end());
  return command;
}

bool is_submission(const CLI::App& app) {
  return app.got_subcommand("task") && app.get_subcommand("task")->got_subcommand("submit");
}

int parse(CLI::App& app, Ctl& ctl, std::vector<std::string> words) {
  const bool marked = std::ranges::find(words, "--") != words.end();
  ctl.command = take_command(words);
  std::vector<std::string> reversed(words.rbegin(), words.rend());  // as CLI11 wants it
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error, ctl.out(), ctl.err());
    if (words.empty()) {
      ctl.err() << app.help();
      return kExitOwnError;
    }
    const bool about_words = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr ||
                             dynamic_cast<const CLI::RequiredError*>(&error) != nullptr;
    std::string mistake = about_words ? command_mistake(app, words) : "";
    if (mistake.empty() && !marked && is_submission(app) &&
        dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr)
      mistake = std::string(error.what()) +
                ": put the command after --, as in `ringctl task submit --wait -- sleep 1`";
    return ctl.failed({ErrorCode::invalid_argument, mistake.empty() ? error.what() : mistake, {}},
                      " (see `" + command_named(app, words) + " --help`)");
  }
  if (marked && !is_submission(app)) {
    ctl.action = [&ctl] {
      return ctl.failed({ErrorCode::invalid_argument, "only `task submit` takes `-- …`", {}});
    };
  }
  return kExitOk;
}

int load_and_run(Ctl& ctl, CtlSettings& settings) {
  if (!ctl.action) return kExitOk;  // --help, --version
  if (ctl.needs_settings) {
    const auto loaded = settings.load([](const char* name) -> const char* { return std::getenv(name); });
    // The message says where the mistake stands; it need not be an option.
    if (!loaded) return ctl.failed({loaded.error().code, loaded.error().message, {}});
    ctl.options = settings.options();
    for (const std::string& line : settings.overruled()) ctl.err() << "ringctl: " << line << '\n';
  }
  return ctl.action();
}

// The shell that started us shall see that it was the signal: it ends its loop as well.
void die_of(int signal) {
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

}  // namespace

int run_ringctl(int argc, const char* const* argv) {
  std::ios::sync_with_stdio(false);
  ::signal(SIGPIPE, SIG_DFL);  // `| head` ends us without a word, whoever ignored it before
  Ctl ctl(std::cout, std::cerr, isatty(STDOUT_FILENO) == 1, isatty(STDERR_FILENO) == 1);
  CtlSettings settings;
  CLI::App app("ringctl: the command line of Ringmaster", "ringctl");
  settings.add_flags(app);
  app.set_version_flag("--version", std::string("ringctl ") + RINGMASTER_VERSION);
  app.require_subcommand(1);
  app.fallthrough();  // global options may stand anywhere
  add_task_commands(app, ctl);
  add_worker_commands(app, ctl);
  add_group_commands(app, ctl);
  add_master_commands(app, ctl);
  add_cluster_commands(app, ctl);
  add_ring_commands(app, ctl);
  add_config_commands(app, ctl, settings);
  add_completion_command(app, ctl);
  add_man_command(app, ctl);
  app.footer(
      "Options may stand anywhere; RINGMASTER_ADDRESS and so on, or a profile, say the same.\n"
      "Exit status: 0; with --wait the task's own; 124 time-out; 125 ringctl's own errors; 128+n signal "
      "n.\n\n"
      "Examples:\n"
      "  ringctl task submit --wait -- sha256sum /etc/hostname\n"
      "  ringctl task list --state failed -o json\n"
      "  ringctl --address m1:7420,m2:7420 cluster status");
  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  int status = kExitOwnError;
  try {
    status = parse(app, ctl, words);
    if (status == kExitOk) status = load_and_run(ctl, settings);
  } catch (const std::exception& error) {
    status = ctl.failed({ErrorCode::internal, error.what(), {}});
  }
  ctl.out() << std::flush;
  if (ctl.interrupted_by() != 0) die_of(ctl.interrupted_by());
  return ctl.out().good() || status != kExitOk
             ? status
             : ctl.failed({ErrorCode::internal, "cannot write to stdout", {}});
}

}  // namespace ringmaster
