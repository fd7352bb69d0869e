// PgTaskStore: the TaskStore on PostgreSQL 14 or later (docs/store.md). Writes and reads go through a pool of
// pipelined connections, each behind a fence row of its own. Statements of one call may finish after those of
// a later one. Beyond task_store.h: open() resolves host names and blocks for that long; next_ids() answers
// at most 16,384; maintain() also vacuums `task`, so it wants to be called every few seconds; a call while
// the database is away is answered `unavailable` at once. One thread, the loop's; the loop outlives it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/asio_loop.h"
#include "sql/pg_pool.h"
#include "sql/task_store.h"

namespace ringmaster {

struct PgStoreOptions {
  std::string conninfo;
  std::size_t connections = 4;
  Duration statement_deadline = std::chrono::seconds(15);
  Duration ageing_step = kDefaultAgeingStep;  // of the ranks in the database
};

class PgTaskStore final : public TaskStore {
 public:
  PgTaskStore(AsioLoop& loop, PgStoreOptions options);

  void open(MasterIdentity self, StoreCallback<std::string> done) override;
  void resign(StoreCallback<> done) override;
  void close() override { pool_.close(); }

  void shards(StoreCallback<std::vector<ShardRow>> done) override;
  void take_shards(std::vector<ShardId> wanted, StoreCallback<std::vector<ShardEpoch>> done) override;
  void release_shards(std::vector<ShardId> ids, StoreCallback<> done) override;
  void predecessors(StoreCallback<std::vector<Incarnation>> done) override;
  void take_over(Incarnation dead, StoreCallback<> done) override;

  void next_ids(std::int64_t count, StoreCallback<IdBlock> done) override;
  void accept(std::vector<TaskRow> rows, StoreCallback<> done) override;
  void accept_keyed(std::vector<TaskRow> rows, StoreCallback<std::vector<AcceptFate>> done) override;
  void complete(std::vector<Completion> items, StoreCallback<std::vector<WriteFate>> done) override;
  void retry(std::vector<Retry> items, StoreCallback<std::vector<WriteFate>> done) override;
  void mark_running(std::vector<RunningMark> items, StoreCallback<std::vector<WriteFate>> done) override;
  void control(std::vector<Control> items, StoreCallback<std::vector<WriteFate>> done) override;
  void keep_late(std::vector<LateResult> items, StoreCallback<std::vector<WriteFate>> done) override;
  void prove(StoreCallback<> done) override;

  void groups(StoreCallback<std::vector<std::string>> done) override;
  void page(std::string group, std::optional<PageKey> after, WallTime due_before, std::vector<bool> owned,
            int limit, StoreCallback<Page> done) override;
  void page_due(std::vector<std::string> groups, WallTime after, WallTime until, std::vector<bool> owned,
                int limit, StoreCallback<std::vector<TaskRow>> done) override;
  void lookup(std::vector<TaskId> ids, StoreCallback<std::vector<Lookup>> done) override;

  void get(TaskId id, StoreCallback<TaskView> done) override;
  void list(ListRequest request, StoreCallback<ListReply> done) override;

  void audit_masters(StoreCallback<std::vector<AuditMasterRow>> done) override;
  void audit_lane(std::string group, std::optional<PageKey> after, WallTime due_before, int limit,
                  StoreCallback<std::vector<AuditRow>> done) override;
  void audit_tasks(TaskId after, int limit, StoreCallback<std::vector<AuditRow>> done) override;
  void audit_history(TaskId from, int limit, StoreCallback<AuditHistory> done) override;

  void database_time(StoreCallback<WallTime> done) override;
  void maintain(int days_ahead, Duration retention, StoreCallback<> done) override;

 private:
  using Stamp = PgPool::Stamp;
  void read_keys(const Stamp& stamp, bool changed, const std::vector<TaskRow>& rows,
                 StoreCallback<std::vector<AcceptFate>> done);
  // Writes `items`; fates that the number of changed rows does not tell are read back.
  template <class Item>
  void write_items(const PgStatement& statement, std::vector<Item> items, bool plain,
                   StoreCallback<std::vector<WriteFate>> done);
  template <class Item>
  void read_fates(Stamp stamp, bool changed, std::vector<Item> items,
                  StoreCallback<std::vector<WriteFate>> done);
  void take_over_again(Incarnation dead, int attempts, StoreCallback<> done);
  template <class T>
  void post(StoreCallback<T> done, Result<T> result);

  AsioLoop& loop_;
  PgStoreOptions options_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
  PgPool pool_;
};

}  // namespace ringmaster
