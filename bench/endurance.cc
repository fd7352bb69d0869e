// `ringbench endurance`: the full rate for ten minutes: whether it holds, and whether memory and tables stay
// as they are.
#include <array>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include <CLI/CLI.hpp>

#include "bench/bench.h"
#include "bench/bench_cluster.h"
#include "bench/cluster_options.h"
#include "bench/figures.h"
#include "bench/stopwatch.h"
#include "bench/task_load.h"

namespace ringmaster {

namespace {

struct Options : ClusterOptions {
  int rounds = 1, slots = 256;
  double seconds = 600, warm_up = 10;
};

constexpr std::array<const char*, 4> kQuarters{"first quarter", "second quarter", "third quarter",
                                               "last quarter"};

class EnduranceBench {
 public:
  explicit EnduranceBench(const Options& options)
      : options_(options), cluster_(options.database, options.zookeeper) {}

  Result<> run() {
    if (auto prepared = cluster_.prepare(); !prepared) return prepared;
    for (int round = 1; round <= options_.rounds; ++round) {
      std::fprintf(stderr, "round %d of %d\n", round, options_.rounds);
      if (auto done = measure(); !done) return done;
      cluster_.stop_all();
      if (auto emptied = cluster_.ask("TRUNCATE ringmaster.task_history"); !emptied)
        return std::unexpected(emptied.error());
    }
    options_.print(figures_);
    return {};
  }

 private:
  Result<> measure() {
    cluster_.start_master("m1");
    cluster_.start_worker("w1", "default", options_.slots);
    auto load = TaskLoad::connect(cluster_.address_of("m1"), 1, 1);
    if (!load) return std::unexpected(load.error());
    auto watch = TaskLoad::connect(cluster_.address_of("m1"), 1, 1);
    if (!watch) return std::unexpected(watch.error());
    Result<double> flow = 0;
    std::jthread flowing([&] { flow = load->flow({.seconds = options_.warm_up + options_.seconds}); });
    std::this_thread::sleep_for(std::chrono::duration<double>(options_.warm_up));
    for (const char* quarter : kQuarters) {
      if (auto done = measure_quarter(*watch, quarter); !done) return done;
    }
    flowing.join();
    if (!flow) return std::unexpected(flow.error());
    const auto size = cluster_.ask(
        "SELECT sum(pg_total_relation_size(relid)) / (SELECT count(*) FROM ringmaster.task_history)"
        " FROM pg_partition_tree('ringmaster.task_history')");
    if (!size) return std::unexpected(size.error());
    figures_.add("an ended task and its index entry in PostgreSQL", "bytes", std::stod(*size));
    return {};
  }

  Result<> measure_quarter(TaskLoad& watch, const std::string& quarter) {
    const auto before = watch.cluster();
    if (!before) return std::unexpected(before.error());
    const auto begin = Clock::now();
    std::this_thread::sleep_for(std::chrono::duration<double>(options_.seconds / kQuarters.size()));
    const auto after = watch.cluster();
    if (!after) return std::unexpected(after.error());
    const double rate = static_cast<double>(after->completed - before->completed) / since(begin);
    add("rate", quarter, "tasks/s", rate, Figures::at_least(0.9, name("rate", kQuarters.front())));
    add("memory of the master", quarter, "MiB",
        megabytes(static_cast<double>(cluster_.daemon("m1").resident())));
    add("memory of the worker", quarter, "MiB",
        megabytes(static_cast<double>(cluster_.daemon("w1").resident())));
    add("memory of PostgreSQL's processes of their own", quarter, "MiB", megabytes(postgres_memory()));
    for (const char* relation : {"task", "task_pkey", "task_lane"}) {
      const auto size = cluster_.ask("SELECT pg_relation_size('ringmaster." + std::string(relation) + "')");
      if (!size) return std::unexpected(size.error());
      add(std::string("size of ") + relation, quarter, "MiB", std::stod(*size) / (1 << 20));
    }
    return {};
  }

  static double megabytes(double kibibytes) { return kibibytes / 1024; }
  static std::string name(const std::string& what, const std::string& quarter) {
    return what + ", " + quarter;
  }
  // Memory and tables: at most a tenth more than after the first quarter.
  void add(const std::string& what, const std::string& quarter, const char* unit, double value) {
    add(what, quarter, unit, value, Figures::at_most(1.1, name(what, kQuarters.front())));
  }
  void add(const std::string& what, const std::string& quarter, const char* unit, double value,
           const Figures::Goal& goal) {
    figures_.add(name(what, quarter), unit, value,
                 quarter == kQuarters.back() ? std::vector{goal} : std::vector<Figures::Goal>{});
  }

  const Options options_;
  BenchCluster cluster_;
  Figures figures_;
};

}  // namespace

int bench_endurance(int argc, char** argv) {
  Options options;
  CLI::App app{"The full rate for ten minutes", "ringbench endurance"};
  options.add_to(app);
  app.add_option("--rounds", options.rounds, "their medians are shown")
      ->check(CLI::Range(1, 1'000))
      ->capture_default_str();
  app.add_option("--seconds", options.seconds, "of full rate, in each round")->capture_default_str();
  app.add_option("--warm-up", options.warm_up, "seconds before them")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return exit_status(app, EnduranceBench(options).run());
}

}  // namespace ringmaster
