#include "bench/raw_limits.h"

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <libpq-fe.h>
#include <spawn.h>
#include <sys/wait.h>

#include "base/asio_loop.h"
#include "bench/figures.h"
#include "bench/raw_echo.h"
#include "bench/stopwatch.h"
#include "sql/pg_task_store.h"

namespace ringmaster {

namespace {

class LifeCycles {
 public:
  explicit LifeCycles(const std::string& database)
      : store_(loop_, {.conninfo = database, .connections = 2}) {}

  Result<double> run(double seconds) {
    const Incarnation self{static_cast<std::int64_t>(loop_.random() >> 1) | 1};
    store_.open({"bench-raw", self, "", "", RINGMASTER_VERSION, "bench"},
                [this, seconds](const Result<std::string>& opened) {
                  if (!opened) return fail_with(opened.error());
                  begin_ = Clock::now();
                  end_ = begin_ +
                         std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
                  for (int lane = 0; lane < kLanes; ++lane) cycle();
                });
    loop_.run();
    if (error_) return std::unexpected(*error_);
    return static_cast<double>(tasks_) / took_;
  }

 private:
  static constexpr int kBatch = 1'000, kLanes = 2;

  void end_lane() {
    if (++ended_ < kLanes) return;
    took_ = since(begin_);
    store_.resign([this](const Result<>&) { loop_.stop(); });
  }
  void fail_with(const Error& error) {
    error_ = error;
    loop_.stop();
  }
  void cycle() {
    if (Clock::now() >= end_) return end_lane();
    store_.next_ids(kBatch, [this](Result<IdBlock> block) {
      if (!block) return fail_with(block.error());
      accept(*block);
    });
  }
  void accept(const IdBlock& block) {
    std::vector<TaskRow> rows(kBatch);
    std::vector<Completion> ends(kBatch);
    const WallTime now = loop_.wall_now();
    for (int i = 0; i < kBatch; ++i) {
      TaskRow& row = rows[static_cast<std::size_t>(i)];
      row.id = make_task_id(block.first_sequence + i, static_cast<ShardId>(i));
      row.task.kind = "noop";
      row.run_at = row.created_at = now;
      row.rank = rank_of(now, row.task.priority, kDefaultAgeingStep);
      Completion& end = ends[static_cast<std::size_t>(i)];
      end.token = {row.id, 1, 1};
      end.worker = "raw";
      end.result.started_at = end.result.finished_at = now;
    }
    store_.accept(std::move(rows), [this, ends = std::move(ends)](const Result<>& accepted) mutable {
      if (!accepted) return fail_with(accepted.error());
      store_.complete(std::move(ends), [this](const Result<std::vector<WriteFate>>& fates) {
        if (!fates) return fail_with(fates.error());
        tasks_ += kBatch;
        cycle();
      });
    });
  }

  AsioLoop loop_;
  PgTaskStore store_;
  Clock::time_point begin_, end_;
  double took_ = 0;
  std::uint64_t tasks_ = 0;
  int ended_ = 0;
  std::optional<Error> error_;
};

}  // namespace

Result<double> raw_life_cycles(const std::string& database, double seconds) {
  return LifeCycles(database).run(seconds);
}

Result<RawCommits> raw_commits(const std::string& database, double seconds) {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(database.c_str()), &PQfinish);
  using Rows = std::unique_ptr<PGresult, decltype(&PQclear)>;
  const auto done = [&](PGresult* result) {
    const Rows rows(result, &PQclear);
    return PQresultStatus(rows.get()) == PGRES_COMMAND_OK;
  };
  const auto failed = [&] { return fail(ErrorCode::unavailable, PQerrorMessage(connection.get())); };
  // Of about a task's size.
  if (!done(PQexec(connection.get(),
                   "CREATE TABLE IF NOT EXISTS raw_commit (id bigserial PRIMARY KEY, "
                   "made_at timestamptz DEFAULT now(), spec text)")) ||
      !done(
          PQprepare(connection.get(), "raw_commit", "INSERT INTO raw_commit (spec) VALUES ($1)", 1, nullptr)))
    return failed();
  const std::string spec(100, 'x');
  const char* const values[] = {spec.c_str()};
  std::vector<double> took;
  const auto begin = Clock::now();
  while (since(begin) < seconds) {
    const auto asked = Clock::now();
    if (!done(PQexecPrepared(connection.get(), "raw_commit", 1, values, nullptr, nullptr, 0)))
      return failed();
    took.push_back(1e6 * since(asked));
  }
  const RawCommits result{static_cast<double>(took.size()) / since(begin), median(took)};
  if (!done(PQexec(connection.get(), "DROP TABLE raw_commit"))) return failed();
  return result;
}

double raw_echo_micros(double seconds) {
  constexpr int kBlock = 1'000;
  AsioLoop server_loop, loop;
  RawEcho server(server_loop.context());
  std::jthread thread([&] { server_loop.run(); });
  RawClient client(loop, server.address());
  std::vector<double> samples;
  for (const auto begin = Clock::now(); since(begin) < seconds;) client.run(kBlock, samples);
  server_loop.stop();
  return median(std::move(samples));
}

double raw_spawns(int at_once, double seconds) {
  std::string program = "/bin/true";
  char* const argv[] = {program.data(), nullptr};
  std::deque<pid_t> running;
  std::uint64_t ended = 0;
  const auto begin = Clock::now();
  do {
    pid_t pid = 0;
    if (since(begin) < seconds && running.size() < static_cast<std::size_t>(at_once) &&
        ::posix_spawn(&pid, argv[0], nullptr, nullptr, argv, environ) == 0) {
      running.push_back(pid);
    } else if (!running.empty()) {
      ::waitpid(running.front(), nullptr, 0);
      running.pop_front();
      ++ended;
    }
  } while (!running.empty());
  return static_cast<double>(ended) / since(begin);
}

}  // namespace ringmaster
