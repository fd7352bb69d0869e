// Paging: tasks that wait in the store come into memory in rank order, those due later shortly before they
// are due.
#include <algorithm>

#include <glog/logging.h>

#include "master/scheduler_core.h"

namespace ringmaster {

namespace {
constexpr std::size_t kMaxLookup = 1'000;
}  // namespace

void SchedulerCore::on_shards_taken(const std::vector<ShardEpoch>& taken, Now now) {
  shards_.taken(taken);
  if (horizon_ == WallTime{}) {
    horizon_ = now.wall + options_.due_horizon;
    next_sweep_ = now.mono + options_.due_horizon / 2;
  }
  last_take_ = {now.mono, announce_sequence_ + 1};
  for (auto& [id, worker] : workers_) {
    if (worker->link != 0) announce(*worker, taken);
  }
  for (const ShardEpoch& shard : taken) takes_[shard.shard] = *last_take_;
  reload_all();
}

void SchedulerCore::freeze() {
  frozen_ = true;
}

void SchedulerCore::unfreeze() {
  frozen_ = false;
  for (auto& [group, its] : lanes_) moved_.insert(its.get());
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
  std::erase_if(effects_.lates, foreign);
  std::erase_if(keeping_, [&](const auto& item) { return !shards_.owns(item.first.task.shard()); });
  for (auto& [link, batch] : dispatch_outbox_) std::erase_if(batch.items, foreign);
  std::erase_if(inquiries_, [&](const auto& item) { return !shards_.owns(item.first.shard()); });
}

bool SchedulerCore::being_accepted(TaskId id) const {
  auto it = accepting_.upper_bound(id);
  return it != accepting_.begin() && id <= std::prev(it)->second;
}

// A row that was read. What memory knows of the task is newer.
void SchedulerCore::take_row(TaskRow row, ReadStamp begun, Now now) {
  const TaskId id = row.id;
  if (!shards_.owns(id.shard()) || find(id) != nullptr || inquiries_.contains(id) || outdated(id, begun) ||
      being_accepted(id)) {
    return;
  }
  const bool wanted_cancelled = std::exchange(row.cancel_requested, false);
  Entry* entry = bring_in(std::move(row), now);
  if (entry == nullptr) return;
  entry->row.cancel_requested = wanted_cancelled;
  if (is_bound(*entry)) check_placed(*entry, now);
  if (wanted_cancelled) cancel(*entry);
}

// A row into memory. A recorded dispatch is on that life of that worker until it says otherwise or a verdict
// falls. Null: it is due later.
SchedulerCore::Entry* SchedulerCore::bring_in(TaskRow row, Now now) {
  const TaskId id = row.id;
  if (row.worker.empty()) {
    admit(std::move(row), now);
    return find(id);
  }
  const HeldAttempt held{{id, row.epoch, row.attempt},
                         row.state == TaskState::running ? HeldState::running : HeldState::queued,
                         row.started_at};
  Worker& worker = worker_named(row.worker, now);
  const Incarnation incarnation = row.worker_incarnation;
  row.run_at = std::min(row.run_at, now.wall);  // in memory whatever the horizon is
  admit(std::move(row), now);
  Entry& entry = *find(id);
  place(entry, worker, incarnation, held, 0, now);
  entry.marked = held.state == HeldState::running;
  return &entry;
}

bool SchedulerCore::is_bound(const Entry& entry) {
  return entry.phase == Phase::sent || entry.phase == Phase::running;
}

// Somebody said that `worker` held this attempt, in that life, when `link` was its channel (0: before our
// time).
void SchedulerCore::place(Entry& entry, Worker& worker, Incarnation incarnation, const HeldAttempt& held,
                          LinkId link, Now now) {
  adopt(entry, worker, held, now);
  entry.row.worker_incarnation = incarnation;
  entry.link = link;
  entry.accepted = link != 0;  // else the row says no more than that it was to be sent there
}

// What the worker itself has said since decides.
void SchedulerCore::check_placed(Entry& entry, Now now) {
  Worker& worker = *entry.worker;
  const bool answered_since = worker.link != 0 && worker.link != entry.link && worker.ready &&
                              worker.inventoried >= takes_[entry.row.id.shard()].sequence;
  if (answered_since) {
    if (worker.incarnation == entry.row.worker_incarnation) {
      unbind(entry);
      enqueue(entry);
    } else {
      lose_attempt(entry, Death::replaced, now);
    }
  } else if (worker.link == 0 && !worker.registered && registry_seen_) {
    lose_attempt(entry, Death::suspected, now);
  }
}

bool SchedulerCore::gate_open(const Lane& its, Now now) const {
  if (!registry_seen_) return false;
  if (!last_take_ || now.mono - last_take_->at >= options_.inventory_wait) return true;
  // Whoever may hold a task of this group must have spoken: a draining or unregistered worker on a channel
  // too, and one that has just gone, whose spool may come back with it.
  for (const auto& [id, worker] : workers_) {
    const auto& served = worker->registration.groups;
    const bool serves = std::find(served.begin(), served.end(), its.group()) != served.end();
    const bool just_gone =
        worker->unreachable_since && now.mono - *worker->unreachable_since < options_.inventory_wait;
    if (!its.workers.contains(id) && !(serves && (worker->link != 0 || just_gone))) continue;
    if (!worker->ready || worker->inventoried < last_take_->sequence) return false;
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
    DueRead read{{}, horizon_, until, options_.page_size, read_clock_};
    for (const auto& [group, its] : lanes_) read.groups.push_back(group);
    effects_.reads.push_back(std::move(read));
    horizon_ = std::max(horizon_, until);
    next_sweep_ = now.mono + options_.due_horizon / 2;
  }
  if (!due_reading_ && now.mono < next_sweep_) {
    read_pages(Lane::Queue::served, now);
    read_pages(Lane::Queue::idle, now);
  }
  std::vector<TaskId> ids;
  for (auto& [id, inquiry] : inquiries_) {
    const Entry* entry = find(id);
    // While its insert or its end is being committed an answer would be older than that.
    if (inquiry.asked || being_accepted(id) || (entry != nullptr && entry->phase == Phase::ending)) continue;
    inquiry.asked = true;
    ids.push_back(id);
    if (ids.size() == kMaxLookup) break;
  }
  if (!ids.empty()) {
    ++lookups_reading_;
    effects_.reads.push_back(LookupRead{std::move(ids), read_clock_});
  }
}

void SchedulerCore::end_page(const PageRead& request) {
  --pages_reading_;
  rows_reading_ -= request.limit;
}

void SchedulerCore::end_read() {
  if (!reading() && lookups_reading_ == 0) touched_.clear();
}

void SchedulerCore::on_groups(const std::vector<std::string>& groups) {
  groups_reading_ = false;
  for (const std::string& group : groups) {
    Lane& its = lane(group);
    its.reload();
    moved_.insert(&its);
  }
}

void SchedulerCore::on_page(const PageRead& request, std::vector<TaskRow> rows, PageKey last, bool exhausted,
                            Now now) {
  Lane& its = lane(request.group);
  for (TaskRow& row : rows) take_row(std::move(row), request.begun, now);
  its.end_read(last, exhausted);
  moved_.insert(&its);
  end_page(request);
  end_read();
}

void SchedulerCore::on_due(const DueRead& request, std::vector<TaskRow> rows, Now now) {
  if (rows.size() >= static_cast<std::size_t>(request.limit)) {
    // Too many for one answer: every lane pages them in, in order.
    reload_all();
  }
  for (TaskRow& row : rows) take_row(std::move(row), request.begun, now);
  due_reading_ = false;
  end_read();
}

void SchedulerCore::on_lookup(const LookupRead& request, std::vector<Lookup> answers, Now now) {
  for (Lookup& answer : answers) {
    const auto it = inquiries_.find(answer.id);
    if (it == inquiries_.end()) continue;
    if (outdated(answer.id, request.begun)) {  // something was committed meanwhile: look again
      it->second.asked = false;
      continue;
    }
    Inquiry inquiry = std::move(it->second);
    inquiries_.erase(it);
    if (!shards_.owns(answer.id.shard())) continue;
    settle_inquiry(answer, std::move(inquiry), now);
  }
  --lookups_reading_;
  end_read();
}

void SchedulerCore::settle_without_row(const Lookup& answer, Hearsay& said) {
  if (said.report) {
    const auto& end = answer.end;
    // A verdict on its worker has its token too, and the master's time.
    const bool this_one = end && end->token == said.token() && end->worker == said.worker->id &&
                          end->result.finished_at == said.report->result.finished_at;
    if (this_one) return acknowledge(said.reporter, said.token(), ResultFate::recorded);
    // Its history is gone, too.
    if (!end) return acknowledge(said.reporter, said.token(), ResultFate::stale);
  }
  refuse(said);
}

// It speaks of an attempt that a committed fact has overtaken.
void SchedulerCore::refuse(Hearsay& said) {
  if (said.report) {
    keep_late(said.reporter, said.worker->id, std::move(*said.report));
  } else if (said.held->state != HeldState::finished) {
    kill_outbox_[said.link].items.push_back(said.token());
  }
}

void SchedulerCore::settle_inquiry(Lookup& answer, Inquiry inquiry, Now now) {
  if (!answer.row) {
    for (Hearsay& said : inquiry.said) settle_without_row(answer, said);
    return;
  }
  TaskRow& row = *answer.row;
  const bool wanted_cancelled = std::exchange(row.cancel_requested, false);
  bool placed = false;  // by what is said here, which may be out of date
  if (find(answer.id) == nullptr) {
    if (row.state == TaskState::quarantined &&
        !wanted_cancelled) {  // whatever is said is of an older attempt
      for (Hearsay& said : inquiry.said) refuse(said);
      return;
    }
    // What a worker speaks of is in memory whatever the horizon is.
    if (!inquiry.said.empty() || wanted_cancelled) row.run_at = std::min(row.run_at, now.wall);
    if (bring_in(std::move(row), now) == nullptr) return;
    placed = true;
  }
  // The newest token is adopted; what remains is judged against it.
  std::stable_sort(inquiry.said.begin(), inquiry.said.end(),
                   [](const Hearsay& a, const Hearsay& b) { return a.token().newer_than(b.token()); });
  for (Hearsay& said : inquiry.said) {
    Entry& entry = *find(answer.id);
    const bool undispatched = entry.phase == Phase::waiting || entry.phase == Phase::delayed;
    if (said.report) {
      on_result(*said.worker, said.reporter, std::move(*said.report), now);
    } else if (undispatched && said.token().attempt == entry.row.attempt) {
      place(entry, *said.worker, said.incarnation, *said.held, said.link, now);
      placed = true;
    } else if (is_bound(entry) && entry.token == said.token() && entry.worker == said.worker) {
      place(entry, *said.worker, said.incarnation, *said.held, said.link, now);  // the record is confirmed
    } else if (said.held->state != HeldState::finished && !(entry.token == said.token())) {
      kill_outbox_[said.link].items.push_back(said.token());
    }
  }
  Entry& entry = *find(answer.id);
  entry.row.cancel_requested |= wanted_cancelled;
  if (placed && is_bound(entry)) check_placed(entry, now);
  if (wanted_cancelled) cancel(entry);
}

void SchedulerCore::read_failed(const ReadRequest& request, Now now) {
  if (std::holds_alternative<GroupsRead>(request)) {
    groups_reading_ = false;
    want_groups_ = true;
  } else if (const auto* page = std::get_if<PageRead>(&request)) {
    Lane& its = lane(page->group);
    its.abort_read();
    moved_.insert(&its);
    end_page(*page);
  } else if (std::holds_alternative<DueRead>(request)) {
    // Nothing of that span was seen: all lanes look again from their start, up to the horizon.
    due_reading_ = false;
    reload_all();
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
