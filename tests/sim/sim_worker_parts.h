// The simulated worker's disk and processes.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.h"
#include "tests/sim/witness.h"
#include "worker/runner.h"
#include "worker/spool.h"

namespace ringmaster {

// What is on a worker's disk. It outlives the worker's processes.
struct SimDisk {
  Spool::Contents contents;
  bool forgets_results = false;  // planted: the spool is forgotten in a crash
  bool forgets_epochs = false;   // planted
};

class SimSpool final : public Spool {
 public:
  SimSpool(Loop& loop, SimDisk& disk, Witness& witness) : loop_(loop), disk_(disk), witness_(witness) {}

  Contents load() override;
  Result<> bind(const std::string& store_id) override;
  Result<> append(const std::vector<ResultReport>& results) override;
  Result<> note_epochs(const std::vector<ShardEpoch>& epochs) override;
  void sync(Synced done) override;
  void forget(const std::vector<Token>& tokens) override;

 private:
  Loop& loop_;
  SimDisk& disk_;
  Witness& witness_;
};

// Attempts that take random time. They die with the worker's process.
class SimRunner final : public Runner {
 public:
  SimRunner(Loop& loop, Witness& witness, std::string worker, Incarnation incarnation);
  ~SimRunner() override;

  void set_handler(RunnerHandler& handler) override { handler_ = &handler; }
  void start(Dispatch attempt) override;
  void kill(Token token) override;

  double fail_share = 0.1;  // of attempts that exit with 1
  Duration longest = std::chrono::milliseconds(300);

 private:
  void finish(Token token, Outcome outcome);

  struct Running {
    Token token;
    WallTime started_at;
    std::unique_ptr<Timer> timer;
    bool killed = false;
  };
  Loop& loop_;
  Witness& witness_;
  const std::string worker_;
  const Incarnation incarnation_;
  RunnerHandler* handler_ = nullptr;
  std::map<TaskId, Running> running_;
};

}  // namespace ringmaster
