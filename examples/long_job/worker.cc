// long_job_worker <node id> <data dir> <zookeeper> [cluster]: a job of many steps, as a coroutine: hundreds
// of them wait on one thread. It tells how far it is, and gives its attempt back when the worker stops
// (SIGTERM), so that another worker takes over without an attempt lost.
#include <chrono>
#include <cstdio>
#include <string>

#include <ringmaster/codec.h>
#include <ringmaster/worker.h>

namespace rm = ringmaster::sdk;

namespace {

rm::Coroutine<rm::HandlerResult<>> long_job(rm::Attempt& attempt) {
  const auto spec = rm::Fields::parse(attempt.spec());
  const int steps = spec.get_or<int>("steps", 100);
  const auto pause = std::chrono::milliseconds(spec.get_or<int>("step_ms", 100));
  for (int step = 0; step < steps; ++step) {
    if (attempt.drain_token().stop_requested()) {
      attempt.release();
      co_return rm::HandlerResult<>{};
    }
    attempt.progress(static_cast<double>(step) / steps,
                     "step " + std::to_string(step) + " under fence " + attempt.fence().text());
    const bool slept = co_await attempt.sleep_for(pause);
    if (!slept) co_return std::unexpected(rm::Failure{"stopped at step " + std::to_string(step)});
  }
  attempt.set_output(std::to_string(steps) + " steps");
  co_return rm::HandlerResult<>{};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: long_job_worker <node id> <data dir> <zookeeper> [cluster]\n");
    return 2;
  }
  rm::WorkerOptions options;
  options.node_id = argv[1];
  options.data_dir = argv[2];
  options.zookeeper = argv[3];
  if (argc > 4) options.cluster = argv[4];
  options.groups = {"long"};
  options.slots = 200;
  rm::Worker worker(options);
  worker.handle("long_job", long_job);
  const auto served = worker.run();
  if (!served) std::fprintf(stderr, "long_job_worker: %s\n", served.error().message.c_str());
  return served ? 0 : 1;
}
