#include "master/scheduler_core.h"

#include <algorithm>

#include <glog/logging.h>

namespace ringmaster {

SchedulerCore::SchedulerCore(std::string self, CoreOptions options)
    : self_(std::move(self)), options_(options), shards_(self_) {}

SchedulerCore::~SchedulerCore() = default;

Lane& SchedulerCore::lane(const std::string& group) {
  auto& slot = lanes_[group];
  if (!slot) slot = std::make_unique<Lane>(group);
  return *slot;
}

SchedulerCore::Worker& SchedulerCore::worker_named(const std::string& id, Now now) {
  auto& slot = workers_[id];
  if (!slot) {
    slot = std::make_unique<Worker>();
    slot->id = id;
    slot->unreachable_since = now.mono;
  }
  return *slot;
}

SchedulerCore::Entry* SchedulerCore::find(TaskId id) {
  const auto it = tasks_.find(id);
  return it == tasks_.end() ? nullptr : it->second.get();
}

void SchedulerCore::tick(Now now) {
  while (!delayed_.empty() && delayed_.begin()->first <= now.wall) {
    Entry& entry = *find(delayed_.begin()->second);
    delayed_.erase(delayed_.begin());
    --entry.lane->delayed;
    entry.row.state = TaskState::ready;
    enqueue(entry);
  }
  expire_start_deadlines(now);
  end_lease_waits(now);
  while (!mark_queue_.empty() && now.mono - mark_queue_.front().first >= options_.running_mark_after) {
    const Token token = mark_queue_.front().second;
    mark_queue_.pop_front();
    Entry* entry = find(token.task);
    if (entry == nullptr || entry->phase != Phase::running || !(entry->token == token) || entry->marked)
      continue;
    entry->marked = true;
    effects_.marks.push_back({token, entry->row.worker, entry->row.worker_incarnation,
                              entry->row.started_at.value_or(now.wall), entry->recorded});
  }
  if (now.mono < next_worker_check_) return;
  next_worker_check_ = now.mono + std::chrono::milliseconds(500);
  std::set<std::string> all;
  for (auto& [id, worker] : workers_) {
    all.insert(id);
    // The registry shows it, yet we cannot reach it: it may be cut off from us alone. Not for ever.
    if (worker->link == 0 && worker->unreachable_since &&
        now.mono - *worker->unreachable_since >= options_.worker_timeout) {
      declare_lost(*worker, Death::suspected, now);
    }
  }
  tell_demand(all, true);
}

// A task that found no worker in the time its submitter allowed ends with that as its visible reason.
void SchedulerCore::expire_start_deadlines(Now now) {
  while (!start_deadlines_.empty() && start_deadlines_.begin()->first <= now.wall) {
    const TaskId id = start_deadlines_.begin()->second;
    start_deadlines_.erase(start_deadlines_.begin());
    Entry* entry = find(id);
    const bool waits = entry->phase == Phase::waiting || entry->phase == Phase::delayed;
    if (!waits || entry->row.attempt > 1) continue;
    detach(*entry);
    entry->phase = Phase::ending;
    entry->reporter = {};
    entry->token = {id, shards_.epoch(id.shard()), entry->row.attempt};
    AttemptResult result;
    result.outcome = Outcome::timed_out;
    result.finished_at = now.wall;
    const Lane& its = *entry->lane;
    result.message = "not started within its start_deadline of " +
                     format_duration(entry->row.task.start_deadline) +
                     (its.workers.empty() ? ": no worker serves group " + its.group()
                                          : ": no worker of group " + its.group() + " had room");
    end_task(*entry, TaskState::timed_out, std::move(result), {});
  }
}

std::optional<WallTime> SchedulerCore::next_wake() const {
  std::optional<WallTime> wake;
  if (!delayed_.empty()) wake = delayed_.begin()->first;
  if (!start_deadlines_.empty() && (!wake || start_deadlines_.begin()->first < *wake)) {
    wake = start_deadlines_.begin()->first;
  }
  return wake;
}

Effects SchedulerCore::take_effects(Now now) {
  if (!frozen_) {
    while (!moved_.empty()) {
      Lane& its = **moved_.begin();
      moved_.erase(moved_.begin());
      settle(its);
    }
    if (waiting_ <= options_.waiting_window) room_wanted_at_ = 0;
    if (waiting_ > std::max(options_.waiting_window, room_wanted_at_)) make_room();
    tell_demand(std::exchange(demand_moved_, {}), false);
  }
  if (now.mono >= reads_paused_until_) plan_reads(now);
  flush_outboxes();
  return std::exchange(effects_, {});
}

std::optional<SchedulerCore::Live> SchedulerCore::live(TaskId id) const {
  const auto it = tasks_.find(id);
  if (it == tasks_.end()) return std::nullopt;
  const Entry& entry = *it->second;
  Live live{entry.row.state, entry.row.worker, entry.row.started_at, {id, 0, entry.row.attempt}, {}};
  switch (entry.phase) {
    case Phase::running:
      live.state = TaskState::running;
      live.token = entry.token;
      if (entry.progress) live.progress = *entry.progress;
      break;
    case Phase::sent:
    case Phase::ending:
      live.token = entry.token;
      break;
    case Phase::waiting:
    case Phase::recording:
      live.state = TaskState::ready;
      live.worker.clear();
      break;
    case Phase::delayed:
      break;
  }
  if (entry.row.cancel_requested) live.state = TaskState::cancelling;
  return live;
}

std::vector<WorkerView> SchedulerCore::workers() const {
  std::vector<WorkerView> views;
  for (const auto& [id, worker] : workers_) {
    if (!worker->registered && worker->link == 0 && worker->bound.empty()) continue;
    const WorkerRegistration& r = worker->registration;
    views.push_back({.id = id,
                     .address = r.address,
                     .version = r.version,
                     .incarnation = worker->link != 0 ? worker->incarnation : r.incarnation,
                     .groups = r.groups,
                     .slots = r.slots,
                     .registered = worker->registered,
                     .connected = worker->link != 0,
                     .draining = worker->draining,
                     .credit_limit = worker->credit_limit,
                     .outstanding = static_cast<std::uint32_t>(worker->bound.size()),
                     .queued = worker->queued,
                     .running = worker->running,
                     .spooled = worker->spooled,
                     .started_at = r.started_at});
  }
  return views;
}

std::map<std::string, std::string> SchedulerCore::wanted_links() const {
  std::map<std::string, std::string> wanted;
  for (const auto& [id, worker] : workers_) {
    if ((worker->registered || !worker->bound.empty()) && !worker->registration.address.empty()) {
      wanted.emplace(id, worker->registration.address);
    }
  }
  return wanted;
}

std::vector<ClusterReply::Lane> SchedulerCore::lanes() const {
  std::vector<ClusterReply::Lane> result;
  for (const auto& [group, its] : lanes_) {
    result.push_back({group, its->size(), its->dispatched, its->in_store(),
                      static_cast<std::uint32_t>(its->workers.size())});
  }
  return result;
}

std::vector<GroupsReply::Group> SchedulerCore::groups() const {
  std::map<std::string, GroupsReply::Group> found;
  for (const auto& [group, its] : lanes_) {
    if (its->size() + its->delayed + its->dispatched == 0 && !its->in_store()) continue;
    found[group] = {group, 0, 0, its->size() + its->delayed, its->dispatched, its->in_store()};
  }
  for (const auto& [id, worker] : workers_) {
    if (!worker->registered) continue;
    for (const std::string& name : worker->registration.groups) {
      GroupsReply::Group& group = found[name];
      group.name = name;
      ++group.workers;
      group.slots += worker->registration.slots;
    }
  }
  std::vector<GroupsReply::Group> groups;
  for (auto& [name, group] : found) groups.push_back(std::move(group));
  return groups;
}

LinkId SchedulerCore::link_of(const std::string& worker) const {
  const auto found = workers_.find(worker);
  return found == workers_.end() ? 0 : found->second->link;
}

}  // namespace ringmaster
