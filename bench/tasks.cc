// `ringbench tasks`: whole tasks, end to end, through a real master and a real worker on a real PostgreSQL
// and ZooKeeper, beside the raw rate of the two batched statements that a task costs, measured in the same
// run.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <glog/logging.h>
#include <libpq-fe.h>
#include <unistd.h>

#include "base/asio_loop.h"
#include "bench/bench.h"
#include "bench/daemon_process.h"
#include "client/client.h"
#include "sql/migrate.h"
#include "sql/pg_task_store.h"

namespace ringmaster {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

struct Options {
  std::string database, zookeeper;
  double seconds = 60, raw_seconds = 10;
  int batch = 500, window = 20'000, slots = 256, singles = 3'000;
};

double since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// ---- the raw limit: the two statements and nothing else ----

class RawLimit {
 public:
  RawLimit(const Options& options) : store_(loop_, {.conninfo = options.database, .connections = 2}) {}

  Result<double> run(double seconds) {
    std::optional<Error> error;
    store_.open(
        {"bench-raw", Incarnation{static_cast<std::int64_t>(loop_.random() >> 1) | 1}, "", "", "bench"},
        [&](Result<std::string> opened) {
          if (!opened) {
            error = opened.error();
            return loop_.stop();
          }
          begin_ = Clock::now();
          end_ = begin_ + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
          for (int lane = 0; lane < 2; ++lane) cycle();
        });
    loop_.run();
    if (error) return std::unexpected(*error);
    if (error_) return std::unexpected(*error_);
    return static_cast<double>(tasks_) / since(begin_);
  }

 private:
  static constexpr int kBatch = 1'000;
  void finish_lane() {
    if (++finished_ < 2) return;
    store_.resign([this](Result<>) { loop_.stop(); });
  }
  void fail_with(const Error& error) {
    error_ = error;
    loop_.stop();
  }
  void cycle() {
    if (Clock::now() >= end_) return finish_lane();
    store_.next_ids(kBatch, [this](Result<IdBlock> block) {
      if (!block) return fail_with(block.error());
      std::vector<TaskRow> rows(kBatch);
      std::vector<Completion> ends(kBatch);
      const WallTime now = loop_.wall_now();
      for (int i = 0; i < kBatch; ++i) {
        TaskRow& row = rows[static_cast<std::size_t>(i)];
        row.id = make_task_id(block->first_sequence + i, static_cast<ShardId>(i));
        row.task.kind = "noop";
        row.run_at = row.created_at = now;
        row.rank = rank_of(now, row.task.priority, kDefaultAgeingStep);
        Completion& end = ends[static_cast<std::size_t>(i)];
        end.token = {row.id, 1, 1};
        end.worker = "raw";
        end.result.started_at = end.result.finished_at = now;
      }
      store_.accept(std::move(rows), [this, ends = std::move(ends)](Result<> accepted) mutable {
        if (!accepted) return fail_with(accepted.error());
        store_.complete(std::move(ends), [this](Result<std::vector<WriteFate>> fates) {
          if (!fates) return fail_with(fates.error());
          tasks_ += kBatch;
          cycle();
        });
      });
    });
  }

  AsioLoop loop_;
  PgTaskStore store_;
  Clock::time_point begin_, end_;
  std::uint64_t tasks_ = 0;
  int finished_ = 0;
  std::optional<Error> error_;
};

// ---- end to end ----

NewTask noop() {
  NewTask task;
  task.kind = "noop";
  task.created_by = "ringbench";
  return task;
}

double percentile(std::vector<double> values, double p) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1,
                         static_cast<std::size_t>(p * static_cast<double>(values.size())))];
}

// Keeps `window` tasks between submission and completion, for a while; then waits for the last.
struct Sustained {
  double rate = 0;
  std::uint64_t accepted = 0;
};
// Once everything accepted so far has ended.
Result<ClusterReply> at_rest(Client& client) {
  const auto deadline = Clock::now() + std::chrono::seconds(60);
  while (true) {
    auto now = client.cluster();
    if (!now || now->completed == now->accepted) return now;
    if (Clock::now() > deadline) return fail(ErrorCode::internal, "not all accepted tasks ended in time");
    std::this_thread::sleep_for(milliseconds(5));
  }
}

Result<Sustained> sustained(Client& client, const Options& options) {
  auto before = at_rest(client);
  if (!before) return std::unexpected(before.error());
  std::mutex mutex;
  std::condition_variable changed;
  std::uint64_t sent = 0, accepted = 0, completed = 0;
  std::optional<Error> error;
  const auto begin = Clock::now();
  const auto batch = static_cast<std::uint64_t>(options.batch);
  while (since(begin) < options.seconds && !error) {
    auto now = client.cluster();
    if (!now) return std::unexpected(now.error());
    completed = now->completed - before->completed;
    std::unique_lock lock(mutex);
    while (sent - completed + batch <= static_cast<std::uint64_t>(options.window)) {
      sent += batch;
      SubmitRequest request{std::vector<NewTask>(static_cast<std::size_t>(options.batch), noop())};
      lock.unlock();
      client.call(std::move(request), std::chrono::seconds(30), [&](Result<ApiReply> reply) {
        const std::lock_guard guard(mutex);
        if (!reply) {
          error = reply.error();
        } else {
          accepted += std::get<SubmitReply>(*reply).ids.size();
        }
        changed.notify_one();
      });
      lock.lock();
    }
    changed.wait_for(lock, milliseconds(2));
  }
  const auto deadline = Clock::now() + std::chrono::seconds(60);
  while (Clock::now() < deadline) {
    auto now = client.cluster();
    if (!now) return std::unexpected(now.error());
    completed = now->completed - before->completed;
    const std::lock_guard guard(mutex);
    if (error) return std::unexpected(*error);
    if (accepted == sent && completed >= accepted) break;
  }
  const double took = since(begin);
  const std::lock_guard guard(mutex);
  if (completed != accepted) return fail(ErrorCode::internal, "not all accepted tasks ended in time");
  return Sustained{static_cast<double>(accepted) / took, accepted};
}

struct Singles {
  double rate = 0, answer_p50 = 0, start_p50 = 0, start_p99 = 0;
};
// One at a time: submit, be answered, be done; how long until the handler started.
Result<Singles> singles(Client& client, int count) {
  std::vector<double> answers, starts;
  double submitting = 0;
  for (int i = 0; i < count; ++i) {
    const WallTime asked = read_wall_clock();
    const auto at = Clock::now();
    auto reply = client.submit({{noop()}});
    if (!reply) return std::unexpected(reply.error());
    answers.push_back(since(at) * 1e6);
    submitting += since(at);
    auto done = client.get({reply->ids[0], std::chrono::seconds(5)});
    if (!done) return std::unexpected(done.error());
    if (!done->view.result) return fail(ErrorCode::internal, "a task did not end within 5 s");
    starts.push_back(static_cast<double>((done->view.result->started_at - asked).count()));
  }
  return Singles{count / submitting, percentile(answers, 0.5), percentile(starts, 0.5),
                 percentile(starts, 0.99)};
}

// 64 clients, each awaiting its own answer.
Result<double> parallel_singles(Client& client, int clients, double seconds) {
  std::atomic<std::uint64_t> done = 0;
  std::atomic<int> running = clients;
  std::optional<Error> failed;  // on the client's thread until all have ended
  const auto begin = Clock::now();
  const auto end =
      begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  std::function<void()> next = [&] {
    if (Clock::now() >= end || failed) {
      --running;
      return;
    }
    client.call(SubmitRequest{{noop()}}, std::chrono::seconds(10), [&](Result<ApiReply> reply) {
      if (!reply) failed = reply.error();
      ++done;
      next();
    });
  };
  for (int i = 0; i < clients; ++i) next();
  while (running > 0) std::this_thread::sleep_for(milliseconds(5));
  if (failed) return std::unexpected(*failed);
  return static_cast<double>(done) / since(begin);
}

// By the database, not by anybody's counters: each accepted task has ended once.
Result<> check_ends(const Options& options, std::uint64_t accepted) {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(options.database.c_str()),
                                                                &PQfinish);
  const std::unique_ptr<PGresult, decltype(&PQclear)> rows(
      PQexec(connection.get(),
             "SELECT count(*) || ' ended, ' || count(DISTINCT id) || ' ids, ' ||"
             " (SELECT count(*) FROM ringmaster.task) || ' left' FROM ringmaster.task_history WHERE worker = "
             "'w1'"),
      &PQclear);
  if (PQresultStatus(rows.get()) != PGRES_TUPLES_OK)
    return fail(ErrorCode::internal, PQerrorMessage(connection.get()));
  const std::string found = PQgetvalue(rows.get(), 0, 0);
  const std::string number = std::to_string(accepted);
  if (found != number + " ended, " + number + " ids, 0 left")
    return fail(ErrorCode::internal, number + " accepted, but " + found);
  std::printf("%-52s %s\n", "each of them, by the database:", found.c_str());
  return {};
}

Result<std::unique_ptr<Client>> connect(const std::string& address) {
  const auto deadline = Clock::now() + std::chrono::seconds(60);
  for (;;) {
    auto client = Client::connect({.addresses = {address}, .cluster = "bench"});
    if (client) {
      auto cluster = (*client)->cluster();
      if (cluster && cluster->workers == 1 && cluster->shards_owned == kShardCount) return client;
    }
    if (Clock::now() > deadline)
      return client ? fail(ErrorCode::unavailable, "the cluster did not form") : std::move(client);
    std::this_thread::sleep_for(milliseconds(50));
  }
}

int complain(const Error& error) {
  std::fprintf(stderr, "ringbench tasks: %s\n", error.message.c_str());
  return 1;
}

int run(const Options& options) {
  namespace fs = std::filesystem;
  if (auto migrated = migrate(options.database); !migrated) return complain(migrated.error());
  const fs::path bin = fs::read_symlink("/proc/self/exe").parent_path();
  std::string pattern = (fs::temp_directory_path() / "ringbench-XXXXXX").string();
  const fs::path dir = mkdtemp(pattern.data());
  std::printf(
      "machine: %u cores; batch %d, window %d, slots %d; fsync and synchronous_commit as the database has "
      "them\n",
      std::thread::hardware_concurrency(), options.batch, options.window, options.slots);

  auto raw = RawLimit(options).run(options.raw_seconds);
  if (!raw) return complain(raw.error());
  std::printf("%-52s %10.0f tasks/s\n", "raw: the two statements, batches of 1000", *raw);
  std::fflush(stdout);

  const std::string address = "127.0.0.1:17420";
  DaemonProcess master(
      {bin / "ringmaster", "serve", "--node-id", "m1", "--cluster", "bench", "--listen", address,
       "--http-listen", "127.0.0.1:0", "--database", options.database, "--zookeeper", options.zookeeper},
      dir / "master.log");
  DaemonProcess worker({bin / "ringworker", "serve", "--node-id", "w1", "--cluster", "bench", "--listen",
                        "127.0.0.1:0", "--zookeeper", options.zookeeper, "--slots",
                        std::to_string(options.slots), "--prefetch", "8", "--data-dir", dir / "w1"},
                       dir / "worker.log");
  auto client = connect(address);
  if (!client) return complain(client.error());

  auto one = singles(**client, options.singles);
  if (!one) return complain(one.error());
  std::printf("%-52s %10.0f us\n", "submit -> answer, one at a time, p50", one->answer_p50);
  std::printf("%-52s %10.0f us  (limit 1000)\n", "submit -> handler starts, one at a time, p50",
              one->start_p50);
  std::printf("%-52s %10.0f us\n", "submit -> handler starts, one at a time, p99", one->start_p99);
  std::printf("%-52s %10.0f tasks/s\n", "submit one by one, awaited, 1 client", one->rate);
  auto many = parallel_singles(**client, 64, 5);
  if (!many) return complain(many.error());
  std::printf("%-52s %10.0f tasks/s\n", "submit one by one, awaited, 64 clients", *many);
  std::fflush(stdout);

  const double master_before = master.cpu(), worker_before = worker.cpu(), postgres_before = postgres_cpu();
  auto flow = sustained(**client, options);
  if (!flow) return complain(flow.error());
  const double tasks = static_cast<double>(flow->accepted);
  std::printf("%-52s %10.0f tasks/s  (mark 30000; %.0f %% of raw; %llu tasks)\n",
              "sustained end to end, spool on", flow->rate, 100 * flow->rate / *raw,
              static_cast<unsigned long long>(flow->accepted));
  std::printf("%-52s %10.1f us  worker %.1f us  PostgreSQL %.1f us\n", "CPU a task: master",
              1e6 * (master.cpu() - master_before) / tasks, 1e6 * (worker.cpu() - worker_before) / tasks,
              1e6 * (postgres_cpu() - postgres_before) / tasks);
  const auto cluster = at_rest(**client);
  if (!cluster) return complain(cluster.error());
  if (auto checked = check_ends(options, cluster->accepted); !checked) return complain(checked.error());
  fs::remove_all(dir);
  return 0;
}

}  // namespace

int bench_tasks(int argc, char** argv) {
  Options options;
  CLI::App app{"Whole tasks through a master and a worker, beside the database's own limit",
               "ringbench tasks"};
  app.add_option("--database", options.database, "PostgreSQL, empty: a connection string")->required();
  app.add_option("--zookeeper", options.zookeeper, "host:port")->required();
  app.add_option("--seconds", options.seconds, "of the sustained run")->capture_default_str();
  app.add_option("--raw-seconds", options.raw_seconds, "of the raw limit")->capture_default_str();
  app.add_option("--batch", options.batch, "tasks in one submission")->capture_default_str();
  app.add_option("--window", options.window, "tasks between submission and end")->capture_default_str();
  app.add_option("--slots", options.slots, "of the worker")->capture_default_str();
  app.add_option("--singles", options.singles, "tasks submitted one at a time")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return run(options);
}

}  // namespace ringmaster
