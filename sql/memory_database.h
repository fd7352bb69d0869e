// MemoryDatabase: the twin of the database, as plain synchronous state: tables, fence, shards, masters. A
// method is one statement and one commit; it answers what PostgreSQL would have committed. Deterministic
// (ordered containers); no clock: callers bring the time. MemoryTaskStore puts a loop around it; a simulator
// may put delays and losses. One thread; it outlives its stores.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "sql/task_store.h"

namespace ringmaster {

class MemoryDatabase {
 public:
  // Names a fence row and the generation that a statement was built under.
  struct Fence {
    Incarnation incarnation;
    int connection = 0;  // never used again
    Generation generation = 0;
  };
  struct Task {
    TaskRow row;
    std::vector<AttemptRecord> attempts;
    std::optional<WallTime> cancel_requested_at{};
  };
  struct Late {
    AttemptRecord record;
    WallTime received_at{};
  };
  using LateKey = std::tuple<TaskId, Epoch, Attempt>;  // a token

  explicit MemoryDatabase(std::string store_id = "00000000-0000-4000-8000-000000000000");

  // ---- masters and their fence rows ----
  // Makes the living master row, unless there is one already. `fenced` if it is not living.
  Result<> register_master(const MasterIdentity& self);
  Result<Fence> make_fence(Incarnation self);  // a new connection
  // Deletes the fence row: a statement under it that was not applied yet never will be.
  void settle(const Fence& lost);
  Result<> resign(const Fence& fence);
  bool holds(const Fence& fence) const;

  // ---- shards ----
  std::vector<ShardRow> shards() const;
  Result<std::vector<ShardEpoch>> take_shards(const Fence& fence, const std::vector<ShardId>& wanted);
  Result<Generation> release_shards(const Fence& fence, const std::vector<ShardId>& ids);
  std::vector<Incarnation> predecessors(Incarnation self) const;
  Result<> take_over(const Fence& fence, Incarnation dead);

  // ---- writes ----
  IdBlock next_ids(std::int64_t count);
  Result<> accept(const Fence& fence, std::vector<TaskRow> rows);
  Result<std::vector<AcceptFate>> accept_keyed(const Fence& fence, const std::vector<TaskRow>& rows);
  Result<std::vector<WriteFate>> complete(const Fence& fence, const std::vector<Completion>& items,
                                          WallTime now);
  Result<std::vector<WriteFate>> retry(const Fence& fence, const std::vector<Retry>& items);
  Result<std::vector<WriteFate>> mark_running(const Fence& fence, const std::vector<RunningMark>& items);
  Result<std::vector<WriteFate>> control(const Fence& fence, const std::vector<Control>& items);
  Result<std::vector<WriteFate>> keep_late(const Fence& fence, const std::vector<LateResult>& items,
                                           WallTime now);
  Result<> prove(const Fence& fence) const;

  // ---- reads ----
  std::vector<std::string> groups() const;
  TaskStore::Page page(const std::string& group, std::optional<PageKey> after, WallTime due_before,
                       const std::vector<bool>& owned, int limit) const;
  std::vector<TaskRow> page_due(const std::vector<std::string>& groups, WallTime after, WallTime until,
                                const std::vector<bool>& owned, int limit) const;
  std::vector<Lookup> lookup(const std::vector<TaskId>& ids) const;
  Result<TaskView> get(TaskId id) const;
  ListReply list(const ListRequest& request) const;
  std::vector<AuditMasterRow> audit_masters() const;
  std::vector<AuditRow> audit_lane(const std::string& group, std::optional<PageKey> after,
                                   WallTime due_before, int limit) const;
  std::vector<AuditRow> audit_tasks(TaskId after, int limit) const;
  AuditHistory audit_history(TaskId from, int limit) const;
  void drop_keys_before(WallTime time);
  void drop_history_before(WallTime time);  // by whole UTC days; late results to the microsecond

  // ---- for checkers: everything, by id ----
  const std::string& store_id() const { return store_id_; }
  const std::map<TaskId, Task>& tasks() const { return tasks_; }
  const std::map<TaskId, TaskView>& history() const { return history_; }  // without late results
  const std::map<LateKey, Late>& late() const { return late_; }

 private:
  struct Master {
    MasterIdentity identity;
    bool living = true;
    Generation generation = 1;
  };
  struct Shard {
    Incarnation owner;
    Epoch epoch = 0;
  };
  struct Key {
    TaskId task;
    std::uint64_t payload = 0;
    WallTime created_at{};
  };
  using LaneKey = std::tuple<std::string, std::int64_t, TaskId>;

  static LaneKey lane_key(const TaskRow& row) { return {row.task.group, row.rank, row.id}; }
  bool is_living(Incarnation incarnation) const;
  void end_master(Incarnation incarnation);
  // What an item met that did not apply: a fact read back.
  WriteFate fate_of_completion(const Token& token) const;
  WriteFate fate_of_retry(const Retry& item) const;
  static WriteFate mark_one(TaskRow& row, const RunningMark& item);
  WriteFate control_one(const Control& item);

  std::string store_id_;
  std::optional<std::string> cluster_;  // of the first master
  std::map<Incarnation, Master> masters_;
  std::map<std::pair<Incarnation, int>, Generation> fences_;
  std::vector<Shard> shards_;
  std::int64_t next_sequence_ = 1;
  int last_connection_ = 0;
  std::map<std::pair<std::string, std::string>, Key> keys_;  // by namespace and key
  std::map<TaskId, Task> tasks_;
  std::set<LaneKey> lanes_;
  std::map<TaskId, TaskView> history_;
  std::map<LateKey, Late> late_;
};

}  // namespace ringmaster
