// `ringbench backlog`: ten million waiting tasks, in one lane and spread over ten thousand: what they cost
// the master's memory, the rate at which tasks are dispatched, an urgent task, and a master that takes them
// over; beside the same master with an empty table, in the same run.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include <CLI/CLI.hpp>

#include "bench/bench.h"
#include "bench/bench_cluster.h"
#include "bench/figures.h"
#include "bench/task_load.h"

namespace ringmaster {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

struct Options {
  std::string database, zookeeper, output = "text";
  std::uint64_t tasks = 10'000'000, drained = 200'000;
  int lanes = 10'000, slots = 256;
  double seconds = 10;
};

double since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

class BacklogBench {
 public:
  explicit BacklogBench(const Options& options)
      : options_(options), cluster_(options.database, options.zookeeper) {}

  Result<> run() {
    if (auto prepared = cluster_.prepare(); !prepared) return prepared;
    if (auto done = with("an empty table", options_.drained, 1); !done) return done;
    if (auto done = with("a full lane", options_.tasks, 1); !done) return done;
    if (auto done = with("full lanes", options_.tasks, options_.lanes); !done) return done;
    std::fputs((options_.output == "json" ? figures_.json() : figures_.text()).c_str(), stdout);
    return {};
  }

 private:
  static constexpr int kMostGroups = 64;  // of one worker
  static constexpr const char* kEmptyRate = "dispatched and done, an empty table";
  static constexpr const char* kEmptyUrgent = "an urgent task starts, an empty table, p50";

  // Every shard's, all due, the first of each lane's in `default`, which is lane 0.
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
    std::fprintf(stderr, "%s: a worker, then a master\n", what.c_str());
    const int served = std::min(lanes, kMostGroups);
    std::string groups = "default";
    for (int lane = 1; lane < served; ++lane) groups += ",lane-" + std::to_string(lane);
    cluster_.start_worker("w1", groups, options_.slots);
    DaemonProcess& master = cluster_.start_master("m1");
    auto load = TaskLoad::connect(cluster_.address_of("m1"), 1, 1);
    if (!load) return std::unexpected(load.error());
    const auto took_over = Clock::now();
    for (auto now = load->cluster(); now && now->completed == 0 && since(took_over) < 60;
         now = load->cluster())
      std::this_thread::sleep_for(milliseconds(1));
    const bool empty = tasks == options_.drained;
    figures_.add("from the shards' take-over to the first result, " + what, "ms", 1e3 * since(took_over),
                 empty ? std::vector<Figures::Goal>{} : std::vector{Figures::at_most(1'000)});
    const std::uint64_t reachable =
        tasks / static_cast<std::uint64_t>(lanes) * static_cast<std::uint64_t>(served);
    if (auto done = drain(*load, what, empty, reachable); !done) return done;
    if (auto done = urgent(*load, what, empty); !done) return done;
    figures_.add("memory of the master, " + what, "MiB", static_cast<double>(master.resident()) / 1024,
                 {Figures::at_most(512)});
    cluster_.stop_all();
    return {};
  }

  // All of those that a worker serves, or as many as the time allows.
  Result<> drain(TaskLoad& load, const std::string& what, bool empty, std::uint64_t reachable) {
    const auto before = load.cluster();
    if (!before) return std::unexpected(before.error());
    const auto begin = Clock::now();
    Result<ClusterReply> now = before;
    while (now && now->completed < reachable && (empty || since(begin) < options_.seconds)) {
      std::this_thread::sleep_for(milliseconds(5));
      now = load.cluster();
    }
    if (!now) return std::unexpected(now.error());
    figures_.add("dispatched and done, " + what, "tasks/s",
                 static_cast<double>(now->completed - before->completed) / since(begin),
                 empty ? std::vector<Figures::Goal>{} : std::vector{Figures::at_least(0.8, kEmptyRate)});
    return {};
  }

  // While the backlog, if there is one, is worked off beside it.
  Result<> urgent(TaskLoad& load, const std::string& what, bool empty) {
    NewTask task = bench_task();
    task.priority = 9;
    const auto one = load.singles(options_.seconds, task);
    if (!one) return std::unexpected(one.error());
    figures_.add("an urgent task starts, " + what + ", p50", "us", percentile(one->starts, 0.5),
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
  app.add_option("--database", options.database, "PostgreSQL, empty: a connection string")->required();
  app.add_option("--zookeeper", options.zookeeper, "host:port")->required();
  app.add_option("--tasks", options.tasks, "that wait")->capture_default_str();
  app.add_option("--lanes", options.lanes, "that they are spread over, the second time")
      ->capture_default_str();
  app.add_option("--seconds", options.seconds, "of each measurement")->capture_default_str();
  app.add_option("-o,--output", options.output, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (const auto done = BacklogBench(options).run(); !done) {
    std::fprintf(stderr, "ringbench backlog: %s\n", done.error().message.c_str());
    return 1;
  }
  return 0;
}

}  // namespace ringmaster
