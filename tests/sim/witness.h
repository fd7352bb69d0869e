// Witness: what really happened in a simulated cluster, seen from outside: which submissions were answered,
// which attempts ran when and where, and what the database said after every change. It holds the invariants
// of the design.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/ids.h"
#include "base/messages.h"
#include "base/task.h"
#include "sql/memory_database.h"

namespace ringmaster {

class Witness {
 public:
  explicit Witness(const MemoryDatabase& database) : database_(database) {}

  // ---- told by the simulated parts ----
  void accepted(TaskId id, const NewTask& task);  // a client got this id
  void began(const Token& token, OnWorkerLost policy, const std::string& worker, Incarnation incarnation);
  // A client was told that its cancel is committed: no further attempt of the task is made.
  void cancel_promised(TaskId id);
  void ended(const Token& token, const std::string& worker, Incarnation incarnation);
  // That run had no effect, it says: the task may run again, even if at most once.
  void gave_back(const Token& token) { ++gave_back_[token.task]; }
  void worker_died(const std::string& worker, Incarnation incarnation);
  // This life of a worker is told the epochs that its predecessors were told: nothing that it hears may begin
  // under a lower one.
  void came_up(Incarnation incarnation, const std::vector<ShardEpoch>& told);
  void spooled(const Token& token) { spooled_.insert(token.task); }  // a success is on a worker's disk
  // In this run a spooled success always reaches a master in time: its task may not run again.
  void expect_spooled_results() { spool_counts_ = true; }
  // From now on a second run of an attempt may be right: somebody was, or may have been, declared lost.
  void allow_reruns() { reruns_allowed_ = true; }

  void violate(const std::string& what);

  // ---- checks; each adds to violations() ----
  void check_step();  // after every step: what must never be
  void check_end();   // after the heal: what must have come to be
  const std::vector<std::string>& violations() const { return violations_; }

  std::size_t accepted_count() const { return accepted_.size(); }
  std::size_t runs() const { return runs_; }
  std::size_t running() const { return running_.size(); }
  bool runs_on(TaskId id, const std::string& worker) const;

 private:
  struct Run {
    Token token;
    std::string worker;
    Incarnation incarnation;
  };

  const MemoryDatabase& database_;
  struct End {
    TaskState state;
    Attempt attempt;
    std::optional<WallTime> at;
    bool operator==(const End&) const = default;
  };
  std::map<TaskId, NewTask> accepted_;
  std::map<std::string, TaskId> keys_;  // idempotency keys, and what clients were told of them
  std::map<TaskId, std::vector<Run>> running_;
  std::set<std::tuple<TaskId, Epoch, Attempt>> begun_;
  std::map<TaskId, int> runs_of_, gave_back_;
  std::map<Incarnation, std::vector<ShardEpoch>> told_;  // to a worker's former lives
  std::map<TaskId, End> ends_;
  std::map<TaskId, Attempt> cancels_;  // with the attempt that the task had then
  std::size_t runs_ = 0;
  std::set<TaskId> spooled_;
  bool spool_counts_ = false;
  bool reruns_allowed_ = false;
  std::vector<std::string> violations_;
};

}  // namespace ringmaster
