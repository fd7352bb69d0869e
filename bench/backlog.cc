// `ringbench backlog`: ten million waiting tasks, in one lane and spread over ten thousand: what they cost
// the master's memory, the rate at which tasks are dispatched, an urgent task, and how soon a master that
// finds them is at work; beside the same master with an empty table, in the same run.
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>

#include "bench/bench.h"
#include "bench/bench_cluster.h"
#include "bench/cluster_options.h"
#include "bench/figures.h"
#include "bench/stopwatch.h"
#include "bench/task_load.h"
#include "bench/worker_crowd.h"

namespace ringmaster {

namespace {

using std::chrono::milliseconds;

struct Options : ClusterOptions {
  std::uint64_t tasks = 10'000'000, few = 500'000;
  int lanes = 10'000, slots = 256;
  double seconds = 10;
};

// Of lane 0, and of all others.
std::string group_of(int lane) {
  return lane == 0 ? "default" : "lane-" + std::to_string(lane);
}

class BacklogBench {
 public:
  explicit BacklogBench(const Options& options)
      : options_(options), cluster_(options.database, options.zookeeper) {}

  Result<> run() {
    if (auto prepared = cluster_.prepare(); !prepared) return prepared;
    if (auto done = with("an empty table", options_.few, 1); !done) return done;
    if (auto done = with("a full lane", options_.tasks, 1); !done) return done;
    if (auto done = with("full lanes", options_.tasks, options_.lanes); !done) return done;
    options_.print(figures_);
    return {};
  }

 private:
  static constexpr int kMostGroups = 64;  // of one worker
  static constexpr std::uint32_t kCrowdSlots = 4;
  static constexpr milliseconds kPause{20};  // between questions: each answer names every lane
  static constexpr const char* kEmptyRate = "dispatched and done, an empty table";
  static constexpr const char* kEmptyUrgent = "an urgent task starts, an empty table, p50";

  // Every shard's, all due.
  Result<> fill(std::uint64_t tasks, int lanes) {
    const std::string count = std::to_string(tasks);
    for (const std::string& sql :
         {std::string("TRUNCATE ringmaster.task"),
          "INSERT INTO ringmaster.task (id, rank, run_at, created_at, state, priority, ns, kind, grp, spec) "
          "SELECT "
          "((s.first + n) << 8) | (n & 255), (extract(epoch FROM now()) * 1000000)::int8 - 4 * 60000000 + n, "
          "now(), now(), "
          "1, 4, 'default', 'noop', CASE WHEN n % " +
              std::to_string(lanes) + " = 0 THEN 'default' ELSE 'lane-' || n % " + std::to_string(lanes) +
              " END, '{}' FROM (SELECT nextval('ringmaster.task_seq') AS first) s, "
              "generate_series(0::int8, " +
              count + " - 1) n",
          "SELECT setval('ringmaster.task_seq', nextval('ringmaster.task_seq') + (" + count +
              " / 16384 + 2) * 16384)",
          std::string("VACUUM (ANALYZE) ringmaster.task"), std::string("CHECKPOINT")}) {
      if (auto done = cluster_.ask(sql); !done) return std::unexpected(done.error());
    }
    return {};
  }

  Result<> with(const std::string& what, std::uint64_t tasks, int lanes) {
    std::fprintf(stderr, "%s: filling\n", what.c_str());
    if (auto filled = fill(tasks, lanes); !filled) return filled;
    const auto size = cluster_.ask("SELECT pg_total_relation_size('ringmaster.task')");
    if (!size) return std::unexpected(size.error());
    figures_.add("a waiting task and its index entries in PostgreSQL, " + what, "bytes",
                 std::stod(*size) / static_cast<double>(tasks));
    std::fprintf(stderr, "%s: workers, then a master\n", what.c_str());
    std::optional<WorkerCrowd> crowd;
    std::uint32_t workers = 1;
    if (lanes == 1) {
      cluster_.start_worker("w1", "default", options_.slots);
    } else {
      std::vector<std::vector<std::string>> groups;
      for (int lane = 0; lane < lanes; ++lane) {
        if (lane % kMostGroups == 0) groups.emplace_back();
        groups.back().push_back(group_of(lane));
      }
      workers = static_cast<std::uint32_t>(groups.size());
      crowd.emplace(options_.zookeeper, groups, kCrowdSlots);
    }
    const auto started = Clock::now();
    cluster_.start_master("m1");
    auto load = TaskLoad::connect(cluster_.address_of("m1"), 1, workers);
    if (!load) return std::unexpected(load.error());
    for (auto now = load->cluster(); now && now->completed == 0 && since(started) < 60; now = load->cluster())
      std::this_thread::sleep_for(kPause);
    const bool empty = tasks == options_.few;
    figures_.add("from a master's start to its first result, " + what, "ms", 1e3 * since(started),
                 empty ? std::vector<Figures::Goal>{} : std::vector{Figures::at_most(1'000)});
    if (auto done = drain(*load, what, empty); !done) return done;
    if (auto done = urgent(*load, what, empty); !done) return done;
    figures_.add("memory of the master, " + what, "MiB",
                 static_cast<double>(cluster_.daemon("m1").resident()) / 1024, {Figures::at_most(512)});
    cluster_.stop_all();
    return {};
  }

  // The few of an empty table; else as many as the time allows.
  Result<> drain(TaskLoad& load, const std::string& what, bool empty) {
    const auto before = load.cluster();
    if (!before) return std::unexpected(before.error());
    const auto begin = Clock::now();
    Result<ClusterReply> now = before;
    if (!empty) std::this_thread::sleep_for(std::chrono::duration<double>(options_.seconds));
    do {
      std::this_thread::sleep_for(kPause);
      now = load.cluster();
    } while (now && empty && now->completed < options_.few);
    if (!now) return std::unexpected(now.error());
    figures_.add("dispatched and done, " + what, "tasks/s",
                 static_cast<double>(now->completed - before->completed) / since(begin),
                 empty ? std::vector<Figures::Goal>{} : std::vector{Figures::at_least(0.8, kEmptyRate)});
    return {};
  }

  // While the backlog is worked off beside it; with an empty table, while others are submitted as fast as it
  // goes.
  Result<> urgent(TaskLoad& load, const std::string& what, bool empty) {
    Result<double> flow = 0;
    std::optional<TaskLoad> others;
    std::jthread beside;
    if (empty) {
      cluster_.stop("m1");  // the next one has not counted what was there before
      cluster_.start_master("m1");
      auto second = TaskLoad::connect(cluster_.address_of("m1"), 1, 1);
      if (!second) return std::unexpected(second.error());
      others.emplace(*std::move(second));
      beside = std::jthread([&] { flow = others->flow({.seconds = options_.seconds + 1}); });
      std::this_thread::sleep_for(milliseconds(500));
    }
    NewTask task = bench_task();
    task.priority = 9;  // the most urgent
    const auto one = load.singles(options_.seconds, task);
    if (beside.joinable()) beside.join();
    if (!one) return std::unexpected(one.error());
    if (!flow) return std::unexpected(flow.error());
    figures_.add("an urgent task is accepted, " + what + ", p50", "us", median(one->answers));
    figures_.add("an urgent task starts, " + what + ", p50", "us", median(one->starts),
                 empty ? std::vector<Figures::Goal>{} : std::vector{Figures::at_most(2, kEmptyUrgent)});
    figures_.add("an urgent task starts, " + what + ", p99", "us", percentile(one->starts, 0.99));
    return {};
  }

  const Options options_;
  BenchCluster cluster_;
  Figures figures_;
};

}  // namespace

int bench_backlog(int argc, char** argv) {
  Options options;
  CLI::App app{"A master with ten million waiting tasks", "ringbench backlog"};
  options.add_to(app);
  app.add_option("--tasks", options.tasks, "that wait")->capture_default_str();
  app.add_option("--few", options.few, "that wait beside them: as good as an empty table")
      ->capture_default_str();
  app.add_option("--lanes", options.lanes, "that they are spread over, the second time")
      ->check(CLI::Range(2, 100'000))
      ->capture_default_str();
  app.add_option("--seconds", options.seconds, "of each measurement")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  raise_file_limit();  // for the workers of all lanes
  return exit_status(app, BacklogBench(options).run());
}

}  // namespace ringmaster
