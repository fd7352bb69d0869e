// `ringbench workers`: what many workers cost one master: memory and processor time of each when nothing
// happens, how long until all that join at once are connected, and until all that vanish at once are gone;
// and how evenly tasks spread over them. The workers are real but light, all in this process.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
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

constexpr int kTasksEach = 100;
constexpr std::uint32_t kSlots = 4;

struct Options : ClusterOptions {
  std::vector<int> counts = {10, 1'000, 5'000};
  double idle_seconds = 10;
};

class WorkersBench {
 public:
  explicit WorkersBench(const Options& options)
      : options_(options), cluster_(options.database, options.zookeeper) {}

  Result<> run() {
    if (auto prepared = cluster_.prepare(); !prepared) return prepared;
    master_ = &cluster_.start_master("m1");
    auto load = TaskLoad::connect(cluster_.address_of("m1"), 1, 0);
    if (!load) return std::unexpected(load.error());
    load_.emplace(*std::move(load));
    const long alone = master_->resident();
    figures_.add("memory of a master without workers", "MiB", static_cast<double>(alone) / 1024);
    for (const int count : options_.counts) {
      if (auto done = measure(count, alone); !done) return done;
    }
    options_.print(figures_);
    return {};
  }

 private:
  // Polled seldom: the answer names each of them.
  Result<double> seconds_until(const std::function<bool(const WorkersReply&)>& holds) {
    const auto begin = Clock::now();
    for (;; std::this_thread::sleep_for(milliseconds(20))) {
      const auto seen = load_->workers();
      if (!seen) return std::unexpected(seen.error());
      if (holds(*seen)) return since(begin);
      if (since(begin) > 120) return fail(ErrorCode::internal, "not in two minutes");
    }
  }
  static std::ptrdiff_t connected(const WorkersReply& reply) {
    return std::ranges::count_if(reply.workers,
                                 [](const WorkerView& view) { return view.registered && view.connected; });
  }

  Result<> measure(int count, long alone) {
    std::fprintf(stderr, "%d workers\n", count);
    const std::string of = ", " + std::to_string(count) + " workers";
    double before = master_->cpu();
    const std::vector<std::vector<std::string>> groups(static_cast<std::size_t>(count), {"default"});
    std::optional<WorkerCrowd> crowd(std::in_place, options_.zookeeper, groups, kSlots);
    const auto joined = seconds_until([&](const WorkersReply& reply) { return connected(reply) == count; });
    if (!joined) return std::unexpected(joined.error());
    figures_.add("until all that joined at once are connected" + of, "s", *joined);
    figures_.add("  of the master's processor time, each" + of, "us",
                 1e6 * (master_->cpu() - before) / count);

    std::this_thread::sleep_for(std::chrono::seconds(3));
    before = master_->cpu();
    std::this_thread::sleep_for(std::chrono::duration<double>(options_.idle_seconds));
    figures_.add("a master's processor when idle" + of, "%",
                 100 * (master_->cpu() - before) / options_.idle_seconds,
                 count == 1'000 ? std::vector{Figures::at_most(5)} : std::vector<Figures::Goal>{});
    figures_.add("a master's memory for each" + of, "KiB",
                 static_cast<double>(master_->resident() - alone) / count,
                 count >= 1'000 ? std::vector{Figures::at_most(64)} : std::vector<Figures::Goal>{});
    if (auto spread = spread_tasks(count, of); !spread) return spread;

    before = master_->cpu();
    crowd.reset();
    const auto left = seconds_until([](const WorkersReply& reply) { return connected(reply) == 0; });
    if (!left) return std::unexpected(left.error());
    figures_.add("until all that vanished at once are gone" + of, "s", *left);
    figures_.add("  of the master's processor time, each" + of + " ", "us",
                 1e6 * (master_->cpu() - before) / count);
    return {};
  }

  // Each has room: where a task runs is the ring's doing alone.
  Result<> spread_tasks(int count, const std::string& of) {
    const auto before = load_->at_rest();
    if (!before) return std::unexpected(before.error());
    const auto tasks = static_cast<std::uint64_t>(count) * kTasksEach;
    if (auto submitted = load_->submit(bench_task(), tasks); !submitted) return submitted;
    const auto rate = load_->drain(before->completed, tasks);
    if (!rate) return std::unexpected(rate.error());
    figures_.add("tasks through them" + of, "tasks/s", *rate);
    const std::string sql =
        "SELECT min(n) || ' ' || max(n) FROM (SELECT count(*) AS n FROM (SELECT worker FROM "
        "ringmaster.task_history "
        "ORDER BY id DESC LIMIT " +
        std::to_string(tasks) + ") t GROUP BY worker) w";
    const auto found = cluster_.ask(sql);
    if (!found) return std::unexpected(found.error());
    const auto space = found->find(' ');
    figures_.add("the least of tasks on one of them, mean 100" + of, "tasks",
                 std::stod(found->substr(0, space)));
    figures_.add("the most of tasks on one of them, mean 100" + of, "tasks",
                 std::stod(found->substr(space + 1)));
    return {};
  }

  const Options options_;
  BenchCluster cluster_;
  DaemonProcess* master_ = nullptr;
  Figures figures_;
  std::optional<TaskLoad> load_;
};

}  // namespace

int bench_workers(int argc, char** argv) {
  Options options;
  CLI::App app{"What many workers cost one master", "ringbench workers"};
  options.add_to(app);
  app.add_option("--counts", options.counts, "of workers, one after the other")
      ->delimiter(',')
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--idle-seconds", options.idle_seconds, "of watching a master that has nothing to do")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  raise_file_limit();  // three descriptors for each worker here, one there
  return exit_status(app, WorkersBench(options).run());
}

}  // namespace ringmaster
