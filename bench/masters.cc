// `ringbench masters`: one, two and four masters on one PostgreSQL: how much more they carry together, and
// what a task costs the database.
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>

#include "bench/bench.h"
#include "bench/bench_cluster.h"
#include "bench/cluster_options.h"
#include "bench/figures.h"
#include "bench/raw_limits.h"
#include "bench/task_load.h"

namespace ringmaster {

namespace {

struct Options : ClusterOptions {
  std::vector<int> counts = {1, 2, 4};
  double seconds = 20, limit_seconds = 5;
  int rounds = 3, slots = 256;
};

class MastersBench {
 public:
  explicit MastersBench(const Options& options)
      : options_(options), cluster_(options.database, options.zookeeper) {}

  Result<> run() {
    if (auto prepared = cluster_.prepare(); !prepared) return prepared;
    for (int round = 1; round <= options_.rounds; ++round) {
      const auto life = raw_life_cycles(options_.database, options_.limit_seconds);
      if (!life) return std::unexpected(life.error());
      figures_.add(kRawLife, "tasks/s", *life);
      for (const int count : options_.counts) {
        std::fprintf(stderr, "round %d of %d: %d masters\n", round, options_.rounds, count);
        if (auto done = measure(count); !done) return done;
        cluster_.stop_all();
      }
    }
    options_.print(figures_);
    return {};
  }

 private:
  // As PostgreSQL counts them.
  double count(const std::string& sql) const { return std::stod(cluster_.ask(sql).value_or("0")); }
  double commits() const {
    return count("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()");
  }
  double wal() const { return count("SELECT pg_current_wal_insert_lsn() - '0/0'"); }

  Result<> measure(int masters) {
    std::vector<TaskLoad> loads;
    for (int i = 1; i <= masters; ++i) cluster_.start_master("m" + std::to_string(i));
    cluster_.start_worker("w1", "default", options_.slots);
    for (int i = 1; i <= masters; ++i) {
      auto load = TaskLoad::connect(cluster_.address_of("m" + std::to_string(i)),
                                    static_cast<std::uint32_t>(masters), 1);
      if (!load) return std::unexpected(load.error());
      loads.push_back(*std::move(load));
    }
    const double processor = postgres_cpu(), committed = commits(), written = wal();
    std::vector<Result<double>> rates(loads.size(), 0.0);
    {
      std::vector<std::jthread> flows;
      for (std::size_t i = 0; i < loads.size(); ++i) {
        flows.emplace_back(
            [&, i] { rates[i] = loads[i].flow({.window = 20'000 / masters, .seconds = options_.seconds}); });
      }
    }
    double rate = 0, tasks = 0;
    for (std::size_t i = 0; i < loads.size(); ++i) {
      if (!rates[i]) return std::unexpected(rates[i].error());
      rate += *rates[i];
      const auto state = loads[i].cluster();
      if (!state) return std::unexpected(state.error());
      tasks += static_cast<double>(state->completed);
    }
    const std::string of = ", " + std::to_string(masters) + " masters";
    figures_.add("sustained, end to end" + of, "tasks/s", rate, {Figures::at_least(0.4, kRawLife)});
    figures_.add("  PostgreSQL's processor time a task" + of, "us",
                 1e6 * (postgres_cpu() - processor) / tasks);
    figures_.add("  tasks a commit" + of, "", tasks / (commits() - committed));
    figures_.add("  WAL a task" + of, "bytes", (wal() - written) / tasks);
    return {};
  }

  const Options options_;
  BenchCluster cluster_;
  Figures figures_;
};

}  // namespace

int bench_masters(int argc, char** argv) {
  Options options;
  CLI::App app{"Several masters on one PostgreSQL", "ringbench masters"};
  options.add_to(app);
  app.add_option("--counts", options.counts, "of masters, one after the other")
      ->delimiter(',')
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--rounds", options.rounds, "their medians are shown")
      ->check(CLI::Range(1, 1'000))
      ->capture_default_str();
  app.add_option("--seconds", options.seconds, "of each load")->capture_default_str();
  app.add_option("--limit-seconds", options.limit_seconds, "of the limit")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return exit_status(app, MastersBench(options).run());
}

}  // namespace ringmaster
