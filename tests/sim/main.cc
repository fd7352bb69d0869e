// ringsim: runs the simulated cluster over many seeds, or replays one.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <glog/logging.h>

#include "tests/sim/sim_cluster.h"

namespace {

int report(const ringmaster::SimOptions& options, const ringmaster::SimReport& report) {
  std::printf("seed %llu broke after %zu steps, %.3f simulated seconds:\n",
              static_cast<unsigned long long>(options.seed), report.steps,
              static_cast<double>(report.simulated.count()) / 1e6);
  for (const std::string& violation : report.violations) std::printf("  %s\n", violation.c_str());
  if (options.trace) return 1;
  const ringmaster::SimOptions smallest = ringmaster::shrink(options);
  std::string without, tasks;
  for (const auto trouble : smallest.without) {
    without += (without.empty() ? " --without " : ",") + std::string(ringmaster::to_string(trouble));
  }
  if (smallest.most_tasks != SIZE_MAX) tasks = " --tasks " + std::to_string(smallest.most_tasks);
  std::printf("the shortest story of it: ./dev sim --seed %llu%s%s --trace\n",
              static_cast<unsigned long long>(options.seed), without.c_str(), tasks.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace ringmaster;
  CLI::App app{
      "Runs masters and workers over a simulated network, store and registry, and checks the invariants."};
  std::uint64_t seeds = 100, start = 1, seed = 0;
  bool trace = false;
  std::string bug = "none";
  std::vector<std::string> without;
  std::size_t tasks = SIZE_MAX;
  app.add_option("--seeds", seeds, "how many seeds to run")->capture_default_str();
  app.add_option("--start", start, "the first seed")->capture_default_str();
  app.add_option("--seed", seed, "run this seed only");
  app.add_flag("--trace", trace, "tell what happens");
  app.add_option("--without", without, "kinds of trouble that do not happen, such as cuts,freezes")
      ->delimiter(',');
  app.add_option("--tasks", tasks, "leave out the submissions after so many");
  app.add_option("--bug", bug, "plant a bug by name; `list` names them")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  FLAGS_minloglevel = trace ? google::GLOG_INFO : google::GLOG_FATAL;
  FLAGS_logtostderr = true;
  google::InitGoogleLogging(argv[0]);

  SimOptions options{.trace = trace, .most_tasks = tasks};
  for (const std::string& name : without) {
    const auto all = all_troubles();
    const auto known = std::ranges::find(all, name, [](Trouble trouble) { return to_string(trouble); });
    if (known == all.end()) {
      std::fprintf(stderr, "no trouble is called %s:", name.c_str());
      for (const Trouble trouble : all) std::fprintf(stderr, " %s", std::string(to_string(trouble)).c_str());
      std::fprintf(stderr, "\n");
      return 2;
    }
    options.without.insert(*known);
  }
  for (const auto& [planted, name, within] : all_planted_bugs()) {
    if (bug == "list")
      std::printf("%s (caught within %llu seeds)\n", name.c_str(), static_cast<unsigned long long>(within));
    if (bug == name) options.bug = planted;
  }
  if (bug == "list") return 0;
  if (bug != "none" && options.bug == PlantedBug::none) {
    std::fprintf(stderr, "no planted bug is called %s: see --bug list\n", bug.c_str());
    return 2;
  }
  if (seed != 0) {
    start = seed;
    seeds = 1;
  }
  const auto begin = std::chrono::steady_clock::now();
  std::size_t steps = 0, accepted = 0, runs = 0;
  Duration simulated{0};
  for (std::uint64_t i = 0; i < seeds; ++i) {
    options.seed = start + i;
    const SimReport result = run_simulation(options);
    if (!result.violations.empty()) return report(options, result);
    steps += result.steps;
    accepted += result.accepted;
    runs += result.runs;
    simulated += result.simulated;
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::printf(
      "%llu seeds without a violation: %zu steps, %zu tasks accepted, %zu attempts run, %.1f simulated hours "
      "in %.1f s\n",
      static_cast<unsigned long long>(seeds), steps, accepted, runs,
      static_cast<double>(simulated.count()) / 3.6e9, seconds);
  return 0;
}
