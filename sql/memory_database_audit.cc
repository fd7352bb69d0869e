// MemoryDatabase for an audit.
#include <algorithm>
#include <limits>

#include "sql/memory_database.h"

namespace ringmaster {
namespace {

AuditRow audit_row_of(const MemoryDatabase::Task& task) {
  const TaskRow& row = task.row;
  return {row.id,         row.rank,
          row.task.group, row.run_at,
          row.attempt,    row.failures,
          row.crashes,    static_cast<std::int32_t>(row.state),
          row.worker,     row.worker_incarnation,
          row.epoch,      task.cancel_requested_at};
}

}  // namespace

std::vector<AuditMasterRow> MemoryDatabase::audit_masters() const {
  std::vector<AuditMasterRow> rows;
  for (const auto& [incarnation, master] : masters_) {
    const auto own =
        std::ranges::count_if(fences_, [&](const auto& fence) { return fence.first.first == incarnation; });
    if (!master.living && own == 0) continue;
    rows.push_back(
        {incarnation, master.identity.node_id, master.living, static_cast<std::uint32_t>(own), {}});
  }
  return rows;
}

std::vector<AuditRow> MemoryDatabase::audit_lane(const std::string& group, std::optional<PageKey> after,
                                                 WallTime due_before, int limit) const {
  std::vector<AuditRow> rows;
  const PageKey start = after.value_or(PageKey{std::numeric_limits<std::int64_t>::min(), {}});
  const std::int64_t highest = std::min(to_unix_micros(due_before), kQuarantineRank - 1);
  for (auto it = lanes_.upper_bound({group, start.rank, start.id}); it != lanes_.end(); ++it) {
    const auto& [lane, rank, id] = *it;
    if (lane != group || rank > highest || rows.size() == static_cast<std::size_t>(limit)) break;
    rows.push_back(audit_row_of(tasks_.at(id)));
  }
  return rows;
}

std::vector<AuditRow> MemoryDatabase::audit_tasks(TaskId after, int limit) const {
  std::vector<AuditRow> rows;
  for (auto it = tasks_.upper_bound(after); it != tasks_.end(); ++it) {
    if (rows.size() == static_cast<std::size_t>(limit)) break;
    rows.push_back(audit_row_of(it->second));
  }
  return rows;
}

// An id is a key here, so that none is there twice.
AuditHistory MemoryDatabase::audit_history(TaskId from, int limit) const {
  AuditHistory found;
  for (auto it = history_.upper_bound(from); it != history_.begin();) {
    --it;
    if (found.looked_at == static_cast<std::uint64_t>(limit)) break;
    ++found.looked_at;
    found.last = it->first;
    const TaskRow& row = it->second.row;
    const bool in_task = tasks_.contains(it->first);
    if (in_task || !is_terminal(row.state) || row.attempt < 1 || row.failures >= row.attempt ||
        row.crashes >= row.attempt) {
      found.odd.push_back({it->first, static_cast<std::int32_t>(row.state), row.attempt, row.failures,
                           row.crashes, false, in_task});
    }
  }
  if (found.looked_at < static_cast<std::uint64_t>(limit)) found.last.reset();
  return found;
}

}  // namespace ringmaster
