// KnownWork: attempts that a fault test submits itself and follows by what they write: who began, under which
// process id, who ended. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "client/client.h"
#include "tests/fault/evidence.h"

namespace ringmaster {

class KnownWork {
 public:
  explicit KnownWork(std::string witness) : witness_(std::move(witness)) {}

  // Processes that run for `length` and write down each `beat` that they live, of this policy.
  void submit_processes(Client& client, int count, std::chrono::milliseconds length, OnWorkerLost policy,
                        std::chrono::milliseconds beat = std::chrono::milliseconds(50));
  void submit_noops(Client& client, int count, std::chrono::milliseconds length, OnWorkerLost policy);
  const std::map<TaskId, AcceptedTask>& accepted() const { return accepted_; }

  struct Began {
    Token token;
    std::int64_t boot_us = 0;
    int process = 0;
  };
  // Its processes' attempts of this number, in the order of the file.
  std::vector<Began> began(Attempt attempt) const;
  std::size_t ended() const;  // how many of the processes

 private:
  void submit(Client& client, int count, NewTask task);

  const std::string witness_;
  std::map<TaskId, AcceptedTask> accepted_;
};

// CLOCK_BOOTTIME, as witnesses write it.
std::int64_t boot_now_us();

}  // namespace ringmaster
