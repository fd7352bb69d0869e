// The reading half of MemoryDatabase.
#include <algorithm>
#include <chrono>
#include <limits>

#include "base/task_json.h"
#include "sql/memory_database.h"

namespace ringmaster {
namespace {

bool matches(const ListRequest& request, const TaskRow& row) {
  const auto allows = [](const std::string& wanted, const std::string& value) {
    return wanted.empty() || wanted == value;
  };
  return allows(request.ns, row.task.ns) && allows(request.group, row.task.group) &&
         allows(request.kind, row.task.kind) &&
         (request.states.empty() || std::ranges::find(request.states, row.state) != request.states.end()) &&
         (!request.created_from || row.created_at >= *request.created_from) &&
         (!request.created_before || row.created_at < *request.created_before) &&
         labels_include(row.task.labels, request.labels);
}

}  // namespace

std::vector<std::string> MemoryDatabase::groups() const {
  std::vector<std::string> found;
  for (const auto& [group, rank, id] : lanes_) {
    if (rank == kQuarantineRank) continue;  // in no lane
    if (found.empty() || found.back() != group) found.push_back(group);
  }
  return found;
}

TaskStore::Page MemoryDatabase::page(const std::string& group, std::optional<PageKey> after,
                                     WallTime due_before, const std::vector<bool>& owned, int limit) const {
  TaskStore::Page page;
  const PageKey start = after.value_or(PageKey{std::numeric_limits<std::int64_t>::min(), {}});
  page.last = start;
  const std::int64_t highest = std::min(to_unix_micros(due_before), kQuarantineRank - 1);
  for (auto it = lanes_.upper_bound({group, start.rank, start.id}); it != lanes_.end(); ++it) {
    const auto& [lane, rank, id] = *it;
    if (lane != group || rank > highest) break;
    const TaskRow& row = tasks_.at(id).row;
    if (!owned[id.shard()] || row.run_at > due_before) continue;
    if (page.rows.size() == static_cast<std::size_t>(limit)) return page;
    page.rows.push_back(row);
    page.last = {rank, id};
  }
  page.exhausted = page.rows.size() < static_cast<std::size_t>(limit);
  return page;
}

std::vector<TaskRow> MemoryDatabase::page_due(const std::vector<std::string>& groups, WallTime after,
                                              WallTime until, const std::vector<bool>& owned,
                                              int limit) const {
  std::vector<TaskRow> rows;
  for (const auto& [id, task] : tasks_) {
    if (rows.size() == static_cast<std::size_t>(limit)) break;
    const TaskRow& row = task.row;
    if (!owned[id.shard()] || row.rank == kQuarantineRank) continue;
    if (std::ranges::find(groups, row.task.group) == groups.end()) continue;
    if (row.run_at > after && row.run_at <= until) rows.push_back(row);
  }
  return rows;
}

std::vector<Lookup> MemoryDatabase::lookup(const std::vector<TaskId>& ids) const {
  std::vector<Lookup> found;
  for (const TaskId id : ids) {
    Lookup& entry = found.emplace_back();
    entry.id = id;
    if (const auto task = tasks_.find(id); task != tasks_.end()) entry.row = task->second.row;
    if (const auto ended = history_.find(id); ended != history_.end()) {
      const TaskView& view = ended->second;
      entry.end = {{id, view.row.epoch, view.row.attempt}, view.row.state, view.row.worker, *view.result};
      entry.end->result.message.clear();
      entry.end->result.output_tail.clear();
    }
  }
  return found;
}

Result<TaskView> MemoryDatabase::get(TaskId id) const {
  TaskView view;
  if (const auto ended = history_.find(id); ended != history_.end()) {
    view = ended->second;
  } else if (const auto task = tasks_.find(id); task != tasks_.end()) {
    view = {task->second.row, std::nullopt, std::nullopt, task->second.attempts, {}};
  } else {
    return fail(ErrorCode::not_found, "there is no task " + to_string(id));
  }
  std::vector<Late> late;
  for (auto it = late_.lower_bound({id, INT64_MIN, INT32_MIN}); it != late_.end(); ++it) {
    if (std::get<TaskId>(it->first) != id) break;
    late.push_back(it->second);
  }
  std::ranges::stable_sort(late, {}, &Late::received_at);
  for (Late& item : late) view.late.push_back(std::move(item.record));
  return view;
}

ListReply MemoryDatabase::list(const ListRequest& request) const {
  ListReply reply;
  auto task = request.after ? tasks_.upper_bound(*request.after) : tasks_.begin();
  auto ended = request.after ? history_.upper_bound(*request.after) : history_.begin();
  while (task != tasks_.end() || ended != history_.end()) {
    const bool is_task = ended == history_.end() || (task != tasks_.end() && task->first < ended->first);
    TaskView view = is_task
                        ? TaskView{task->second.row, std::nullopt, std::nullopt, task->second.attempts, {}}
                        : ended->second;
    is_task ? void(++task) : void(++ended);
    if (!matches(request, view.row)) continue;
    if (reply.views.size() == request.limit) {
      reply.next = reply.views.back().row.id;
      break;
    }
    reply.views.push_back(std::move(view));
  }
  return reply;
}

void MemoryDatabase::drop_keys_before(WallTime time) {
  std::erase_if(keys_, [&](const auto& key) { return key.second.created_at < time; });
}

void MemoryDatabase::drop_history_before(WallTime time) {
  const WallTime day = std::chrono::floor<std::chrono::days>(time);
  std::erase_if(history_, [&](const auto& item) { return *item.second.finished_at < day; });
  std::erase_if(late_, [&](const auto& item) { return item.second.received_at < time; });
}

}  // namespace ringmaster
