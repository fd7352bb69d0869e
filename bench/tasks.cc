// `ringbench tasks`: whole tasks, end to end, through a real master and a real worker on a real PostgreSQL
// and ZooKeeper, beside what this machine allows at most. Limits and figures are measured in turn, round
// after round, so that both meet the same weather.
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/bench_cluster.h"
#include "bench/cluster_options.h"
#include "bench/figures.h"
#include "bench/raw_limits.h"
#include "bench/task_load.h"

namespace ringmaster {

namespace {

struct Options : ClusterOptions {
  std::string recorded;
  int rounds = 3, batch = 500, window = 20'000, slots = 256;
  double seconds = 60, limit_seconds = 5, phase_seconds = 5;
  std::uint64_t backlog = 200'000, processes = 5'000;
};

// The names by which figures refer to their limits.
constexpr const char* kRawCommit = "raw: commits of one row, one connection";
constexpr const char* kRawTrip = "raw: one commit and one round trip of TCP";
constexpr const char* kRawSpawn = "raw: `true`, spawned and waited for";
constexpr const char* kSustained = "sustained, end to end";
constexpr const char* kPostgresCpu = "processor time a task: PostgreSQL";

double own_cpu() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class TasksBench {
 public:
  explicit TasksBench(const Options& options)
      : options_(options), cluster_(options.database, options.zookeeper) {}

  Result<> run() {
    if (auto prepared = cluster_.prepare(); !prepared) return prepared;
    describe();
    for (round_ = 1; round_ <= options_.rounds; ++round_) {
      using Phase = Result<> (TasksBench::*)();
      for (const Phase phase : {&TasksBench::limits, &TasksBench::start, &TasksBench::alone,
                                &TasksBench::submission, &TasksBench::sustained, &TasksBench::half_load,
                                &TasksBench::drain, &TasksBench::processes, &TasksBench::check}) {
        if (auto done = (this->*phase)(); !done) return done;
      }
      load_.reset();
      cluster_.stop_all();
    }
    options_.print(figures_);
    return options_.recorded.empty() ? Result<>{} : compare();
  }

 private:
  Result<> compare() const {
    std::ifstream file(options_.recorded);
    const std::string recorded(std::istreambuf_iterator<char>(file), {});
    const auto losses = figures_.losses_against(recorded);
    if (!losses) return std::unexpected(losses.error());
    for (const std::string& line : *losses) std::printf("LOST: %s\n", line.c_str());
    if (!losses->empty())
      return fail(ErrorCode::internal, "clearly slower than recorded in " + options_.recorded);
    std::printf("no ratio is clearly worse than in %s\n", options_.recorded.c_str());
    return {};
  }

  std::string ask(const std::string& sql) const { return cluster_.ask(sql).value_or("?"); }
  void tell(const char* what) const {
    std::fprintf(stderr, "round %d of %d: %s\n", round_, options_.rounds, what);
  }

  void describe() {
    utsname kernel{};
    uname(&kernel);
    figures_.note("machine", std::to_string(std::thread::hardware_concurrency()) + " processors, " +
                                 kernel.sysname + " " + kernel.release);
    figures_.note("PostgreSQL", ask("SELECT current_setting('server_version')"));
    for (const char* setting : {"fsync", "synchronous_commit", "full_page_writes", "wal_level",
                                "wal_compression", "shared_buffers", "max_wal_size", "autovacuum"})
      figures_.note(setting, ask("SELECT current_setting('" + std::string(setting) + "')"));
    figures_.note("load", "batches of " + std::to_string(options_.batch) + ", " +
                              std::to_string(options_.window) + " tasks under way, " +
                              std::to_string(options_.slots) + " slots, " + std::to_string(options_.rounds) +
                              " rounds");
  }

  Result<> limits() {
    tell("what the machine allows");
    const auto life = raw_life_cycles(options_.database, options_.limit_seconds);
    if (!life) return std::unexpected(life.error());
    const auto commits = raw_commits(options_.database, options_.limit_seconds);
    if (!commits) return std::unexpected(commits.error());
    figures_.add(kRawLife, "tasks/s", *life);
    figures_.add(kRawCommit, "/s", commits->rate);
    figures_.add(kRawTrip, "us", commits->p50_micros + raw_echo_micros(options_.limit_seconds / 2));
    figures_.add(kRawSpawn, "/s", raw_spawns(options_.slots, options_.limit_seconds));
    return {};
  }

  Result<> start() {
    tell("a master and a worker");
    cluster_.start_master("m1");
    cluster_.start_worker("w1", "default", options_.slots);
    auto load = TaskLoad::connect(cluster_.address_of("m1"), 1, 1);
    if (!load) return std::unexpected(load.error());
    load_.emplace(*std::move(load));
    ended_before_ = std::stoll(ask("SELECT count(*) FROM ringmaster.task_history"));
    return {};
  }

  Result<> alone() {
    tell("one task at a time");
    const auto one = load_->singles(options_.phase_seconds, bench_task());
    if (!one) return std::unexpected(one.error());
    figures_.add("submit one by one, awaited, 1 client", "/s", one->rate,
                 {Figures::at_least(0.7, kRawCommit)});
    figures_.add("submit -> answer, idle, p50", "us", percentile(one->answers, 0.5));
    figures_.add("submit -> handler starts, idle, p50", "us", percentile(one->starts, 0.5),
                 {Figures::at_most(300), Figures::at_most(2, kRawTrip)});
    figures_.add("submit -> handler starts, idle, p99", "us", percentile(one->starts, 0.99),
                 {Figures::at_most(600)});
    return {};
  }

  Result<> submission() {
    tell("submission");
    const auto add = [&](const char* name, int callers, int batch,
                         std::vector<Figures::Goal> goals) -> Result<> {
      const auto rate = load_->parallel(callers, batch, options_.phase_seconds);
      if (!rate) return std::unexpected(rate.error());
      figures_.add(name, "/s", *rate, std::move(goals));
      return {};
    };
    auto done = add("submit one by one, awaited, 64 clients", 64, 1, {Figures::at_least(5, kRawCommit)});
    if (done) done = add("submit batches of 1,000, awaited, 1 client", 1, 1'000, {});
    if (done) done = add("submit batches of 1,000, awaited, 64 clients", 64, 1'000, {});
    return done;
  }

  Result<> sustained() {
    tell("sustained");
    const auto before = load_->at_rest();
    if (!before) return std::unexpected(before.error());
    const DaemonProcess &its_master = cluster_.daemon("m1"), &its_worker = cluster_.daemon("w1");
    const double master = its_master.cpu(), worker = its_worker.cpu(), postgres = postgres_cpu(),
                 client = own_cpu();
    const auto rate = load_->flow({options_.batch, options_.window, options_.seconds});
    if (!rate) return std::unexpected(rate.error());
    const auto after = load_->cluster();
    if (!after) return std::unexpected(after.error());
    const double tasks = static_cast<double>(after->completed - before->completed);
    figures_.add(kSustained, "tasks/s", *rate, {Figures::at_least(90'000), Figures::at_least(0.4, kRawLife)});
    const double ours = (its_master.cpu() - master + its_worker.cpu() - worker + own_cpu() - client) / tasks;
    figures_.add(kPostgresCpu, "us", 1e6 * (postgres_cpu() - postgres) / tasks);
    figures_.add("processor time a task: master", "us", 1e6 * (its_master.cpu() - master) / tasks);
    figures_.add("processor time a task: worker", "us", 1e6 * (its_worker.cpu() - worker) / tasks);
    figures_.add("processor time a task: client", "us", 1e6 * (own_cpu() - client) / tasks);
    figures_.add("processor time a task: ours together", "us", 1e6 * ours,
                 {Figures::at_most(1.5, kPostgresCpu)});
    figures_.add("memory of the master", "MiB", static_cast<double>(its_master.resident()) / 1024);
    figures_.add("memory of the worker", "MiB", static_cast<double>(its_worker.resident()) / 1024);
    return {};
  }

  Result<> half_load() {
    tell("one task at a time, at half of the sustained rate");
    auto second = TaskLoad::connect(cluster_.address_of("m1"), 1, 1);
    if (!second) return std::unexpected(second.error());
    Result<double> flow = 0;
    {
      const std::jthread other([&] {
        flow = second->flow({options_.batch, options_.window, options_.phase_seconds + 1,
                             0.5 * figures_.median_of(kSustained)});
      });
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
      const auto one = load_->singles(options_.phase_seconds, bench_task());
      if (!one) return std::unexpected(one.error());
      figures_.add("submit -> handler starts, half load, p50", "us", percentile(one->starts, 0.5));
      figures_.add("submit -> handler starts, half load, p99", "us", percentile(one->starts, 0.99));
    }
    if (!flow) return std::unexpected(flow.error());
    return {};
  }

  // What waits for a worker of its group, which then comes.
  Result<> drain() {
    tell("a backlog");
    const auto before = load_->at_rest();
    if (!before) return std::unexpected(before.error());
    NewTask task = bench_task();
    task.group = "later";
    if (auto submitted = load_->submit(task, options_.backlog); !submitted) return submitted;
    cluster_.start_worker("late", "later", options_.slots);
    const auto rate = load_->drain(before->completed, options_.backlog);
    if (!rate) return std::unexpected(rate.error());
    cluster_.stop("late");
    figures_.add("drain of a backlog", "tasks/s", *rate, {Figures::at_least(0.8, kSustained)});
    return {};
  }

  Result<> processes() {
    tell("processes");
    const auto before = load_->at_rest();
    if (!before) return std::unexpected(before.error());
    NewTask task = bench_task("process");
    task.spec = R"({"argv":["/bin/true"]})";
    if (auto submitted = load_->submit(task, options_.processes); !submitted) return submitted;
    const auto rate = load_->drain(before->completed, options_.processes);
    if (!rate) return std::unexpected(rate.error());
    figures_.add("processes (`true`), one worker", "/s", *rate, {Figures::at_least(0.85, kRawSpawn)});
    return {};
  }

  // By the database, not by anybody's counters: each accepted task has ended once.
  Result<> check() {
    const auto cluster = load_->at_rest();
    if (!cluster) return std::unexpected(cluster.error());
    const std::string all = std::to_string(ended_before_ + static_cast<std::int64_t>(cluster->accepted));
    const std::string found =
        ask("SELECT count(*) || ' ended, ' || count(DISTINCT id) || ' ids, ' || (SELECT count(*) FROM "
            "ringmaster.task)"
            " || ' left' FROM ringmaster.task_history");
    if (found != all + " ended, " + all + " ids, 0 left")
      return fail(ErrorCode::internal, all + " accepted, but " + found);
    std::fprintf(stderr, "round %d of %d: each accepted task ended once, by the database: %s\n", round_,
                 options_.rounds, found.c_str());
    return {};
  }

  const Options options_;
  BenchCluster cluster_;
  Figures figures_;
  std::optional<TaskLoad> load_;
  std::int64_t ended_before_ = 0;
  int round_ = 0;
};

}  // namespace

int bench_tasks(int argc, char** argv) {
  Options options;
  CLI::App app{"Whole tasks through a master and a worker, beside what the machine allows at most",
               "ringbench tasks"};
  options.add_to(app);
  app.add_option("--rounds", options.rounds, "of all limits and figures; their medians are shown")
      ->check(CLI::Range(1, 1'000))
      ->capture_default_str();
  app.add_option("--seconds", options.seconds, "of the sustained load, in each round")->capture_default_str();
  app.add_option("--limit-seconds", options.limit_seconds, "of each limit")->capture_default_str();
  app.add_option("--phase-seconds", options.phase_seconds, "of each other measurement")
      ->capture_default_str();
  app.add_option("--batch", options.batch, "tasks in one submission")->capture_default_str();
  app.add_option("--window", options.window, "tasks between submission and end")->capture_default_str();
  app.add_option("--slots", options.slots, "of the worker")->capture_default_str();
  app.add_option("--backlog", options.backlog, "tasks that wait for their worker")->capture_default_str();
  app.add_option("--processes", options.processes, "tasks that are processes")->capture_default_str();
  app.add_option("--compare", options.recorded,
                 "an earlier -o json: complain of ratios that are clearly worse")
      ->check(CLI::ExistingFile);
  CLI11_PARSE(app, argc, argv);
  return exit_status(app, TasksBench(options).run());
}

}  // namespace ringmaster
