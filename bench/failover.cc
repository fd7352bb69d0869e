// `ringbench failover`: workers and masters killed under load, one after the other: how long until what they
// held runs again elsewhere, and whether anything was lost or doubled. With the clusters, the load and the
// judge of the fault tests (tests/fault).
//
// Each victim is a fresh node that joined before: a master that is killed again within a minute is given up
// by the registry's word only, after its session time-out.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>

#include "bench/bench.h"
#include "bench/figures.h"
#include "tests/fault/cluster_evidence.h"
#include "tests/fault/mixed_load.h"
#include "tests/servers/cluster.h"

namespace ringmaster {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kBeside = "; limit p99 1000 ms; DolphinScheduler, published: 30-90 s";
constexpr Duration kLead = milliseconds(400);      // from submission until tasks are due
constexpr Duration kBeforeDue = milliseconds(20);  // a master dies so long before them
constexpr std::size_t kTasksPerShard = 2;
constexpr std::uint32_t kEnoughRunning = 6;

struct Options {
  int kills = 100, slots = 64, noops = 60, processes = 2;
};

struct Verdict {
  std::size_t accepted = 0, lost = 0, doubled = 0;
};

void wait(const std::string& what, const std::function<bool()>& holds) {
  if (!Cluster::eventually(holds, seconds(60))) throw std::runtime_error("not in a minute: " + what);
}

class FailoverBench {
 public:
  explicit FailoverBench(const Options& options) : options_(options) {
    load_options_.witness = cluster_.directory() / "witness";
    load_options_.noops = options.noops;
    load_options_.processes = options.processes;
    for (const char* id : {"m1", "m2"}) cluster_.start_master(id);
    for (const char* id : {"w1", "w2"}) start_worker(id);
    cluster_.wait_for(2, 2);
  }

  // Until the last task that it held, and that may run again, runs on another one.
  void kill_workers() {
    begin_load("w");
    std::vector<double> times, leased;
    std::size_t held = 0;
    for (int i = 1; i <= options_.kills; ++i) {
      const std::string victim = "v" + std::to_string(i);
      start_worker(victim);
      wait(victim + " is at work", [&] { return running_on(victim) >= kEnoughRunning; });
      const WallTime killed_at = read_wall_clock();
      cluster_.stop_worker(victim, SIGKILL);
      wait("what it held has ended", [&] { return all_ended_since(killed_at); });
      const auto rerun = run_again(victim, killed_at, "on_worker_lost IS NULL OR on_worker_lost = 0");
      const auto after_lease = run_again(victim, killed_at, "on_worker_lost = 1");
      held += rerun.size() + after_lease.size();
      if (!rerun.empty()) times.push_back(*std::ranges::max_element(rerun));
      if (!after_lease.empty()) leased.push_back(*std::ranges::max_element(after_lease));
      cluster_.wait_for(2, 2);
      tell_progress("workers", i);
    }
    tell("worker killed: all it held (rerun) runs elsewhere", times, kBeside);
    tell("  rerun_after_lease, which waits for a proved death", leased, "");
    std::printf("%-52s %10.0f tasks\n", "  held and run again, in the mean",
                static_cast<double>(held) / options_.kills);
    judge(false);
  }

  // Each of its shards has tasks that are due right after its death: until the last of them has started.
  void kill_masters() {
    begin_load("m");
    std::vector<double> times;
    for (int i = 1; i <= options_.kills; ++i) {
      const std::string victim = "x" + std::to_string(i);
      cluster_.start_master(victim);
      cluster_.wait_for(3, 2);
      const auto [ids, due] = submit_for_later(victim);
      std::this_thread::sleep_for(due - kBeforeDue - read_wall_clock());
      const WallTime killed_at = read_wall_clock();
      cluster_.stop_master(victim, SIGKILL);
      const std::string where = " WHERE id IN (" + ids + ")";
      wait("its tasks have ended",
           [&] { return cluster_.query("SELECT count(*) FROM ringmaster.task" + where) == "0"; });
      times.push_back(milliseconds_since(
          killed_at, "SELECT max(" + micros("started_at") + ") FROM ringmaster.task_history" + where));
      cluster_.wait_for(2, 2);
      tell_progress("masters", i);
    }
    tell("master killed: all its shards dispatch again", times, kBeside);
    judge(true);
  }

  bool nothing_broken() const { return broken_ == 0; }

 private:
  void start_worker(const std::string& id) {
    cluster_.start_worker(id, {"--slots", std::to_string(options_.slots)});
  }
  void begin_load(const std::string& keys) {
    load_options_.keys = keys;
    load_ = std::make_unique<MixedLoad>(cluster_.client_of({"m1", "m2"}), load_options_);
  }
  std::uint32_t running_on(const std::string& worker) {
    const auto seen = cluster_.client("m1").workers();
    if (!seen) return 0;
    for (const WorkerView& view : seen->workers) {
      if (view.id == worker && view.registered && view.connected) return view.running;
    }
    return 0;
  }

  static std::string micros(const std::string& time) {
    return "(extract(epoch FROM " + time + ") * 1000000)::int8";
  }
  static std::string literal(WallTime time) { return std::to_string(to_unix_micros(time)); }
  double milliseconds_since(WallTime begin, const std::string& query) {
    return 1e-3 * static_cast<double>(std::stoll(cluster_.query(query)) - to_unix_micros(begin));
  }
  bool all_ended_since(WallTime time) {
    return cluster_.query("SELECT count(*) FROM ringmaster.task WHERE " + micros("created_at") + " < " +
                          literal(time)) == "0";
  }

  // When each attempt began that replaced one of `worker`'s, in milliseconds after its death. Tasks that
  // failed by themselves have labels.
  std::vector<double> run_again(const std::string& worker, WallTime killed_at, const std::string& policy) {
    std::istringstream starts(cluster_.query("SELECT string_agg(" + micros("started_at") +
                                             "::text, ' ') FROM ringmaster.task_history WHERE attempt > 1" +
                                             " AND labels IS NULL AND (" + policy +
                                             ") AND attempts::text LIKE '%\"" + worker + "\"%' AND " +
                                             micros("started_at") + " > " + literal(killed_at)));
    std::vector<double> after;
    for (std::int64_t start = 0; starts >> start;)
      after.push_back(1e-3 * static_cast<double>(start - to_unix_micros(killed_at)));
    return after;
  }

  // Their ids, as a list, and when they are due.
  std::pair<std::string, WallTime> submit_for_later(const std::string& master) {
    const auto state = cluster_.client(master).cluster();
    if (!state) throw std::runtime_error(state.error().message);
    NewTask task;
    task.kind = "noop";
    task.run_at = read_wall_clock() + kLead;
    const auto reply =
        cluster_.client(master).submit({std::vector<NewTask>(kTasksPerShard * state->shards_owned, task)});
    if (!reply) throw std::runtime_error(reply.error().message);
    std::set<ShardId> shards;
    std::string ids;
    for (const TaskId id : reply->ids) {
      shards.insert(id.shard());
      later_[id] = {};
      ids += (ids.empty() ? "" : ",") + std::to_string(id.value);
    }
    if (shards.size() != state->shards_owned) throw std::runtime_error("not a task in each of its shards");
    return {ids, *task.run_at};
  }

  void judge(bool no_worker_was_lost) {
    load_->stop();
    wait("all has ended", [&] { return cluster_.query("SELECT count(*) FROM ringmaster.task") == "0"; });
    AcceptedTasks accepted = load_->accepted();
    accepted.merge(later_);
    Verdict verdict{.accepted = accepted.size()};
    for (const std::string& broken : broken_promises(
             gather_evidence(cluster_, load_options_.witness, std::move(accepted), no_worker_was_lost))) {
      ++(broken.find("was accepted and") != std::string::npos ? verdict.lost : verdict.doubled);
      std::fprintf(stderr, "%s\n", broken.c_str());
    }
    std::printf("%-52s %10zu accepted, lost %zu, doubled or against a policy %zu\n",
                "  by the evidence:", verdict.accepted, verdict.lost, verdict.doubled);
    std::fflush(stdout);
    broken_ += verdict.lost + verdict.doubled;
  }

  void tell_progress(const char* what, int killed) const {
    if (killed % 10 == 0) std::fprintf(stderr, "%d of %d %s killed\n", killed, options_.kills, what);
  }
  static void tell(const std::string& what, const std::vector<double>& times, const std::string& beside) {
    std::printf("%-52s %10.0f ms p50  %.0f ms p99  %.0f ms max  (%zu times%s)\n", what.c_str(), median(times),
                percentile(times, 0.99), percentile(times, 1), times.size(), beside.c_str());
    std::fflush(stdout);
  }

  const Options options_;
  Cluster cluster_;
  LoadOptions load_options_;
  std::unique_ptr<MixedLoad> load_;
  AcceptedTasks later_;
  std::size_t broken_ = 0;
};

}  // namespace

int bench_failover(int argc, char** argv) {
  Options options;
  CLI::App app("Workers and masters killed under load: until what they held runs again",
               "ringbench failover");
  app.add_option("--kills", options.kills, "of workers, and of masters")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--slots", options.slots, "of each worker")->capture_default_str();
  app.add_option("--noops", options.noops, "tasks of the load, each 50 ms")->capture_default_str();
  app.add_option("--processes", options.processes, "processes besides, each 50 ms")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  std::printf(
      "2 masters and 2 workers stay, the third of each is killed; load: %d tasks each 50 ms of every "
      "policy, of up to 0.8 s\n",
      options.noops + options.processes);
  std::fflush(stdout);
  FailoverBench bench(options);
  bench.kill_workers();
  bench.kill_masters();
  return bench.nothing_broken() ? 0 : 1;
}

}  // namespace ringmaster
