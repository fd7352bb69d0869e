// Paging: tasks that wait in the store come into memory in rank order, those due later shortly before they
// are due.
#include <algorithm>

#include <glog/logging.h>

#include "master/scheduler_core.h"

namespace ringmaster {

namespace {
constexpr std::size_t kMaxLookup = 1'000;
}

void SchedulerCore::on_shards_taken(const std::vector<ShardEpoch>& taken, Now now) {
  shards_.taken(taken);
  if (horizon_ == WallTime{}) {
    horizon_ = now.wall + options_.due_horizon;
    next_sweep_ = now.mono + options_.due_horizon / 2;
  }
  take_sequence_ = announce_sequence_ + 1;  // the first of these, and of those to workers that come later
  for (auto& [id, worker] : workers_) {
    if (worker->link != 0) announce(*worker, taken);
  }
  shards_taken_at_ = now.mono;
  for (auto& [group, its] : lanes_) its->reload();
  want_groups_ = true;
}

void SchedulerCore::freeze() {
  frozen_ = true;
}

void SchedulerCore::unfreeze() {
  frozen_ = false;
  for (auto& [group, its] : lanes_) pump_needed_.insert(its.get());
}

bool SchedulerCore::quiet() const {
  return !reading() && !groups_reading_ && lookups_reading_ == 0;
}

void SchedulerCore::on_shards_released(const std::vector<ShardId>& shards) {
  CHECK(quiet()) << "rows that are being read could come back after the shard did";
  shards_.released(shards);
  std::vector<Entry*> gone;
  for (const auto& [id, entry] : tasks_) {
    if (!shards_.owns(id.shard())) gone.push_back(entry.get());
  }
  for (Entry* entry : gone) take_out(*entry);
  // Decided for them already, and not yet on its way: the new owner decides anew.
  const auto foreign = [&](const auto& item) { return !shards_.owns(item.token.task.shard()); };
  std::erase_if(effects_.completions, foreign);
  std::erase_if(effects_.retries, foreign);
  std::erase_if(effects_.records, foreign);
  std::erase_if(effects_.marks, foreign);
  for (auto& [link, batch] : dispatch_outbox_) std::erase_if(batch.items, foreign);
  std::erase_if(inquiries_, [&](const auto& item) { return !shards_.owns(item.first.shard()); });
}

bool SchedulerCore::being_accepted(TaskId id) const {
  auto it = accepting_.upper_bound(id);
  return it != accepting_.begin() && id <= std::prev(it)->second;
}

// A row that was read. What memory knows of the task is newer.
void SchedulerCore::take_row(TaskRow row, Now now) {
  const TaskId id = row.id;
  if (!shards_.owns(id.shard()) || find(id) != nullptr || inquiries_.contains(id) ||
      touched_while_reading_.contains(id) || being_accepted(id)) {
    return;
  }
  if (row.worker.empty()) return admit(std::move(row), now);

  // A recorded dispatch is on that life of that worker until it says otherwise or a verdict falls.
  const HeldAttempt held{{id, row.epoch, row.attempt},
                         row.state == TaskState::running ? HeldState::running : HeldState::queued,
                         row.started_at};
  Worker& worker = worker_named(row.worker, now);
  const Incarnation incarnation = row.worker_incarnation;
  row.run_at = std::min(row.run_at, now.wall);  // in memory whatever the horizon is
  admit(std::move(row), now);
  if (Entry* entry = find(id)) {
    place(*entry, worker, incarnation, held, 0, now);
    entry = find(id);
    if (entry != nullptr) entry->marked = true;
  }
}

// Somebody said that `worker` held this attempt, in that life, when `link` was its channel (0: before our
// time). What the worker itself has said since decides.
void SchedulerCore::place(Entry& entry, Worker& worker, Incarnation incarnation, const HeldAttempt& held,
                          LinkId link, Now now) {
  adopt(entry, worker, held, now);
  entry.row.worker_incarnation = incarnation;
  entry.link = link;
  const bool answered_since =
      worker.link != 0 && worker.link != link && worker.ready && worker.inventoried >= take_sequence_;
  if (answered_since) {
    if (worker.incarnation == incarnation) {
      unbind(entry);
      enqueue(entry);
    } else {
      lose_attempt(entry, true, now);
    }
  } else if (worker.link == 0 && !worker.registered && registry_seen_) {
    lose_attempt(entry, false, now);
  }
}

bool SchedulerCore::gate_open(const Lane& its, Now now) const {
  if (!registry_seen_) return false;
  if (!shards_taken_at_ || now.mono - *shards_taken_at_ >= options_.inventory_wait) return true;
  // Whoever may hold a task of this group must have spoken, a draining or unregistered worker on a channel
  // too.
  for (const auto& [id, worker] : workers_) {
    const auto& served = worker->registration.groups;
    const bool reachable =
        worker->link != 0 && std::find(served.begin(), served.end(), its.group()) != served.end();
    if (!reachable && !its.workers.contains(id)) continue;
    if (!worker->ready || worker->inventoried < take_sequence_) return false;
  }
  return true;
}

void SchedulerCore::plan_reads(Now now) {
  if (frozen_ || shards_.count() == 0) return;
  if (want_groups_ && !groups_reading_) {
    want_groups_ = false;
    groups_reading_ = true;
    effects_.reads.push_back(GroupsRead{});
  }
  // A sweep and pages exclude one another: each knows what the other has covered.
  if (now.mono >= next_sweep_ && !reading()) {
    due_reading_ = true;
    const WallTime until = now.wall + options_.due_horizon;
    effects_.reads.push_back(DueRead{horizon_, until, options_.page_size});
    horizon_ = std::max(horizon_, until);
    next_sweep_ = now.mono + options_.due_horizon / 2;
  }
  if (!due_reading_ && now.mono < next_sweep_) {
    for (auto& [group, its] : lanes_) {
      if (!its->in_store() || its->reading() || its->size() + its->delayed > options_.lane_window / 2) {
        continue;
      }
      if (!gate_open(*its, now)) continue;
      its->begin_read();
      ++pages_reading_;
      effects_.reads.push_back(PageRead{group, its->cursor(), horizon_, options_.page_size});
    }
  }
  std::vector<TaskId> ids;
  for (auto& [id, inquiry] : inquiries_) {
    const Entry* entry = find(id);
    // While its end is being committed an answer would be older than that end.
    if (inquiry.asked || (entry != nullptr && entry->phase == Phase::ending)) continue;
    inquiry.asked = true;
    ids.push_back(id);
    if (ids.size() == kMaxLookup) break;
  }
  if (!ids.empty()) {
    ++lookups_reading_;
    effects_.reads.push_back(LookupRead{std::move(ids)});
  }
}

void SchedulerCore::end_read() {
  if (!reading()) touched_while_reading_.clear();
}

void SchedulerCore::on_groups(const std::vector<std::string>& groups, Now /*now*/) {
  groups_reading_ = false;
  for (const std::string& group : groups) lane(group).reload();
}

void SchedulerCore::on_page(const PageRead& request, std::vector<TaskRow> rows, PageKey last, bool exhausted,
                            Now now) {
  Lane& its = lane(request.group);
  for (TaskRow& row : rows) take_row(std::move(row), now);
  its.end_read(last, exhausted);
  --pages_reading_;
  end_read();
}

void SchedulerCore::on_due(const DueRead& request, std::vector<TaskRow> rows, Now now) {
  if (rows.size() >= static_cast<std::size_t>(request.limit)) {
    // Too many for one answer: every lane pages them in, in order.
    for (auto& [group, its] : lanes_) its->reload();
    want_groups_ = true;
  }
  for (TaskRow& row : rows) take_row(std::move(row), now);
  due_reading_ = false;
  end_read();
}

void SchedulerCore::on_lookup(std::vector<Lookup> answers, Now now) {
  --lookups_reading_;
  for (Lookup& answer : answers) {
    const auto it = inquiries_.find(answer.id);
    if (it == inquiries_.end()) continue;
    Inquiry inquiry = std::move(it->second);
    inquiries_.erase(it);
    if (!shards_.owns(answer.id.shard())) continue;
    settle_inquiry(answer, std::move(inquiry), now);
  }
}

void SchedulerCore::settle_without_row(const Lookup& answer, const Hearsay& said) {
  if (said.report) {
    const bool this_one = answer.terminal && answer.terminal_attempt == said.token().attempt;
    acknowledge(said.link, said.token(), this_one ? ResultFate::recorded : ResultFate::stale);
  } else if (said.held->state != HeldState::finished) {
    kill_outbox_[said.link].items.push_back(said.token());
  }
}

void SchedulerCore::settle_inquiry(Lookup& answer, Inquiry inquiry, Now now) {
  if (!answer.row) {
    for (const Hearsay& said : inquiry.said) settle_without_row(answer, said);
    return;
  }
  answer.row->run_at = std::min(answer.row->run_at, now.wall);  // in memory whatever the horizon is
  if (find(answer.id) == nullptr) admit(std::move(*answer.row), now);
  // The newest token is adopted; what remains is judged against it.
  std::stable_sort(inquiry.said.begin(), inquiry.said.end(),
                   [](const Hearsay& a, const Hearsay& b) { return a.token().newer_than(b.token()); });
  for (Hearsay& said : inquiry.said) {
    Entry& entry = *find(answer.id);
    const bool undispatched = entry.phase == Phase::waiting || entry.phase == Phase::delayed;
    if (said.report) {
      on_result(*said.worker, said.link, std::move(*said.report), now);
    } else if (undispatched && said.token().attempt == entry.row.attempt) {
      place(entry, *said.worker, said.incarnation, *said.held, said.link, now);
    } else if (said.held->state != HeldState::finished && !(entry.token == said.token())) {
      kill_outbox_[said.link].items.push_back(said.token());
    }
  }
}

void SchedulerCore::read_failed(const ReadRequest& request, Now now) {
  if (std::holds_alternative<GroupsRead>(request)) {
    groups_reading_ = false;
    want_groups_ = true;
  } else if (const auto* page = std::get_if<PageRead>(&request)) {
    lane(page->group).abort_read();
    --pages_reading_;
  } else if (std::holds_alternative<DueRead>(request)) {
    // Nothing of that span was seen: all lanes look again from their start, up to the horizon.
    due_reading_ = false;
    for (auto& [group, its] : lanes_) its->reload();
    want_groups_ = true;
  } else {
    --lookups_reading_;
    for (const TaskId id : std::get<LookupRead>(request).ids) {
      const auto it = inquiries_.find(id);
      if (it != inquiries_.end()) it->second.asked = false;
    }
  }
  reads_paused_until_ = now.mono + std::chrono::milliseconds(200);
  end_read();
}

}  // namespace ringmaster
