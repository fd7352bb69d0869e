#include "sql/memory_task_store.h"

#include <utility>

namespace ringmaster {

template <class T>
void MemoryTaskStore::answer(StoreCallback<T> done, Result<T> result) {
  loop_.post(
      [alive = std::weak_ptr<int>(alive_), done = std::move(done), result = std::move(result)]() mutable {
        if (!alive.expired()) done(std::move(result));
      });
}

template <class T, class Read>
void MemoryTaskStore::answer_read(StoreCallback<T> done, Read read) {
  if (!database_.holds(fence_)) {
    return answer<T>(std::move(done), fail(ErrorCode::fenced, "this master is not living any more"));
  }
  answer<T>(std::move(done), read());
}

// ---- this master's life ----

void MemoryTaskStore::open(MasterIdentity self, StoreCallback<std::string> done) {
  if (auto registered = database_.register_master(self); !registered) {
    return answer<std::string>(std::move(done), std::unexpected(registered.error()));
  }
  auto fence = database_.make_fence(self.incarnation);
  if (!fence) return answer<std::string>(std::move(done), std::unexpected(fence.error()));
  fence_ = *fence;
  answer<std::string>(std::move(done), database_.store_id());
}

void MemoryTaskStore::resign(StoreCallback<> done) {
  answer<void>(std::move(done), database_.resign(fence_));
}

// ---- shards ----

void MemoryTaskStore::shards(StoreCallback<std::vector<ShardRow>> done) {
  answer_read(std::move(done), [&] { return database_.shards(); });
}

void MemoryTaskStore::take_shards(std::vector<ShardId> wanted, StoreCallback<std::vector<ShardEpoch>> done) {
  answer(std::move(done), database_.take_shards(fence_, wanted));
}

void MemoryTaskStore::release_shards(std::vector<ShardId> ids, StoreCallback<> done) {
  const auto generation = database_.release_shards(fence_, ids);
  if (!generation) return answer<void>(std::move(done), std::unexpected(generation.error()));
  fence_.generation = *generation;
  answer<void>(std::move(done), {});
}

void MemoryTaskStore::predecessors(StoreCallback<std::vector<Incarnation>> done) {
  answer_read(std::move(done), [&] { return database_.predecessors(fence_.incarnation); });
}

void MemoryTaskStore::take_over(Incarnation dead, StoreCallback<> done) {
  answer(std::move(done), database_.take_over(fence_, dead));
}

// ---- writes ----

void MemoryTaskStore::next_ids(std::int64_t count, StoreCallback<IdBlock> done) {
  answer_read(std::move(done), [&] { return database_.next_ids(count); });
}

void MemoryTaskStore::accept(std::vector<TaskRow> rows, StoreCallback<> done) {
  answer(std::move(done), database_.accept(fence_, std::move(rows)));
}

void MemoryTaskStore::accept_keyed(std::vector<TaskRow> rows, StoreCallback<std::vector<AcceptFate>> done) {
  answer(std::move(done), database_.accept_keyed(fence_, rows));
}

void MemoryTaskStore::complete(std::vector<Completion> items, StoreCallback<std::vector<WriteFate>> done) {
  answer(std::move(done), database_.complete(fence_, items, loop_.wall_now()));
}

void MemoryTaskStore::retry(std::vector<Retry> items, StoreCallback<std::vector<WriteFate>> done) {
  answer(std::move(done), database_.retry(fence_, items));
}

void MemoryTaskStore::mark_running(std::vector<RunningMark> items,
                                   StoreCallback<std::vector<WriteFate>> done) {
  answer(std::move(done), database_.mark_running(fence_, items));
}

void MemoryTaskStore::control(std::vector<Control> items, StoreCallback<std::vector<WriteFate>> done) {
  answer(std::move(done), database_.control(fence_, items));
}

void MemoryTaskStore::keep_late(std::vector<LateResult> items, StoreCallback<std::vector<WriteFate>> done) {
  answer(std::move(done), database_.keep_late(fence_, items, loop_.wall_now()));
}

void MemoryTaskStore::prove(StoreCallback<> done) {
  answer(std::move(done), database_.prove(fence_));
}

// ---- reads ----

void MemoryTaskStore::groups(StoreCallback<std::vector<std::string>> done) {
  answer_read(std::move(done), [&] { return database_.groups(); });
}

void MemoryTaskStore::page(std::string group, std::optional<PageKey> after, WallTime due_before,
                           std::vector<bool> owned, int limit, StoreCallback<Page> done) {
  answer_read(std::move(done), [&] { return database_.page(group, after, due_before, owned, limit); });
}

void MemoryTaskStore::page_due(std::vector<std::string> groups, WallTime after, WallTime until,
                               std::vector<bool> owned, int limit, StoreCallback<std::vector<TaskRow>> done) {
  answer_read(std::move(done), [&] { return database_.page_due(groups, after, until, owned, limit); });
}

void MemoryTaskStore::lookup(std::vector<TaskId> ids, StoreCallback<std::vector<Lookup>> done) {
  answer_read(std::move(done), [&] { return database_.lookup(ids); });
}

void MemoryTaskStore::get(TaskId id, StoreCallback<TaskView> done) {
  answer_read(std::move(done), [&] { return database_.get(id); });
}

void MemoryTaskStore::list(ListRequest request, StoreCallback<ListReply> done) {
  answer_read(std::move(done), [&] { return database_.list(request); });
}

// ---- audit ----

void MemoryTaskStore::audit_masters(StoreCallback<std::vector<AuditMasterRow>> done) {
  answer_read(std::move(done), [&] { return database_.audit_masters(); });
}

void MemoryTaskStore::audit_lane(std::string group, std::optional<PageKey> after, WallTime due_before,
                                 int limit, StoreCallback<std::vector<AuditRow>> done) {
  answer_read(std::move(done), [&] { return database_.audit_lane(group, after, due_before, limit); });
}

void MemoryTaskStore::audit_tasks(TaskId after, int limit, StoreCallback<std::vector<AuditRow>> done) {
  answer_read(std::move(done), [&] { return database_.audit_tasks(after, limit); });
}

void MemoryTaskStore::audit_history(TaskId from, int limit, StoreCallback<AuditHistory> done) {
  answer_read(std::move(done), [&] { return database_.audit_history(from, limit); });
}

// ---- time and chores ----

void MemoryTaskStore::database_time(StoreCallback<WallTime> done) {
  answer_read(std::move(done), [&] { return loop_.wall_now(); });
}

void MemoryTaskStore::maintain(int /*days_ahead*/, Duration retention, StoreCallback<> done) {
  answer_read(std::move(done), [&]() -> Result<> {
    database_.drop_history_before(loop_.wall_now() - retention);
    database_.drop_keys_before(loop_.wall_now() - kKeyRetention);
    return {};
  });
}

}  // namespace ringmaster
