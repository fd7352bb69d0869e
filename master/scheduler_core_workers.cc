// What workers say, and what is concluded from their silence.
#include <algorithm>

#include <glog/logging.h>

#include "base/backoff.h"
#include "master/scheduler_core.h"

namespace ringmaster {

namespace {
template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
}  // namespace

// ---- registry and channels ----

void SchedulerCore::on_workers(std::vector<WorkerRegistration> registered, Now now) {
  registry_seen_ = true;
  links_moved_ = true;
  std::set<std::string> changed_groups;
  std::set<std::string> present;
  for (WorkerRegistration& registration : registered) {
    present.insert(registration.id);
    Worker& worker = worker_named(registration.id, now);
    const bool reborn = worker.registration.incarnation != registration.incarnation;
    if (reborn) worker.rejected.clear();
    if (reborn && worker.link == 0) worker.draining = false;  // its former life did
    const bool same = worker.registered && !reborn && worker.registration.groups == registration.groups &&
                      worker.registration.weight == registration.weight;
    if (!same) {
      if (worker.has_credit) {  // its lanes are about to change: leave the old ones first
        worker.registered = false;
        update_credit(worker);
      }
      changed_groups.insert(worker.registration.groups.begin(), worker.registration.groups.end());
      changed_groups.insert(registration.groups.begin(), registration.groups.end());
    }
    worker.registered = true;
    worker.registration = std::move(registration);
    if (worker.link == 0 && !worker.unreachable_since) worker.unreachable_since = now.mono;
    update_credit(worker);
  }
  for (auto& [id, worker] : workers_) {
    if (!worker->registered || present.contains(id)) continue;
    worker->registered = false;
    update_credit(*worker);
    changed_groups.insert(worker->registration.groups.begin(), worker->registration.groups.end());
    // Registry node gone and channel dead: lost. While the channel lives it is only out of the ring.
    if (worker->link == 0) declare_lost(*worker, Death::suspected, now);
  }
  rebuild_rings(changed_groups);
}

void SchedulerCore::on_link_up(LinkId link, const std::string& id, Incarnation incarnation, Now now) {
  Worker& worker = worker_named(id, now);
  worker.link = link;
  worker.incarnation = incarnation;
  worker.announcements.clear();
  worker.seen.clear();
  worker.ready = worker.busy = false;
  worker.credit_limit = 0;
  worker.demand_told = 0;
  demand_moved_.insert(id);
  worker.refused_at.reset();
  worker.unreachable_since.reset();
  worker.dead_since.reset();
  worker.vouched_at.reset();
  worker.rejected.clear();
  links_[link] = &worker;
  announce(worker, shards_.epochs());
}

void SchedulerCore::on_link_down(LinkId link, Now now) {
  const auto it = links_.find(link);
  if (it == links_.end()) return;
  Worker& worker = *it->second;
  links_.erase(it);
  dispatch_outbox_.erase(link);
  ack_outbox_.erase({link, {}});
  kill_outbox_.erase(link);
  if (worker.link != link) return;
  worker.link = 0;
  worker.ready = false;
  worker.unreachable_since = now.mono;
  update_credit(worker);
  if (!worker.registered && registry_seen_) declare_lost(worker, Death::suspected, now);
}

void SchedulerCore::on_dial_refused(const std::string& id, Now now) {
  const auto it = workers_.find(id);
  if (it == workers_.end() || it->second->link != 0) return;
  Worker& worker = *it->second;
  const bool stale = worker.refused_at && now.mono - *worker.refused_at > options_.worker_timeout;
  if (!worker.refused_at || stale) {  // two refusals far apart prove nothing: it may have lived in between
    worker.refused_at = now.mono;
  } else if (now.mono - *worker.refused_at >= kRefusedInterval) {
    // Nobody listens there: the daemon is dead, and its attempts die with it.
    if (!worker.dead_since) worker.dead_since = now.mono;
    declare_lost(worker, Death::refused, now);
  }
}

void SchedulerCore::on_dial_rejected(const std::string& id, const std::string& reason) {
  const auto it = workers_.find(id);
  if (it != workers_.end()) it->second->rejected = reason;
}

void SchedulerCore::announce(Worker& worker, const std::vector<ShardEpoch>& shards) {
  worker.announced = ++announce_sequence_;
  std::vector<ShardId>& ids = worker.announcements[worker.announced];
  for (const ShardEpoch& shard : shards) ids.push_back(shard.shard);
  effects_.sends.emplace_back(worker.link, Announce{worker.announced, shards});
}

void SchedulerCore::on_message(LinkId link, Message message, Now now) {
  const auto it = links_.find(link);
  if (it == links_.end()) return;
  Worker& worker = *it->second;
  std::visit(Overloaded{[&](Inventory& m) { on_inventory(worker, std::move(m), now); },
                        [&](AckBatch& m) { on_acks(worker, m); },
                        [&](ResultBatch& m) { on_results(worker, std::move(m), now); },
                        [&](StartedBatch& m) { on_started(m, now); },
                        [&](ProgressBatch& m) { on_progress(std::move(m)); },
                        [&](WorkerStatus& m) {
                          on_status(worker, m);
                          grant_lease(worker, m.sent_at, now);
                        },
                        [](auto&) {}},  // what masters say to workers is no business of ours
             message);
}

void SchedulerCore::on_status(Worker& worker, const WorkerStatus& status) {
  worker.credit_limit = status.credit_limit;
  worker.queued = status.queued;
  worker.running = status.running;
  worker.spooled = status.spooled;
  worker.busy = false;
  if (worker.draining != status.draining) {
    worker.draining = status.draining;
    rebuild_rings({worker.registration.groups.begin(), worker.registration.groups.end()});
  }
  update_credit(worker);
}

// Only a master that could still write a moment ago may say that its attempts may go on.
void SchedulerCore::grant_lease(Worker& worker, MonoTime status_sent_at, Now now) {
  if (shards_.count() == 0 || !proved_at_ || now.mono - *proved_at_ > options_.lease.proof) return;
  worker.granted_at = now.mono;
  LeaseGrant grant{status_sent_at, {}};
  for (const ShardEpoch& shard : shards_.epochs()) grant.shards.push_back(shard.shard);
  effects_.sends.emplace_back(worker.link, std::move(grant));
}

// ---- inventory ----

void SchedulerCore::on_inventory(Worker& worker, Inventory inventory, Now now) {
  if (!worker.announcements.contains(inventory.sequence)) return;  // of an older life of this link
  for (const HeldAttempt& held : inventory.held) {
    if (!shards_.owns(held.token.task.shard())) continue;
    on_held(worker, held, now);
    // An older token of the task says nothing about the one that we sent.
    const Entry* entry = find(held.token.task);
    if (entry != nullptr && entry->token == held.token) worker.seen.insert(held.token.task);
  }
  if (!inventory.superseded.empty()) {
    LOG(WARNING) << "worker " << worker.id << " knows higher epochs for " << inventory.superseded.size()
                 << " of our shards; PostgreSQL will tell";
  }
  if (inventory.last) end_inventory(worker, inventory.sequence, now);
}

void SchedulerCore::on_held(Worker& worker, const HeldAttempt& held, Now now) {
  Entry* entry = find(held.token.task);
  if (entry == nullptr) {
    return inquire(held.token.task, {{}, held, &worker, worker.incarnation, worker.link, {}});
  }
  switch (entry->phase) {
    case Phase::ending:
      return;  // its result is being committed; the acknowledgement follows
    case Phase::waiting:
    case Phase::delayed:
      if (held.token.attempt == entry->row.attempt) return adopt(*entry, worker, held, now);
      break;
    case Phase::recording:
    case Phase::sent:
    case Phase::running:
      if (entry->token == held.token && entry->worker == &worker) {
        unheld_.erase(held.token.task);
        entry->accepted = true;
        entry->row.worker_incarnation = worker.incarnation;
        if (held.state == HeldState::running && entry->phase == Phase::sent) {
          entry->phase = Phase::running;
          mark_queue_.emplace_back(now.mono, entry->token);
        }
        if (held.started_at) entry->row.started_at = held.started_at;
        if (entry->row.cancel_requested) break;
        return;
      }
      break;
  }
  // Not the current token. A queued or running one is stopped; a finished one is refused when its result
  // comes.
  if (held.state != HeldState::finished) kill_outbox_[worker.link].items.push_back(held.token);
}

void SchedulerCore::adopt(Entry& entry, Worker& worker, const HeldAttempt& held, Now now) {
  detach(entry);
  ++counters_.adopted;
  entry.token = held.token;
  entry.row.worker = worker.id;
  entry.row.worker_incarnation = worker.incarnation;
  entry.row.started_at = held.started_at;
  entry.link = worker.link;
  entry.announce = worker.announced;
  entry.accepted = true;
  entry.phase = held.state == HeldState::queued ? Phase::sent : Phase::running;
  bind(entry, worker);
  if (entry.phase == Phase::running) mark_queue_.emplace_back(now.mono, entry.token);
}

// All that this worker holds for the announced shards is known: what we thought to be there and is not, is
// nowhere.
void SchedulerCore::end_inventory(Worker& worker, std::uint64_t sequence, Now now) {
  const auto it = worker.announcements.find(sequence);
  const std::set<ShardId> shards(it->second.begin(), it->second.end());
  worker.announcements.erase(worker.announcements.begin(), std::next(it));
  std::vector<TaskId> missing;
  for (const TaskId id : worker.bound) {
    const Entry& entry = *find(id);
    const bool sent_before = entry.link != worker.link || entry.announce < sequence;
    if (entry.phase != Phase::recording && sent_before && shards.contains(id.shard()) &&
        !worker.seen.contains(id)) {
      missing.push_back(id);
    }
  }
  std::sort(missing.begin(), missing.end());
  for (const TaskId id : missing) {
    Entry& entry = *find(id);
    if (entry.row.worker_incarnation == worker.incarnation) {
      // The dispatch died with its channel; or it ran, and a new owner that we have not heard of has recorded
      // it.
      unheld_[id] = {entry.token, now.mono};
      effects_.prove = true;
    } else {
      lose_attempt(entry, Death::replaced, now);  // the old life took it to the grave
    }
  }
  worker.seen.clear();
  worker.inventoried = sequence;
  worker.ready = true;
  update_credit(worker);
}

void SchedulerCore::on_proved(MonoTime begun) {
  proved_at_ = begun;
  std::erase_if(unheld_, [&](const auto& item) {
    const auto& [token, since] = item.second;
    Entry* entry = find(item.first);
    if (entry == nullptr || !is_bound(*entry) || !(entry->token == token)) return true;
    if (since > begun) return false;
    // We owned it after that worker had nothing of it: nobody else can have recorded its end.
    unbind(*entry);
    enqueue(*entry);
    return true;
  });
}

// ---- acknowledgements and results ----

void SchedulerCore::on_acks(Worker& worker, const AckBatch& batch) {
  for (const Ack& ack : batch.items) {
    Entry* entry = find(ack.token.task);
    if (entry == nullptr || entry->worker != &worker || !(entry->token == ack.token)) continue;
    if (entry->phase != Phase::sent) continue;
    if (ack.verdict == AckVerdict::accepted) {
      entry->accepted = true;
      continue;
    }
    if (ack.verdict == AckVerdict::busy) worker.busy = true;
    unbind(*entry);
    enqueue(*entry);
    if (ack.verdict == AckVerdict::fenced) {
      // Somebody else may own the shard: the shell reads the shard table; until then this worker gets no
      // more.
      worker.busy = true;
      shards_doubted_ = true;
    }
  }
  update_credit(worker);
}

void SchedulerCore::on_started(const StartedBatch& batch, Now now) {
  for (const Started& item : batch.items) {
    Entry* entry = find(item.token.task);
    if (entry == nullptr || !(entry->token == item.token) || entry->phase != Phase::sent) continue;
    entry->phase = Phase::running;
    entry->row.started_at = item.started_at;
    mark_queue_.emplace_back(now.mono, item.token);
  }
}

void SchedulerCore::on_progress(ProgressBatch batch) {
  for (ProgressReport& item : batch.items) {
    Entry* entry = find(item.token.task);
    if (entry == nullptr || !(entry->token == item.token) || entry->phase != Phase::running) continue;
    entry->progress = std::make_unique<Progress>(bounded(std::move(item.progress)));
  }
}

void SchedulerCore::on_results(Worker& worker, ResultBatch batch, Now now) {
  worker.busy = false;  // what ended made room
  const Reporter reporter{worker.link, {}};
  for (ResultReport& report : batch.items) {
    if (shards_.owns(report.token.task.shard())) {
      on_result(worker, reporter, std::move(report), now);
    } else {
      ++counters_.relayed;
      effects_.foreign.push_back({worker.id, std::move(report)});
    }
  }
}

void SchedulerCore::on_relayed(LinkId link, RelayedResults results, Now now) {
  Worker& worker = worker_named(results.worker, now);
  const Reporter reporter{link, results.worker};
  for (ResultReport& report : results.items) {
    if (shards_.owns(report.token.task.shard())) on_result(worker, reporter, std::move(report), now);
  }
}

void SchedulerCore::on_relayed_acks(RelayedAcks acks) {
  const auto it = workers_.find(acks.worker);
  if (it == workers_.end() || it->second->link == 0) return;  // it asks again
  effects_.sends.emplace_back(it->second->link, ResultAckBatch{std::move(acks.items)});
}

void SchedulerCore::on_result(Worker& worker, const Reporter& reporter, ResultReport report, Now now) {
  const TaskId id = report.token.task;
  Entry* entry = find(id);
  if (entry == nullptr) return inquire(id, {std::move(report), {}, &worker, {}, 0, reporter});
  if (report.token.attempt < entry->row.attempt) return keep_late(reporter, worker.id, std::move(report));
  if (entry->phase == Phase::ending) {
    const bool being_recorded = entry->token == report.token && entry->reporter.link != 0;
    if (being_recorded) {
      if (entry->reporter.link < reporter.link)
        entry->reporter = reporter;  // told again on a newer link: answer there
    } else {
      inquire(id, {std::move(report), {}, &worker, {}, 0, reporter});  // when it is over
    }
    return;
  }
  const bool dispatched = entry->phase != Phase::waiting && entry->phase != Phase::delayed;
  if (dispatched ? !(entry->token == report.token) : entry->row.attempt != report.token.attempt) {
    return keep_late(reporter, worker.id, std::move(report));
  }
  entry->token = report.token;
  std::string ran_on = dispatched ? entry->row.worker : worker.id;
  finish_attempt(*entry, std::move(report.result), std::move(ran_on), reporter, now);
}

// Not in memory means asking PostgreSQL.
void SchedulerCore::inquire(TaskId id, Hearsay said) {
  std::vector<Hearsay>& all = inquiries_[id].said;
  // Said again, on the same link or a newer one: only the last word counts.
  const auto same = std::find_if(all.begin(), all.end(), [&](const Hearsay& older) {
    return older.worker == said.worker && older.token() == said.token() &&
           older.report.has_value() <= said.report.has_value();
  });
  if (same != all.end()) {
    *same = std::move(said);
  } else {
    all.push_back(std::move(said));
  }
}

// ---- verdicts ----

void SchedulerCore::on_vouched(const std::vector<WorkerLife>& reached, Now now) {
  for (const WorkerLife& life : reached) {
    const auto it = workers_.find(life.id);
    if (it != workers_.end() && it->second->incarnation == life.incarnation)
      it->second->vouched_at = now.mono;
  }
}

std::vector<std::string> SchedulerCore::missed_workers() const {
  std::vector<std::string> missed;
  for (const auto& [id, worker] : workers_) {
    if (worker->link == 0 && worker->registered && !worker->bound.empty()) missed.push_back(id);
    if (missed.size() == kMaxMissedWorkers) break;
  }
  return missed;
}

std::vector<WorkerLife> SchedulerCore::reached(const std::vector<std::string>& missed) const {
  std::vector<WorkerLife> reached;
  for (const std::string& id : missed) {
    const auto it = workers_.find(id);
    if (it != workers_.end() && it->second->link != 0) reached.push_back({id, it->second->incarnation});
  }
  return reached;
}

// It is cut off from us alone, and holds this attempt. One that it may never have got is another matter:
// nobody would ever start it.
bool SchedulerCore::is_vouched(const Entry& entry, Now now) const {
  const Worker& worker = *entry.worker;
  return worker.registered && worker.vouched_at && now.mono - *worker.vouched_at <= kPeerFresh &&
         entry.row.worker_incarnation == worker.incarnation &&
         (entry.accepted || entry.phase == Phase::running);
}

void SchedulerCore::declare_lost(Worker& worker, Death death, Now now) {
  std::vector<TaskId> bound(worker.bound.begin(), worker.bound.end());
  std::sort(bound.begin(), bound.end());
  const std::uint64_t before = counters_.lost_attempts;
  for (const TaskId id : bound) {
    Entry& entry = *find(id);
    if (entry.phase == Phase::recording) continue;
    if (death == Death::suspected && is_vouched(entry, now)) continue;
    lose_attempt(entry, death, now);
  }
  if (const std::uint64_t lost = counters_.lost_attempts - before; lost > 0) {
    LOG(WARNING) << "worker " << worker.id
                 << (death == Death::suspected ? " is lost" : " is dead (refuses connections)") << " with "
                 << lost << " attempts";
  }
}

MonoTime SchedulerCore::lease_end(const Entry& entry, Death death) const {
  const Worker& worker = *entry.worker;
  // Of our own grants we know the last; what an earlier owner granted ended with its last proof.
  const MonoTime ours = worker.granted_at + options_.lease.wait(false);
  const MonoTime theirs = takes_[entry.row.id.shard()].at + options_.lease.wait(true);
  const MonoTime end = std::max(ours, theirs);
  if (death == Death::refused && worker.dead_since)
    return std::min(end, *worker.dead_since + options_.death_settle);
  return end;
}

void SchedulerCore::lose_attempt(Entry& entry, Death death, Now now) {
  TaskRow& row = entry.row;
  const bool at_most_once_and_dead =
      row.task.on_worker_lost == OnWorkerLost::fail && death == Death::refused;  // no other attempt follows
  if (needs_lease(row.task.on_worker_lost) && death != Death::replaced && !at_most_once_and_dead) {
    const MonoTime end = lease_end(entry, death);
    if (now.mono < end) {
      lease_waits_.emplace(end, row.id);
      return;
    }
  }
  ++counters_.lost_attempts;
  AttemptResult result;
  result.outcome = Outcome::lost;
  // A worker that is only out of our reach may be well; one that was draining was stopped.
  const bool died = (death != Death::suspected || !entry.worker->registered) && !entry.worker->draining;
  result.worker_died = died && entry.phase == Phase::running;
  result.started_at = row.started_at.value_or(WallTime{});
  result.finished_at = now.wall;
  result.message = "worker " + row.worker + (death == Death::suspected ? " was lost" : " died");
  std::string worker = row.worker;
  finish_attempt(entry, std::move(result), std::move(worker), {}, now);
}

// What was lost and had to wait for a lease, or for a dying supervisor: is it still lost?
void SchedulerCore::end_lease_waits(Now now) {
  while (!lease_waits_.empty() && lease_waits_.begin()->first <= now.mono) {
    const TaskId id = lease_waits_.begin()->second;
    lease_waits_.erase(lease_waits_.begin());
    Entry* entry = find(id);
    if (entry == nullptr || !is_bound(*entry)) continue;
    const Worker& worker = *entry->worker;
    if (worker.link != 0) continue;  // it is back: its inventory decides
    if (!worker.dead_since && is_vouched(*entry, now)) continue;
    lose_attempt(*entry, worker.dead_since ? Death::refused : Death::suspected, now);
  }
}

}  // namespace ringmaster
