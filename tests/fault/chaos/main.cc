// ringchaos: random faults on a real cluster under load, then a heal, then the checks. ./dev chaos builds
// and runs it.
//
// Exit code: 0 clean, 1 something was found, 2 it cannot run here.
#include <cstdio>
#include <fstream>

#include <CLI/CLI.hpp>

#include "tests/fault/chaos/chaos_report.h"
#include "tests/fault/chaos/chaos_run.h"
#include "tests/fault/chaos/timeline.h"

namespace {

using namespace ringmaster;

constexpr int kClean = 0, kFound = 1, kCannotRun = 2;

std::atomic<bool> interrupted{false};

void interrupt(int number) {
  interrupted = true;
  ::signal(number, SIG_DFL);  // the second one ends it at once
}

int cannot_run(const std::string& why) {
  std::fprintf(stderr, "ringchaos: %s\n", why.c_str());
  return kCannotRun;
}

int run(const PlanOptions& plan, const std::filesystem::path& directory, bool keep_all) {
  BridgedNetwork network;
  if (!network.made()) return cannot_run("only root can make the networks of its nodes");
  ChaosRecord record;
  try {
    ChaosRun chaos(network,
                   {.plan = plan,
                    .keep_in = directory,
                    .keep_all = keep_all,
                    .say = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); },
                    .stop_early = &interrupted});
    record = chaos.run();
  } catch (const std::exception& why) {
    return cannot_run(why.what());
  }
  const std::string report = report_of(record);
  std::ofstream(directory / "report.md") << report;
  std::ofstream(directory / "timeline.svg") << timeline_of(record);
  std::printf("%s\nThe report and timeline.svg are in %s\n", report.c_str(), directory.c_str());
  return record.broken.empty() ? kClean : kFound;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Random faults on a real cluster under load, then a heal, then the checks");
  double minutes = 2;
  PlanOptions plan;
  bool show_plan = false, keep_all = false;
  std::string directory;
  app.add_option("--minutes", minutes, "how long there are faults")->check(CLI::Range(0.2, 10'000.0));
  app.add_option("--seed", plan.seed, "which faults, and when");
  app.add_option("--out", directory, "where the report goes (build/chaos/<seed>)");
  app.add_flag("--keep-logs", keep_all, "also if nothing is found");
  app.add_flag("--plan", show_plan, "only print the faults of this seed");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kClean : kCannotRun;
  }
  plan.length = std::chrono::milliseconds(static_cast<std::int64_t>(minutes * 60'000));
  plan.lines = can_make_lines();
  if (show_plan) {
    for (const Fault& fault : make_plan(plan)) {
      std::printf("%8.1f s for %5.1f s: %s\n", static_cast<double>(fault.at.count()) / 1000,
                  static_cast<double>(fault.length.count()) / 1000, title_of(fault).c_str());
    }
    return kClean;
  }
  if (directory.empty()) directory = "build/chaos/" + std::to_string(plan.seed);
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return cannot_run("cannot make " + directory + ": " + error.message());
  ::signal(SIGINT, interrupt);
  return run(plan, directory, keep_all);
}
