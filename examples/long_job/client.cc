// long_job_client <master> <cluster> <steps> <step ms> [rerun|fail [cancel]]: submits one job, prints how far
// it is until it has ended, and how. With `cancel` it thinks better of it once the job runs.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>

#include <ringmaster/client.h>

namespace rm = ringmaster::sdk;

namespace {

int complain(const rm::Error& error) {
  std::fprintf(stderr, "long_job_client: %s\n", error.message.c_str());
  return 1;
}

void print_end(const rm::TaskView& view) {
  std::printf("%s %s on %s, attempt %d, failures %d", view.id.text().c_str(),
              std::string(to_string(view.state)).c_str(), view.worker.c_str(), view.attempt, view.failures);
  for (const rm::AttemptView& earlier : view.earlier) {
    std::printf("; before: %s on %s", std::string(to_string(earlier.outcome)).c_str(),
                earlier.worker.c_str());
  }
  if (view.result) std::printf("; %s%s", view.result->output.c_str(), view.result->message.c_str());
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr,
                 "usage: long_job_client <master> <cluster> <steps> <step ms> [rerun|fail [cancel]]\n");
    return 2;
  }
  auto client = rm::Client::connect({.addresses = {argv[1]}, .cluster = argv[2]});
  if (!client) return complain(client.error());

  rm::NewTask task;
  task.kind = "long_job";
  task.group = "long";
  task.spec = rm::Fields().set("steps", std::stoi(argv[3])).set("step_ms", std::stoi(argv[4])).text();
  if (argc > 5 && std::strcmp(argv[5], "fail") == 0) task.on_worker_lost = rm::OnWorkerLost::fail;
  const auto id = client->submit(task);
  if (!id) return complain(id.error());
  std::printf("%s submitted\n", id->text().c_str());
  std::fflush(stdout);

  bool cancel = argc > 6 && std::strcmp(argv[6], "cancel") == 0;
  std::string told;
  while (true) {
    const auto view = client->wait(*id, std::chrono::milliseconds(200));
    if (!view) return complain(view.error());
    if (is_terminal(view->state)) {
      print_end(*view);
      return view->state == rm::TaskState::succeeded ? 0 : 1;
    }
    if (view->progress && view->progress->message != told) {
      told = view->progress->message;
      std::printf("%3.0f %% on %s: %s\n", view->progress->fraction * 100, view->worker.c_str(), told.c_str());
      std::fflush(stdout);
      if (cancel) {
        const auto cancelled = client->cancel(*id);
        if (!cancelled) return complain(cancelled.error());
        cancel = false;
      }
    }
  }
}
