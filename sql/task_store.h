// TaskStore: the truth. One master's view of the database: PostgreSQL (pg_task_store.h) and its in-memory
// twin (memory_task_store.h) pass one contract suite.
//
// Every writing call proves the caller's incarnation through the fence (design, section 5). Errors of writing
// calls:
//   fenced           this incarnation may not write; nothing happened
//   unavailable      it was never sent or surely rolled back; nothing happened
//   unknown_outcome  it may have happened, and CANNOT happen any more later (the lost connection's fence row
//   is gone):
//                    look the ids up, then repeat only what is absent
//   internal         PostgreSQL refused the statement (message: SQLSTATE and text); nothing happened
// A batch is one statement and one commit: all of it or nothing. Callbacks run on the loop's thread, never
// inside the call; several batches may be in flight at once and may finish in any order. Nothing is answered
// after close().
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/api.h"
#include "base/ids.h"
#include "base/messages.h"
#include "base/result.h"
#include "base/task.h"
#include "base/transition.h"

namespace ringmaster {

template <class T = void>
using StoreCallback = std::move_only_function<void(Result<T>)>;

struct MasterIdentity {
  std::string node_id;
  Incarnation incarnation;
  std::string rpc_address, http_address, version;
  std::string cluster;
};

// What open() answers a master of another cluster than the database's.
Error another_cluster(const std::string& databases, const std::string& masters);

struct ShardRow {
  ShardId id = 0;
  Incarnation owner;  // 0: nobody
  std::string owner_node;
  Epoch epoch = 0;
  bool owner_alive = false;  // its master row is living
};

// For an audit: a master's life that is living, or that has fence rows.
struct AuditMasterRow {
  Incarnation incarnation;
  std::string node_id;  // empty: there are fence rows, and no master row
  bool living = false;
  std::uint32_t fences = 0;
  WallTime started_at{};
};
// What is wrong with one id in the history.
struct AuditHistoryRow {
  TaskId id;
  std::int32_t state = 0;
  Attempt attempt = 0;
  std::int32_t failures = 0, crashes = 0;
  bool twice = false;    // there is another row of this id
  bool in_task = false;  // it is in `task`, too
};
struct AuditHistory {
  std::uint64_t looked_at = 0;
  std::optional<TaskId> last;  // go on from here; it is looked at again, as a twin may follow. None: the end
  std::vector<AuditHistoryRow> odd;
};

struct IdBlock {
  std::int64_t first_sequence = 0, count = 0;
};

inline constexpr Duration kKeyRetention = std::chrono::hours(24);

class TaskStore {
 public:
  virtual ~TaskStore() = default;

  // ---- this master's life ----
  // Makes the living `master` row and one fence row for each connection; answers the database's store_id.
  // The first master gives the database to its cluster; another cluster's gets invalid_argument.
  // Errors also: invalid_argument (schema too old or too new: run `ringmaster migrate`).
  virtual void open(MasterIdentity self, StoreCallback<std::string> done) = 0;
  // Orderly end: releases what is still owned, marks the master row ended. Afterwards every call answers
  // fenced.
  virtual void resign(StoreCallback<> done) = 0;
  virtual void close() = 0;  // drops connections and callbacks at once

  // ---- shards ----
  virtual void shards(StoreCallback<std::vector<ShardRow>> done) = 0;
  // Takes those of `wanted` that nobody owns; epoch + 1 each. Answers the ones taken.
  virtual void take_shards(std::vector<ShardId> wanted, StoreCallback<std::vector<ShardEpoch>> done) = 0;
  // Gives up ownership and bumps the generation of all own fence rows, in one transaction. Statements of this
  // store that were sent before and did not hold answer `fenced` even though the incarnation lives: flush
  // first.
  virtual void release_shards(std::vector<ShardId> ids, StoreCallback<> done) = 0;
  // Living master rows of this node id other than the caller: its predecessors.
  virtual void predecessors(StoreCallback<std::vector<Incarnation>> done) = 0;
  // Declares `dead` dead (terminates its backends, marks its row, deletes its fence rows) and frees its
  // shards. Resumable; safe at any moment; idempotent.
  virtual void take_over(Incarnation dead, StoreCallback<> done) = 0;

  // ---- the two writes a task, and their kin ----
  virtual void next_ids(std::int64_t count, StoreCallback<IdBlock> done) = 0;
  virtual void accept(std::vector<TaskRow> rows, StoreCallback<> done) = 0;
  // Rows that all have idempotency keys: those whose key is free are inserted with it, in one statement with
  // all others. The same rows may be sent again after unknown_outcome.
  virtual void accept_keyed(std::vector<TaskRow> rows, StoreCallback<std::vector<AcceptFate>> done) = 0;
  virtual void complete(std::vector<Completion> items, StoreCallback<std::vector<WriteFate>> done) = 0;
  virtual void retry(std::vector<Retry> items, StoreCallback<std::vector<WriteFate>> done) = 0;
  virtual void mark_running(std::vector<RunningMark> items, StoreCallback<std::vector<WriteFate>> done) = 0;
  // Fates: applied (so it is now), absent (ended, or never there), stale (release: it is not quarantined).
  virtual void control(std::vector<Control> items, StoreCallback<std::vector<WriteFate>> done) = 0;
  // Keeps them beside the task until its history goes; the same token once. Fates: applied.
  virtual void keep_late(std::vector<LateResult> items, StoreCallback<std::vector<WriteFate>> done) = 0;
  // A writing fence check: this incarnation lived at some moment after the call. A read would succeed on a
  // deposed primary.
  virtual void prove(StoreCallback<> done) = 0;

  // ---- reading the backlog (only rows of `owned` shards are answered) ----
  virtual void groups(StoreCallback<std::vector<std::string>> done) = 0;
  // Rows of one lane with key > after and run_at <= due_before, in key order, at most `limit`. `exhausted`
  // when nothing further waits below rank(due_before): the lane's backlog is all in memory then.
  struct Page {
    std::vector<TaskRow> rows;
    bool exhausted = false;
    PageKey last;  // pass as `after` next time; covers rows skipped because of shard or run_at
  };
  virtual void page(std::string group, std::optional<PageKey> after, WallTime due_before,
                    std::vector<bool> owned, int limit, StoreCallback<Page> done) = 0;
  // Rows of these groups that become due in (after, until]; unordered. Who does not name the groups has to
  // look for them at the heads of the lanes, where the rows of ended tasks lie until they are vacuumed.
  virtual void page_due(std::vector<std::string> groups, WallTime after, WallTime until,
                        std::vector<bool> owned, int limit, StoreCallback<std::vector<TaskRow>> done) = 0;
  virtual void lookup(std::vector<TaskId> ids, StoreCallback<std::vector<Lookup>> done) = 0;

  // ---- queries ----
  virtual void get(TaskId id, StoreCallback<TaskView> done) = 0;  // not_found
  virtual void list(ListRequest request, StoreCallback<ListReply> done) = 0;

  // ---- audit: reads of a bounded number of rows, without their specs; nothing is locked ----
  virtual void audit_masters(StoreCallback<std::vector<AuditMasterRow>> done) = 0;
  // The head of a lane, in key order, whoever owns it: rows with key > after and rank <= that of `due_before`
  // at priority 0.
  virtual void audit_lane(std::string group, std::optional<PageKey> after, WallTime due_before, int limit,
                          StoreCallback<std::vector<AuditRow>> done) = 0;
  // All rows of `task` with id > after, by id.
  virtual void audit_tasks(TaskId after, int limit, StoreCallback<std::vector<AuditRow>> done) = 0;
  // `limit` rows of the history with id <= from, the highest ids first: what of them is not as it must be.
  virtual void audit_history(TaskId from, int limit, StoreCallback<AuditHistory> done) = 0;

  // ---- time and chores ----
  virtual void database_time(StoreCallback<WallTime> done) = 0;
  // Makes history partitions for `days_ahead` days, drops those that ended more than `retention` ago, and the
  // idempotency keys older than kKeyRetention.
  virtual void maintain(int days_ahead, Duration retention, StoreCallback<> done) = 0;
};

}  // namespace ringmaster
