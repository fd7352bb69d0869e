// The life of a task in memory: admitted after its insert, ended after its completion.
#include <algorithm>

#include <glog/logging.h>

#include "base/backoff.h"
#include "master/scheduler_core.h"

namespace ringmaster {

TaskRow SchedulerCore::make_row(NewTask task, TaskId id, Now now) const {
  TaskRow row;
  row.id = id;
  row.created_at = now.wall;
  row.run_at = task.run_at.value_or(now.wall);
  row.rank = rank_of(row.run_at, task.priority, options_.ageing_step);
  row.state = row.run_at > now.wall ? TaskState::delayed : TaskState::ready;
  row.task = std::move(task);
  return row;
}

void SchedulerCore::on_accepted(std::vector<TaskRow> rows, Now now) {
  counters_.accepted += rows.size();
  for (TaskRow& row : rows) {
    if (shards_.owns(row.id.shard())) admit(std::move(row), now);
  }
}

void SchedulerCore::admit(TaskRow row, Now now) {
  Lane& its_lane = lane(row.task.group);  // also of those that the sweep will find there
  if (row.run_at > horizon_ && row.run_at > now.wall) return;
  const TaskId id = row.id;
  auto [it, inserted] = tasks_.try_emplace(id);
  CHECK(inserted) << to_string(id) << " is in memory already";
  it->second = std::make_unique<Entry>();
  Entry& entry = *it->second;
  entry.row = std::move(row);
  entry.lane = &its_lane;
  if (!entry.row.worker.empty()) entry.recorded = entry.row.worker_incarnation;
  if (entry.row.task.start_deadline > Duration{0} && !entry.row.started_at) {
    start_deadlines_.emplace(entry.row.run_at + entry.row.task.start_deadline, id);
  }
  if (entry.row.run_at > now.wall && !entry.row.cancel_requested) {
    entry.phase = Phase::delayed;
    ++entry.lane->delayed;
    moved_.insert(entry.lane);
    delayed_.emplace(entry.row.run_at, id);
  } else {
    enqueue(entry);
  }
}

void SchedulerCore::enqueue(Entry& entry) {
  entry.phase = Phase::waiting;
  if (entry.row.cancel_requested) {  // it is on no worker: this is its end
    entry.phase = Phase::ending;
    entry.reporter = {};
    entry.token = {entry.row.id, shards_.epoch(entry.row.id.shard()), entry.row.attempt};
    AttemptResult result;
    result.outcome = Outcome::cancelled;
    result.message = "cancelled before it started";
    return end_task(entry, TaskState::cancelled, std::move(result), {});
  }
  entry.lane->push(entry.key());
  moved_.insert(entry.lane);
  // Its deadline may have passed while it was out, and it never started.
  const Duration limit = entry.row.task.start_deadline;
  if (limit > Duration{0} && entry.row.attempt == 1 && !entry.row.started_at)
    start_deadlines_.emplace(entry.row.run_at + limit, entry.row.id);
}

// Back to the store with what exceeds the window; it is paged in again in its turn.
void SchedulerCore::trim(Lane& lane, std::size_t window) {
  while (lane.size() > window && !lane.reading()) {
    const PageKey last = lane.back();
    lane.drop(last);
    take_out(*find(last.id));
  }
}

TaskRow SchedulerCore::take_out(Entry& entry) {
  detach(entry);
  TaskRow row = std::move(entry.row);
  if (row.task.start_deadline > Duration{0}) {
    start_deadlines_.erase({row.run_at + row.task.start_deadline, row.id});
  }
  tasks_.erase(row.id);
  return row;
}

void SchedulerCore::touch(TaskId id) {
  if (reading() || lookups_reading_ > 0) touched_[id] = ++read_clock_;
}

bool SchedulerCore::outdated(TaskId id, ReadStamp begun) const {
  const auto touched = touched_.find(id);
  return touched != touched_.end() && touched->second > begun;
}

void SchedulerCore::detach(Entry& entry) {
  switch (entry.phase) {
    case Phase::waiting:
      entry.lane->erase(entry.key());
      moved_.insert(entry.lane);
      break;
    case Phase::delayed:
      delayed_.erase({entry.row.run_at, entry.row.id});
      --entry.lane->delayed;
      moved_.insert(entry.lane);
      break;
    case Phase::recording:
    case Phase::sent:
    case Phase::running:
      unbind(entry);
      break;
    case Phase::ending:
      break;
  }
}

void SchedulerCore::bind(Entry& entry, Worker& worker) {
  entry.worker = &worker;
  if (worker.bound.empty()) busy_changed(worker);
  worker.bound.insert(entry.row.id);
  ++entry.lane->dispatched;
  update_credit(worker);
}

// It got its first attempt, or lost its last one.
void SchedulerCore::busy_changed(Worker& worker) {
  demand_moved_.insert(worker.id);
  if (!worker.registered) links_moved_ = true;  // it is dialled for their sake alone
}

void SchedulerCore::unbind(Entry& entry) {
  Worker& worker = *entry.worker;
  worker.bound.erase(entry.row.id);
  if (worker.bound.empty()) busy_changed(worker);
  --entry.lane->dispatched;
  entry.worker = nullptr;
  entry.link = 0;
  update_credit(worker);
}

void SchedulerCore::acknowledge(const Reporter& reporter, Token token, ResultFate fate) {
  if (reporter.link != 0) ack_outbox_[reporter].push_back({token, fate});
}

// A result that counts no more, and the worker forgets it: but first it is kept where people can see it.
void SchedulerCore::keep_late(const Reporter& reporter, const std::string& worker, ResultReport report) {
  const auto [waiting, fresh] = keeping_.try_emplace(report.token, reporter);
  if (!fresh) {  // said again: the newest channel is answered
    if (waiting->second.link < reporter.link) waiting->second = reporter;
    return;
  }
  ++counters_.stale_results;
  effects_.lates.push_back({report.token, worker, std::move(report.result)});
}

void SchedulerCore::on_late_kept(const std::vector<LateResult>& items) {
  for (const LateResult& item : items) {
    const auto waiting = keeping_.extract(item.token);
    if (waiting) acknowledge(waiting.mapped(), item.token, ResultFate::stale);
  }
}

// Turns the end of an attempt into the transition that follows from it.
void SchedulerCore::finish_attempt(Entry& entry, AttemptResult result, std::string worker, Reporter reporter,
                                   Now now) {
  detach(entry);
  entry.phase = Phase::ending;
  entry.reporter = std::move(reporter);
  TaskRow& row = entry.row;
  if (result.worker_died) ++row.crashes;
  if (row.cancel_requested && result.outcome != Outcome::succeeded) {
    return end_task(entry, TaskState::cancelled, std::move(result), std::move(worker));
  }
  switch (result.outcome) {
    case Outcome::succeeded:
      return end_task(entry, TaskState::succeeded, std::move(result), std::move(worker));
    case Outcome::failed:
    case Outcome::timed_out: {
      ++row.failures;
      if (result.permanent || row.failures >= row.task.retry.max_attempts) {
        const TaskState state = result.outcome == Outcome::failed ? TaskState::failed : TaskState::timed_out;
        return end_task(entry, state, std::move(result), std::move(worker));
      }
      const Duration delay = backoff_delay(row.task.retry, row.failures);
      return retry_task(entry, std::move(result), std::move(worker), delay, now);
    }
    case Outcome::released: {  // at once if its worker leaves; else it is not offered in a circle at full
                               // speed
      const auto from = workers_.find(worker);
      const bool leaving = from == workers_.end() || from->second->draining || from->second->link == 0;
      const Duration delay =
          leaving ? Duration{0} : std::max<Duration>(row.task.retry.backoff, std::chrono::seconds(1));
      return retry_task(entry, std::move(result), std::move(worker), delay, now);
    }
    case Outcome::cancelled:  // its worker gave it up while shutting down; nobody asked to cancel the task
    case Outcome::lost:
      if (row.task.on_worker_lost == OnWorkerLost::fail) {
        return end_task(entry, TaskState::lost, std::move(result), std::move(worker));
      }
      return retry_task(entry, std::move(result), std::move(worker), Duration{0}, now);
  }
}

void SchedulerCore::end_task(Entry& entry, TaskState state, AttemptResult result, std::string worker) {
  effects_.completions.push_back({entry.token, state, std::move(worker), std::move(result)});
}

void SchedulerCore::retry_task(Entry& entry, AttemptResult result, std::string worker, Duration delay,
                               Now now) {
  Retry retry;
  retry.token = entry.token;
  retry.worker = std::move(worker);
  retry.result = std::move(result);
  retry.next_attempt = entry.row.attempt + 1;
  retry.failures = entry.row.failures;
  retry.crashes = entry.row.crashes;
  retry.run_at = now.wall + delay;
  retry.rank = rank_of(retry.run_at, entry.row.task.priority, options_.ageing_step);
  if (retry.crashes >= options_.max_crashes) quarantine(retry);
  effects_.retries.push_back(std::move(retry));
}

// It may be what kills the workers: it waits for somebody to look at it.
void SchedulerCore::quarantine(Retry& retry) {
  ++counters_.quarantined;
  retry.state = TaskState::quarantined;
  retry.rank = kQuarantineRank;
  LOG(WARNING) << to_string(retry.token.task) << " is quarantined: it ran on " << retry.crashes
               << " workers when they died";
}

void SchedulerCore::on_completed(const std::vector<Completion>& items, const std::vector<WriteFate>& fates) {
  CHECK_EQ(items.size(), fates.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Completion& item = items[i];
    Entry* entry = find(item.token.task);
    if (entry == nullptr || entry->phase != Phase::ending) continue;  // its shard was released meanwhile
    const bool applied = fates[i] == WriteFate::applied;
    acknowledge(entry->reporter, item.token, applied ? ResultFate::recorded : ResultFate::stale);
    if (applied) {
      ++counters_.completed;
      effects_.finished.push_back({item.token.task, item.state, item.result.exit_code, item.worker});
    } else {
      // A committed fact that we did not know, though we own the shard: never expected, so say it loudly.
      LOG(ERROR) << to_string(item.token.task) << ": its completion met "
                 << (fates[i] == WriteFate::stale ? "a newer state" : "no such task")
                 << "; dropped from memory";
    }
    touch(item.token.task);
    take_out(*entry);
  }
}

void SchedulerCore::on_retried(const std::vector<Retry>& items, const std::vector<WriteFate>& fates,
                               Now now) {
  CHECK_EQ(items.size(), fates.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Retry& item = items[i];
    Entry* entry = find(item.token.task);
    if (entry == nullptr || entry->phase != Phase::ending) continue;
    if (fates[i] == WriteFate::cancelling) {  // the intent was committed first: this was its last attempt
      entry->row.cancel_requested = true;
      end_task(*entry, TaskState::cancelled, item.result, item.worker);
      continue;
    }
    const bool applied = fates[i] == WriteFate::applied;
    acknowledge(entry->reporter, item.token, applied ? ResultFate::recorded : ResultFate::stale);
    touch(item.token.task);
    TaskRow row = take_out(*entry);
    if (!applied) {
      LOG(WARNING) << to_string(row.id) << ": its retry met a newer state or no task; its row decides";
      inquiries_.try_emplace(row.id);
      continue;
    }
    ++counters_.retried;
    row.attempt = item.next_attempt;
    row.run_at = item.run_at;
    row.rank = item.rank;
    row.state = item.state;
    row.worker.clear();
    row.worker_incarnation = {};
    row.epoch = 0;
    row.started_at.reset();
    // A quarantined one waits in the store, unless its end is wanted.
    if (row.cancel_requested) row.run_at = std::min(row.run_at, now.wall);
    if (row.state == TaskState::delayed || row.cancel_requested) admit(std::move(row), now);
  }
}

// ---- what people want of it ----

void SchedulerCore::on_controlled(const std::vector<Control>& items, const std::vector<WriteFate>& fates) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    const TaskId id = items[i].id;
    if (fates[i] != WriteFate::applied || !shards_.owns(id.shard())) continue;
    touch(id);
    Entry* entry = find(id);
    if (entry == nullptr || items[i].action == ControlAction::release) {
      inquiries_.try_emplace(id);  // its row decides, once what is being committed of it is
    } else if (items[i].action == ControlAction::cancel) {
      entry->row.cancel_requested = true;
      cancel(*entry);
    }
  }
}

void SchedulerCore::cancel(Entry& entry) {
  switch (entry.phase) {
    case Phase::waiting:
    case Phase::delayed:
      detach(entry);
      return enqueue(entry);
    case Phase::sent:
    case Phase::running:
      if (entry.worker->link != 0) kill_outbox_[entry.worker->link].items.push_back(entry.token);
      return;
    case Phase::recording:  // it is not sent any more
    case Phase::ending:
      return;
  }
}

}  // namespace ringmaster
