// MixedLoad: submits tasks of every policy, short and long, some of which fail or are cancelled, on a thread
// of its own until it is told to stop; remembers what clients were told. Submissions whose fate is unknown
// are repeated if they have idempotency keys, and counted otherwise. accepted() is of what it knows after
// stop().
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "client/client.h"
#include "tests/fault/evidence.h"

namespace ringmaster {

struct LoadOptions {
  std::string witness;  // the file that process tasks write to
  std::string keys;     // what its idempotency keys begin with: another load's are others
  int noops = 20;       // of each batch; they leave nothing but their result
  int processes = 4;    // of each batch; each writes to the witness file
  std::chrono::milliseconds every{50};
  // A process runs for a time of this list, in turn; a noop for an eighth of it. Three workers of 32 slots
  // are a third busy then: what one of them leaves finds room.
  std::vector<std::chrono::milliseconds> lengths = {
      std::chrono::milliseconds(0), std::chrono::milliseconds(20), std::chrono::milliseconds(200),
      std::chrono::milliseconds(800)};
  bool cancels = true;
  bool delays = false;  // some begin a second after their submission
  bool leases = true;   // some are rerun_after_lease: slow to come back from a worker that is out of reach
};

class MixedLoad {
 public:
  MixedLoad(std::unique_ptr<Client> client, LoadOptions options);
  ~MixedLoad() { stop(); }
  MixedLoad(const MixedLoad&) = delete;
  MixedLoad& operator=(const MixedLoad&) = delete;

  // One call of a client, whatever became of it.
  struct Answer {
    std::chrono::steady_clock::time_point asked, answered;
    std::size_t accepted = 0;  // tasks
  };

  void stop();
  const std::map<TaskId, AcceptedTask>& accepted() const { return accepted_; }
  int unknown() const { return unknown_; }
  // Of submissions that were given up: at most so many tasks exist that no client was told of. After stop().
  std::size_t untold() const { return untold_; }
  const std::vector<Answer>& answers() const { return answers_; }  // after stop()
  std::size_t accepted_count() const;                              // at any time
  // When the last submission was answered with ids; at any time.
  std::chrono::steady_clock::time_point last_answer() const;

 private:
  NewTask process(int index) const;
  std::vector<NewTask> batch();
  void submit(const std::vector<NewTask>& tasks);
  void remember(const std::vector<NewTask>& tasks, const std::vector<TaskId>& ids);
  void cancel_some();
  void run();
  bool stopped_before(std::chrono::steady_clock::time_point next);

  std::unique_ptr<Client> client_;
  const LoadOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::map<TaskId, AcceptedTask> accepted_;
  std::chrono::steady_clock::time_point last_answer_;
  std::vector<TaskId> to_cancel_;
  std::vector<Answer> answers_;
  int batches_ = 0, unknown_ = 0;
  std::size_t untold_ = 0;
  std::thread thread_;
};

}  // namespace ringmaster
