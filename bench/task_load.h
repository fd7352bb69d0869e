// TaskLoad: the client's side of a benchmark: tasks submitted to one master, in the ways that programs do it,
// and waited for. Not thread-safe but for what says so; a call blocks until what it measures is over.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/client.h"

namespace ringmaster {

struct SingleTasks {
  double rate = 0;                      // submissions a second, each awaited
  std::vector<double> answers, starts;  // microseconds after it was asked for
};

NewTask bench_task(const std::string& kind = "noop");

class TaskLoad {
 public:
  explicit TaskLoad(std::unique_ptr<Client> client) : client_(std::move(client)) {}

  // Connects once a cluster of so many masters and workers has formed.
  static Result<TaskLoad> connect(const std::string& address, std::uint32_t masters, std::uint32_t workers);

  // One at a time: submitted, answered, awaited. How long until the answer, and until the handler started.
  Result<SingleTasks> singles(double seconds, const NewTask& task);
  // So many callers, each submitting a batch of so many, then the next. Tasks a second.
  Result<double> parallel(int callers, int batch, double seconds);
  struct Flow {
    int batch = 500, window = 20'000;  // tasks in a submission; between submission and end
    double seconds = 60, rate = 0;     // 0: as fast as it goes
  };
  // Keeps a flow up, then waits for the last. Tasks a second, from the first submission to the last end.
  Result<double> flow(const Flow& flow);
  // Submits so many in batches of 1,000 without waiting for their ends.
  Result<> submit(const NewTask& task, std::uint64_t count);
  // Waits until so many tasks have ended since `before`: the rate from the first end to the last.
  Result<double> drain(std::uint64_t before, std::uint64_t count);

  Result<ClusterReply> cluster() { return client_->cluster(); }
  Result<WorkersReply> workers() { return client_->workers(); }
  // Once everything accepted so far has ended.
  Result<ClusterReply> at_rest();

 private:
  std::unique_ptr<Client> client_;
};

}  // namespace ringmaster
