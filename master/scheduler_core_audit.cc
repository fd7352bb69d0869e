// What this master believes, for an audit. Nothing here changes anything.
#include <algorithm>

#include "master/scheduler_core.h"

namespace ringmaster {

std::vector<SchedulerCore::HeldAsk> SchedulerCore::held_asks() const {
  std::vector<HeldAsk> asks;
  for (const auto& [id, worker] : workers_) {
    if (worker->link == 0 || !worker->ready) continue;
    HeldAsk& ask = asks.emplace_back();
    ask.worker = id;
    ask.incarnation = worker->incarnation;
    ask.link = worker->link;
    for (const TaskId task : worker->bound) {
      const Token& token = tasks_.at(task)->token;
      if (must_hold(ask, token)) ask.believed.push_back(token);
    }
    std::ranges::sort(ask.believed, {}, &Token::task);
    if (ask.believed.size() > kMaxHeldTokens) ask.believed.resize(kMaxHeldTokens);
  }
  return asks;
}

std::vector<std::string> SchedulerCore::cannot_be_asked() const {
  std::vector<std::string> workers;
  for (const auto& [id, worker] : workers_) {
    if (worker->registered && !(worker->link != 0 && worker->ready)) workers.push_back(why_not(*worker));
  }
  return workers;
}

// Sent on this channel, or confirmed by its inventory; and nothing has been heard of it since.
bool SchedulerCore::must_hold(const HeldAsk& ask, Token token) const {
  const auto it = tasks_.find(token.task);
  if (it == tasks_.end()) return false;
  const Entry& entry = *it->second;
  if (!is_bound(entry) || !(entry.token == token) || unheld_.contains(token.task)) return false;
  const Worker& worker = *entry.worker;
  return worker.id == ask.worker && worker.link == ask.link &&
         worker.inventoried >= takes_[token.task.shard()].sequence;
}

bool SchedulerCore::may_hold(Token token) const {
  const TaskId id = token.task;
  if (!shards_.owns(id.shard()) || inquiries_.contains(id) || being_accepted(id) || keeping_.contains(token))
    return true;
  const auto it = tasks_.find(id);
  if (it == tasks_.end()) return false;
  const Entry& entry = *it->second;
  return entry.phase != Phase::waiting && entry.phase != Phase::delayed && entry.token == token;
}

SchedulerCore::RowPlace SchedulerCore::place_of(const AuditRow& row) const {
  using enum RowPlace;
  if (!shards_.owns(row.id.shard())) return elsewhere;
  if (const auto it = tasks_.find(row.id); it != tasks_.end()) {
    const Phase phase = it->second->phase;
    return phase == Phase::waiting || phase == Phase::delayed ? waiting : in_hand;
  }
  if (inquiries_.contains(row.id) || being_accepted(row.id)) return coming;
  if (row.rank == kQuarantineRank || row.run_at > horizon_) return in_store;  // by its id; the sweep finds it
  if (want_groups_ || groups_reading_ || due_reading_) return coming;
  const auto found = lanes_.find(row.group);
  if (found == lanes_.end()) return forgotten;
  const Lane& its = *found->second;
  if (its.reading()) return coming;
  const bool ahead = its.in_store() && (!its.cursor() || PageKey{row.rank, row.id} > *its.cursor());
  return ahead ? in_store : forgotten;
}

std::vector<SchedulerCore::Unreached> SchedulerCore::unreached(Now now) const {
  // A verdict takes `worker_timeout`; what must not overlap waits for its lease besides.
  const Duration longest =
      options_.worker_timeout + options_.lease.wait(true) + options_.death_settle + std::chrono::seconds(10);
  std::vector<Unreached> found;
  for (const auto& [id, worker] : workers_) {
    if (worker->link != 0 || worker->bound.empty() || !worker->unreachable_since) continue;
    const Duration since = now.mono - *worker->unreachable_since;
    if (since <= longest) continue;
    found.push_back(
        {id, worker->incarnation, *std::ranges::min_element(worker->bound), worker->bound.size(), since});
  }
  return found;
}

}  // namespace ringmaster
