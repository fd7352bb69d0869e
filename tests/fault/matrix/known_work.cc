#include "tests/fault/matrix/known_work.h"

#include <ctime>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace ringmaster {

void KnownWork::submit_processes(Client& client, int count, std::chrono::milliseconds length,
                                 OnWorkerLost policy, std::chrono::milliseconds beat) {
  NewTask task;
  task.on_worker_lost = policy;
  task.spec = R"({"argv":[")" BINARY_ROOT R"(/witness_task",")" + witness_ + R"(",")" +
              std::to_string(length.count()) + R"(","0",")" + std::to_string(beat.count()) + R"("]})";
  submit(client, count, std::move(task));
}

void KnownWork::submit_noops(Client& client, int count, std::chrono::milliseconds length,
                             OnWorkerLost policy) {
  NewTask task;
  task.kind = "noop";
  task.on_worker_lost = policy;
  task.spec = R"({"sleep":")" + std::to_string(length.count()) + R"(ms"})";
  submit(client, count, std::move(task));
}

void KnownWork::submit(Client& client, int count, NewTask task) {
  const auto reply = client.submit({std::vector<NewTask>(static_cast<std::size_t>(count), task)});
  if (!reply) throw std::runtime_error("submitting: " + reply.error().message);
  for (const TaskId id : reply->ids)
    accepted_[id] = {.policy = task.on_worker_lost, .witnessed = task.kind == "process"};
}

std::vector<KnownWork::Began> KnownWork::began(Attempt attempt) const {
  std::vector<Began> begun;
  std::ifstream file(witness_);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("begin ")) continue;
    const auto parsed = parse_witness(line);
    if (parsed.empty() || parsed.front().token.attempt != attempt) continue;
    if (!accepted_.contains(parsed.front().token.task)) continue;
    const int process = std::stoi(line.substr(line.rfind(' ') + 1));
    begun.push_back({parsed.front().token, parsed.front().boot_us, process});
  }
  return begun;
}

std::size_t KnownWork::ended() const {
  std::size_t ends = 0;
  std::ifstream file(witness_);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("end ")) continue;
    const auto parsed = parse_witness(line);
    ends += !parsed.empty() && accepted_.contains(parsed.front().token.task) ? 1U : 0U;
  }
  return ends;
}

std::int64_t boot_now_us() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
}

}  // namespace ringmaster
