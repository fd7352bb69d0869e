#include "bench/task_load.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "bench/stopwatch.h"

namespace ringmaster {

namespace {

using std::chrono::milliseconds;

constexpr auto kPatience = std::chrono::seconds(300);
constexpr std::size_t kBatch = 1'000;

Result<double> not_in_time() {
  return fail(ErrorCode::internal, "not all accepted tasks ended in time");
}

}  // namespace

NewTask bench_task(const std::string& kind) {
  NewTask task;
  task.kind = kind;
  return task;
}

Result<TaskLoad> TaskLoad::connect(const std::string& address, std::uint32_t masters, std::uint32_t workers) {
  for (const auto begin = Clock::now();; std::this_thread::sleep_for(milliseconds(50))) {
    auto client = Client::connect({.addresses = {address}, .cluster = "bench"});
    if (client) {
      const auto cluster = (*client)->cluster();
      if (cluster && cluster->masters == masters && cluster->workers == workers &&
          cluster->shards_owned >= kShardCount / (2 * masters) && cluster->shards_unowned == 0)
        return TaskLoad(*std::move(client));
    }
    if (since(begin) < 60) continue;
    return client ? fail(ErrorCode::unavailable, "the cluster did not form")
                  : std::unexpected(client.error());
  }
}

Result<ClusterReply> TaskLoad::at_rest() {
  const auto deadline = Clock::now() + kPatience;
  for (;; std::this_thread::sleep_for(milliseconds(5))) {
    auto now = client_->cluster();
    if (!now || now->completed == now->accepted) return now;
    if (Clock::now() > deadline) return std::unexpected(not_in_time().error());
  }
}

Result<SingleTasks> TaskLoad::singles(double seconds, const NewTask& task) {
  SingleTasks result;
  double submitting = 0;
  for (const auto begin = Clock::now(); since(begin) < seconds;) {
    const WallTime asked = read_wall_clock();
    const auto at = Clock::now();
    const auto reply = client_->submit({{task}});
    if (!reply) return std::unexpected(reply.error());
    result.answers.push_back(1e6 * since(at));
    submitting += since(at);
    const auto done = client_->get({reply->ids[0], std::chrono::seconds(5)});
    if (!done) return std::unexpected(done.error());
    if (!done->view.result) return fail(ErrorCode::internal, "a task did not end within 5 s");
    result.starts.push_back(static_cast<double>((done->view.result->started_at - asked).count()));
  }
  result.rate = static_cast<double>(result.answers.size()) / submitting;
  return result;
}

Result<double> TaskLoad::parallel(int callers, int batch, double seconds) {
  const SubmitRequest request{std::vector<NewTask>(static_cast<std::size_t>(batch), bench_task())};
  std::atomic<std::uint64_t> done = 0;
  std::atomic<int> running = callers;
  std::optional<Error> failed;  // on the client's thread until all have ended
  const auto begin = Clock::now();
  std::function<void()> next = [&] {
    if (since(begin) >= seconds || failed) {
      --running;
      return;
    }
    client_->call(request, std::chrono::seconds(30), [&](const Result<ApiReply>& reply) {
      if (!reply) failed = reply.error();
      done += static_cast<std::uint64_t>(batch);
      next();
    });
  };
  for (int i = 0; i < callers; ++i) next();
  while (running > 0) std::this_thread::sleep_for(milliseconds(5));
  const double took = since(begin);
  if (failed) return std::unexpected(*failed);
  if (const auto rest = at_rest(); !rest) return std::unexpected(rest.error());
  return static_cast<double>(done) / took;
}

Result<double> TaskLoad::flow(const Flow& flow) {
  const auto before = at_rest();
  if (!before) return std::unexpected(before.error());
  const auto batch = static_cast<std::uint64_t>(flow.batch), window = static_cast<std::uint64_t>(flow.window);
  const SubmitRequest request{std::vector<NewTask>(static_cast<std::size_t>(flow.batch), bench_task())};
  std::mutex mutex;
  std::condition_variable changed;
  std::uint64_t sent = 0, answered = 0;
  std::optional<Error> error;
  const auto submit = [&](std::unique_lock<std::mutex>& lock) {
    sent += batch;
    lock.unlock();
    client_->call(request, std::chrono::seconds(30), [&](const Result<ApiReply>& reply) {
      const std::lock_guard guard(mutex);
      answered += batch;
      if (!reply) error = reply.error();
      changed.notify_one();
    });
    lock.lock();
  };
  const auto begin = Clock::now();
  std::optional<Error> lost;
  std::uint64_t completed = 0;
  std::unique_lock lock(mutex);
  while (since(begin) < flow.seconds && !error) {
    const auto due = static_cast<std::uint64_t>(flow.rate * since(begin));
    while (sent - completed + batch <= window && (flow.rate == 0 || sent + batch <= due)) submit(lock);
    changed.wait_for(lock, milliseconds(2));
    lock.unlock();
    const auto now = client_->cluster();
    lock.lock();
    if (!now) {
      lost = now.error();
      break;
    }
    completed = now->completed - before->completed;
  }
  // What was asked for refers to this frame: it is answered first, whatever happened.
  changed.wait(lock, [&] { return answered == sent; });
  lock.unlock();
  if (error || lost) return std::unexpected(error ? *error : *lost);
  if (const auto rest = at_rest(); !rest) return std::unexpected(rest.error());
  return static_cast<double>(sent) / since(begin);
}

Result<> TaskLoad::submit(const NewTask& task, std::uint64_t count) {
  for (std::uint64_t sent = 0; sent < count; sent += kBatch) {
    const auto reply =
        client_->submit({std::vector<NewTask>(std::min<std::uint64_t>(kBatch, count - sent), task)});
    if (!reply) return std::unexpected(reply.error());
  }
  return {};
}

Result<double> TaskLoad::drain(std::uint64_t before, std::uint64_t count) {
  std::optional<Clock::time_point> begin;
  std::uint64_t first = 0;
  const auto deadline = Clock::now() + kPatience;
  for (;; std::this_thread::sleep_for(milliseconds(2))) {
    const auto now = client_->cluster();
    if (!now) return std::unexpected(now.error());
    if (!begin && now->completed > before) {
      begin = Clock::now();
      first = now->completed;
    }
    if (now->completed >= before + count) return static_cast<double>(now->completed - first) / since(*begin);
    if (Clock::now() > deadline) return not_in_time();
  }
}

}  // namespace ringmaster
