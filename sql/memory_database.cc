#include "sql/memory_database.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "sql/attempt_log.h"

namespace ringmaster {
namespace {

std::unexpected<Error> fenced() {
  return fail(ErrorCode::fenced,
              "this master may not write: it was declared dead, or gave up shards meanwhile");
}

TaskView view_of(const MemoryDatabase::Task& task) {
  return {task.row, std::nullopt, std::nullopt, task.attempts, {}};
}

}  // namespace

MemoryDatabase::MemoryDatabase(std::string store_id) : store_id_(std::move(store_id)), shards_(kShardCount) {}

// ---- masters and their fence rows ----

bool MemoryDatabase::is_living(Incarnation incarnation) const {
  const auto master = masters_.find(incarnation);
  return master != masters_.end() && master->second.living;
}

bool MemoryDatabase::holds(const Fence& fence) const {
  const auto row = fences_.find({fence.incarnation, fence.connection});
  return row != fences_.end() && row->second == fence.generation;
}

Result<> MemoryDatabase::register_master(const MasterIdentity& self) {
  if (!cluster_) cluster_ = self.cluster;
  if (*cluster_ != self.cluster) return std::unexpected(another_cluster(*cluster_, self.cluster));
  masters_.try_emplace(self.incarnation, Master{self});
  if (!is_living(self.incarnation)) return fenced();
  return {};
}

Result<MemoryDatabase::Fence> MemoryDatabase::make_fence(Incarnation self) {
  if (!is_living(self)) return fenced();
  const Fence fence{self, ++last_connection_, masters_[self].generation};
  fences_[{self, fence.connection}] = fence.generation;
  return fence;
}

void MemoryDatabase::settle(const Fence& lost) {
  fences_.erase({lost.incarnation, lost.connection});
}

void MemoryDatabase::end_master(Incarnation incarnation) {
  if (const auto master = masters_.find(incarnation); master != masters_.end()) master->second.living = false;
  std::erase_if(fences_, [&](const auto& row) { return row.first.first == incarnation; });
  for (Shard& shard : shards_) {
    if (shard.owner == incarnation) shard.owner = {};
  }
}

Result<> MemoryDatabase::resign(const Fence& fence) {
  if (!holds(fence)) return fenced();
  end_master(fence.incarnation);
  return {};
}

// ---- shards ----

std::vector<ShardRow> MemoryDatabase::shards() const {
  std::vector<ShardRow> rows;
  for (std::size_t id = 0; id < shards_.size(); ++id) {
    const Shard& shard = shards_[id];
    ShardRow row{static_cast<ShardId>(id), shard.owner, {}, shard.epoch, is_living(shard.owner)};
    if (shard.owner) row.owner_node = masters_.at(shard.owner).identity.node_id;
    rows.push_back(std::move(row));
  }
  return rows;
}

Result<std::vector<ShardEpoch>> MemoryDatabase::take_shards(const Fence& fence,
                                                            const std::vector<ShardId>& wanted) {
  if (!holds(fence)) return fenced();
  std::vector<ShardEpoch> taken;
  for (const ShardId id : std::set(wanted.begin(), wanted.end())) {
    Shard& shard = shards_[id];
    if (shard.owner) continue;
    shard.owner = fence.incarnation;
    taken.push_back({id, ++shard.epoch});
  }
  return taken;
}

Result<Generation> MemoryDatabase::release_shards(const Fence& fence, const std::vector<ShardId>& ids) {
  if (!holds(fence)) return fenced();
  const Generation next = ++masters_.at(fence.incarnation).generation;
  for (auto& [key, generation] : fences_) {
    if (key.first == fence.incarnation) generation = next;
  }
  for (const ShardId id : ids) {
    if (shards_[id].owner == fence.incarnation) shards_[id].owner = {};
  }
  return next;
}

std::vector<Incarnation> MemoryDatabase::predecessors(Incarnation self) const {
  std::vector<Incarnation> found;
  const auto own = masters_.find(self);
  for (const auto& [incarnation, master] : masters_) {
    if (own == masters_.end() || incarnation == self || !master.living) continue;
    if (master.identity.node_id == own->second.identity.node_id) found.push_back(incarnation);
  }
  return found;
}

Result<> MemoryDatabase::take_over(const Fence& fence, Incarnation dead) {
  if (dead == fence.incarnation)
    return fail(ErrorCode::invalid_argument, "a master cannot take over from itself");
  if (!is_living(fence.incarnation) || !fences_.contains({fence.incarnation, fence.connection}))
    return fenced();
  end_master(dead);
  return {};
}

// ---- writes ----

IdBlock MemoryDatabase::next_ids(std::int64_t count) {
  return {std::exchange(next_sequence_, next_sequence_ + count), count};
}

Result<> MemoryDatabase::accept(const Fence& fence, std::vector<TaskRow> rows) {
  if (!holds(fence)) return fenced();
  std::set<TaskId> fresh;
  for (const TaskRow& row : rows) {
    if (tasks_.contains(row.id) || !fresh.insert(row.id).second) {
      return fail(ErrorCode::internal, "23505 duplicate key value: " + to_string(row.id));
    }
  }
  for (TaskRow& row : rows) {
    row.task.run_at.reset();  // row.run_at is what was decided
    row.task.idempotency_key.clear();
    row.cancel_requested = false;
    lanes_.insert(lane_key(row));
    const TaskId id = row.id;
    tasks_.emplace(id, Task{std::move(row), {}});
  }
  return {};
}

Result<std::vector<AcceptFate>> MemoryDatabase::accept_keyed(const Fence& fence,
                                                             const std::vector<TaskRow>& rows) {
  if (!holds(fence)) return fenced();
  std::vector<AcceptFate> fates;
  for (const TaskRow& row : rows) {
    const std::uint64_t payload = payload_hash(row.task);
    const auto [key, fresh] =
        keys_.try_emplace({row.task.ns, row.task.idempotency_key}, Key{row.id, payload, row.created_at});
    fates.push_back({key->second.task, key->second.payload == payload});
    if (!fresh) continue;
    if (auto done = accept(fence, {row}); !done) return std::unexpected(done.error());
  }
  return fates;
}

WriteFate MemoryDatabase::fate_of_completion(const Token& token) const {
  if (const auto ended = history_.find(token.task); ended != history_.end()) {
    return ended->second.row.attempt == token.attempt ? WriteFate::applied : WriteFate::stale;
  }
  return tasks_.contains(token.task) ? WriteFate::stale : WriteFate::absent;
}

Result<std::vector<WriteFate>> MemoryDatabase::complete(const Fence& fence,
                                                        const std::vector<Completion>& items, WallTime now) {
  if (!holds(fence)) return fenced();
  std::vector<WriteFate> fates;
  for (const Completion& item : items) {
    const auto task = tasks_.find(item.token.task);
    if (task == tasks_.end() || task->second.row.attempt != item.token.attempt) {
      fates.push_back(fate_of_completion(item.token));
      continue;
    }
    lanes_.erase(lane_key(task->second.row));
    TaskView view = view_of(task->second);
    tasks_.erase(task);
    view.row.state = item.state;
    view.row.worker = item.worker;
    view.row.epoch = item.token.epoch;
    view.row.started_at.reset();
    if (item.result.started_at != WallTime{}) view.row.started_at = item.result.started_at;
    view.finished_at = now;
    view.result = storable(item.result);
    history_.emplace(item.token.task, std::move(view));
    fates.push_back(WriteFate::applied);
  }
  return fates;
}

WriteFate MemoryDatabase::fate_of_retry(const Retry& item) const {
  const auto task = tasks_.find(item.token.task);
  if (task == tasks_.end()) return history_.contains(item.token.task) ? WriteFate::stale : WriteFate::absent;
  const TaskRow& row = task->second.row;
  if (row.attempt == item.next_attempt && row.failures == item.failures && row.crashes == item.crashes &&
      row.run_at == item.run_at && row.rank == item.rank) {
    return WriteFate::applied;
  }
  const bool cancelling = row.attempt == item.token.attempt && row.cancel_requested;
  return cancelling ? WriteFate::cancelling : WriteFate::stale;
}

Result<std::vector<WriteFate>> MemoryDatabase::retry(const Fence& fence, const std::vector<Retry>& items) {
  if (!holds(fence)) return fenced();
  std::vector<WriteFate> fates;
  for (const Retry& item : items) {
    const auto task = tasks_.find(item.token.task);
    if (task == tasks_.end() || task->second.row.attempt != item.token.attempt ||
        task->second.row.cancel_requested) {
      fates.push_back(fate_of_retry(item));
      continue;
    }
    TaskRow& row = task->second.row;
    std::vector<AttemptRecord>& attempts = task->second.attempts;
    lanes_.erase(lane_key(row));
    if (attempts.size() >= kMaxLoggedAttempts) attempts.erase(attempts.begin());
    attempts.push_back({item.token.attempt, item.token.epoch, item.worker, storable(item.result)});
    row.attempt = item.next_attempt;
    row.failures = item.failures;
    row.crashes = item.crashes;
    row.run_at = item.run_at;
    row.rank = item.rank;
    row.state = item.state;
    row.worker.clear();
    row.worker_incarnation = {};
    row.epoch = 0;
    row.started_at.reset();
    lanes_.insert(lane_key(row));
    fates.push_back(WriteFate::applied);
  }
  return fates;
}

WriteFate MemoryDatabase::mark_one(TaskRow& row, const RunningMark& item) {
  if (row.attempt != item.token.attempt || row.epoch > item.token.epoch) return WriteFate::stale;
  const bool starts = item.started_at != WallTime{};
  // A life that is recorded already may add when it started; a repeated record takes nothing away.
  const bool same_life = row.worker_incarnation == item.worker_incarnation && row.epoch == item.token.epoch;
  if (row.cancel_requested || (row.worker_incarnation != item.previous && !(same_life && starts))) {
    if (same_life && (!starts || row.started_at == item.started_at)) return WriteFate::applied;
    return row.cancel_requested ? WriteFate::cancelling : WriteFate::stale;
  }
  row.worker = item.worker;
  row.worker_incarnation = item.worker_incarnation;
  row.epoch = item.token.epoch;
  row.started_at.reset();
  if (starts) row.started_at = item.started_at;
  row.state = starts ? TaskState::running : TaskState::ready;
  return WriteFate::applied;
}

Result<std::vector<WriteFate>> MemoryDatabase::mark_running(const Fence& fence,
                                                            const std::vector<RunningMark>& items) {
  if (!holds(fence)) return fenced();
  std::vector<WriteFate> fates;
  for (const RunningMark& item : items) {
    const auto task = tasks_.find(item.token.task);
    if (task == tasks_.end()) {
      fates.push_back(history_.contains(item.token.task) ? WriteFate::stale : WriteFate::absent);
      continue;
    }
    fates.push_back(mark_one(task->second.row, item));
  }
  return fates;
}

WriteFate MemoryDatabase::control_one(const Control& item) {
  const auto task = tasks_.find(item.id);
  if (task == tasks_.end()) return WriteFate::absent;
  TaskRow& row = task->second.row;
  if (item.action == ControlAction::cancel) {
    row.cancel_requested = true;
    if (!task->second.cancel_requested_at) task->second.cancel_requested_at = item.run_at;
    if (row.state != TaskState::quarantined && row.run_at <= item.run_at) return WriteFate::applied;
  } else if (row.state != TaskState::quarantined) {
    return row.run_at == item.run_at ? WriteFate::applied : WriteFate::stale;
  }
  lanes_.erase(lane_key(row));
  row.state = TaskState::ready;
  if (item.action == ControlAction::release) row.crashes = 0;
  row.run_at = item.run_at;
  row.rank = rank_of(item.run_at, row.task.priority, item.ageing_step);
  lanes_.insert(lane_key(row));
  return WriteFate::applied;
}

Result<std::vector<WriteFate>> MemoryDatabase::control(const Fence& fence,
                                                       const std::vector<Control>& items) {
  if (!holds(fence)) return fenced();
  std::vector<WriteFate> fates;
  fates.reserve(items.size());
  for (const Control& item : items) fates.push_back(control_one(item));
  return fates;
}

Result<std::vector<WriteFate>> MemoryDatabase::keep_late(const Fence& fence,
                                                         const std::vector<LateResult>& items, WallTime now) {
  if (!holds(fence)) return fenced();
  for (const LateResult& item : items) {
    const auto& [task, epoch, attempt] = item.token;
    AttemptRecord record{attempt, epoch, item.worker, storable(item.result)};
    record.result.permanent = false;  // not kept: it decides nothing any more
    late_.try_emplace({task, epoch, attempt}, Late{std::move(record), now});
  }
  return std::vector<WriteFate>(items.size(), WriteFate::applied);
}

Result<> MemoryDatabase::prove(const Fence& fence) const {
  if (!holds(fence)) return fenced();
  return {};
}

}  // namespace ringmaster
