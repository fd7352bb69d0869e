// From a lane's head to a worker's channel.
#include <algorithm>

#include "master/scheduler_core.h"

namespace ringmaster {

namespace {
// A DispatchBatch stays well below the frame bound whatever the specs are.
constexpr std::size_t kMaxBatchBytes = 1 << 20;
constexpr std::size_t kMaxBatchItems = 1'000;
}  // namespace

void SchedulerCore::pump(Lane& lane) {
  while (!lane.empty() && lane.workers_with_credit > 0) {
    Entry& entry = *find(lane.front().id);
    lane.pop_front();
    if (Worker* worker = choose(lane, entry)) dispatch(entry, *worker);
  }
}

// The ring owner of the task's key, or (bounded) the next server clockwise that has credit. Null: it was
// parked.
SchedulerCore::Worker* SchedulerCore::choose(Lane& lane, Entry& entry) {
  const NewTask& task = entry.row.task;
  Worker* chosen = nullptr;
  std::string owner;
  auto try_server = [&](std::string_view name) {
    Worker* worker = workers_.find(name)->second.get();
    if (worker->has_credit) {
      chosen = worker;
    } else if (task.routing == Routing::strict) {
      owner = name;
    }
    return chosen != nullptr || task.routing == Routing::strict;
  };
  if (task.routing_key.empty()) {
    lane.ring.walk(to_string(entry.row.id), try_server);
  } else {
    lane.ring.walk(task.routing_key, try_server);
  }
  if (chosen == nullptr) lane.park(owner, entry.key());
  return chosen;
}

void SchedulerCore::dispatch(Entry& entry, Worker& worker) {
  const TaskRow& row = entry.row;
  entry.token = {row.id, shards_.epoch(row.id.shard()), row.attempt};
  entry.row.worker = worker.id;
  entry.row.worker_incarnation = worker.incarnation;
  entry.row.epoch = entry.token.epoch;
  entry.row.started_at.reset();
  entry.link = worker.link;
  entry.announce = worker.announced;
  entry.accepted = false;
  entry.marked = false;
  bind(entry, worker);
  if (row.task.on_worker_lost == OnWorkerLost::rerun) {
    send_dispatch(entry);
  } else {  // durable before it is sent: this attempt must not run twice
    entry.phase = Phase::recording;
    effects_.records.push_back({entry.token, worker.id, worker.incarnation, {}, entry.recorded});
  }
}

void SchedulerCore::send_dispatch(Entry& entry) {
  entry.phase = Phase::sent;
  ++counters_.dispatched;
  const NewTask& task = entry.row.task;
  DispatchBatch& batch = dispatch_outbox_[entry.link];
  batch.worker = entry.worker->incarnation;
  batch.items.push_back({entry.token, task.ns, task.group, task.kind, task.spec, task.timeout,
                         task.on_worker_lost, task.traceparent});
}

void SchedulerCore::on_recorded(const std::vector<RunningMark>& items, const std::vector<WriteFate>& fates,
                                Now /*now*/) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    Entry* entry = find(items[i].token.task);
    if (entry == nullptr || entry->phase != Phase::recording || !(entry->token == items[i].token)) continue;
    if (fates[i] == WriteFate::cancelling) {
      entry->row.cancel_requested = true;
      unbind(*entry);
      enqueue(*entry);
      continue;
    }
    if (fates[i] != WriteFate::applied) {  // a committed fact that we did not know: PostgreSQL is right
      const TaskId id = entry->row.id;
      touch(id);
      take_out(*entry);
      inquiries_.try_emplace(id);
      continue;
    }
    entry->recorded = items[i].worker_incarnation;
    Worker& worker = *entry->worker;
    // The link that it was meant for may be gone: then nobody has it, and it may go to any worker.
    const bool same_link =
        worker.link != 0 && worker.link == entry->link && worker.incarnation == items[i].worker_incarnation;
    if (same_link && !entry->row.cancel_requested) {
      send_dispatch(*entry);
    } else {
      unbind(*entry);
      enqueue(*entry);
    }
  }
}

void SchedulerCore::on_marked(const std::vector<RunningMark>& items, const std::vector<WriteFate>& fates) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    Entry* entry = find(items[i].token.task);
    if (entry == nullptr || fates[i] != WriteFate::applied || entry->row.attempt != items[i].token.attempt)
      continue;
    entry->recorded = items[i].worker_incarnation;
  }
}

void SchedulerCore::update_credit(Worker& worker) {
  const bool credit = worker.ready && worker.link != 0 && worker.registered && !worker.draining &&
                      !worker.busy && worker.bound.size() < worker.credit_limit;
  if (credit == worker.has_credit) return;
  worker.has_credit = credit;
  if (credit) demand_moved_.insert(worker.id);
  for (const std::string& group : worker.registration.groups) {
    Lane& its = lane(group);
    if (credit) {
      ++its.workers_with_credit;
      its.unpark(worker.id);
      moved_.insert(&its);
    } else {
      --its.workers_with_credit;
    }
  }
}

void SchedulerCore::rebuild_rings(const std::set<std::string>& groups) {
  for (const std::string& group : groups) {
    Lane& its = lane(group);
    its.workers.clear();
    std::vector<RingMember> members;
    for (const auto& [id, worker] : workers_) {
      const auto& served = worker->registration.groups;
      if (worker->registered && !worker->draining &&
          std::find(served.begin(), served.end(), group) != served.end()) {
        its.workers.insert(id);
        members.push_back({id, worker->registration.weight});
      }
    }
    its.ring = its.ring.changed_to(std::move(members));
    its.unpark_all();
    moved_.insert(&its);
    demand_moved_.insert(its.workers.begin(), its.workers.end());
  }
}

void SchedulerCore::flush_outboxes() {
  for (auto& [link, batch] : dispatch_outbox_) {
    DispatchBatch part{batch.worker, {}};
    std::size_t bytes = 0;
    auto flush = [&] {
      effects_.sends.emplace_back(link, std::move(part));
      part = {batch.worker, {}};
      bytes = 0;
    };
    for (Dispatch& item : batch.items) {
      const std::size_t size = item.spec.size() + 200;
      if (!part.items.empty() && (bytes + size > kMaxBatchBytes || part.items.size() >= kMaxBatchItems))
        flush();
      bytes += size;
      part.items.push_back(std::move(item));
    }
    if (!part.items.empty()) flush();
  }
  dispatch_outbox_.clear();
  for (auto& [reporter, acks] : ack_outbox_) {
    if (reporter.relayed_for.empty()) {
      effects_.sends.emplace_back(reporter.link, ResultAckBatch{std::move(acks)});
    } else {
      effects_.sends.emplace_back(reporter.link, RelayedAcks{reporter.relayed_for, std::move(acks)});
    }
  }
  ack_outbox_.clear();
  for (auto& [link, batch] : kill_outbox_) effects_.sends.emplace_back(link, std::move(batch));
  kill_outbox_.clear();
}

// Workers divide their credit among the masters that have demand: say when ours begins and ends, and each
// second.
void SchedulerCore::tell_demand(const std::set<std::string>& workers, bool periodic) {
  for (const std::string& id : workers) {
    Worker& worker = *workers_.find(id)->second;
    if (worker.link == 0) continue;
    std::uint64_t demand = worker.bound.size();
    for (const std::string& group : worker.registration.groups) {
      const Lane& its = lane(group);
      demand += its.size() + (its.in_store() ? 1 : 0);
    }
    const bool changed = (demand == 0) != (worker.demand_told == 0);
    if (!changed && !(periodic && demand != worker.demand_told)) continue;
    worker.demand_told = demand;
    effects_.sends.emplace_back(worker.link, MasterStatus{demand});
  }
}

}  // namespace ringmaster
