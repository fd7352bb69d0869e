// MemoryTaskStore: the in-memory TaskStore, one master's view of a MemoryDatabase that several may share: for
// the standalone mode, the simulator and tests. A call is applied at once and answered from the loop. Only a
// Loop's thread; the database outlives its stores.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.h"
#include "sql/memory_database.h"
#include "sql/task_store.h"

namespace ringmaster {

class MemoryTaskStore : public TaskStore {
 public:
  MemoryTaskStore(Loop& loop, MemoryDatabase& database) : loop_(loop), database_(database) {}

  void open(MasterIdentity self, StoreCallback<std::string> done) override;
  void resign(StoreCallback<> done) override;
  void close() override { alive_.reset(); }

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
  template <class T>
  void answer(StoreCallback<T> done, Result<T> result);
  // Like a connection of a master that was declared dead: it cannot come back, so that reads say it too.
  template <class T, class Read>
  void answer_read(StoreCallback<T> done, Read read);

  Loop& loop_;
  MemoryDatabase& database_;
  MemoryDatabase::Fence fence_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace ringmaster
