#include "worker/ledger.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace ringmaster {
namespace {

constexpr std::size_t kMaxMessage = 4096;
constexpr std::size_t kResultOverhead = 128;

}  // namespace

Ledger::Ledger(LedgerOptions options) : options_(options) {}

// ---- what is held -------------------------------------------------------------------------------

void Ledger::load(std::vector<ResultReport> results, const std::vector<ShardEpoch>& epochs) {
  for (const ShardEpoch& entry : epochs) shards_[entry.shard].highest = entry.epoch;
  for (ResultReport& report : results) {
    if (find_finished(report.token) != finished_.end()) continue;
    finish(report.token, std::move(report.result), false);
    Finished& entry = *unspooled_.back();
    unspooled_.pop_back();
    entry.spooled = true;
    entry.ready = true;
  }
}

void Ledger::inherit(std::vector<ResultReport> last_words) {
  for (ResultReport& report : last_words) {
    if (find_finished(report.token) == finished_.end()) finish(report.token, std::move(report.result), true);
  }
}

void Ledger::link_up(LinkId link, std::string master) {
  links_[link].master = std::move(master);
}

void Ledger::link_down(LinkId link) {
  links_.erase(link);
  for (Shard& shard : shards_) {
    if (shard.owner == link) shard.owner = 0;
  }
}

bool Ledger::owns(LinkId link, Token token) const {
  const Shard& shard = shards_[token.task.shard()];
  return shard.owner == link && shard.highest == token.epoch;
}

void Ledger::dispatch(LinkId link, DispatchBatch batch) {
  const auto peer = links_.find(link);
  if (peer == links_.end()) return;
  for (Dispatch& item : batch.items) {
    if (batch.worker != options_.incarnation) {
      peer->second.acks.push_back({item.token, AckVerdict::wrong_life});
    } else if (!owns(link, item.token)) {
      peer->second.acks.push_back({item.token, AckVerdict::fenced});
    } else {
      dispatch_one(link, peer->second, item);
    }
  }
}

void Ledger::dispatch_one(LinkId link, Link& peer, Dispatch& item) {
  const Token token = item.token;
  const auto held = active_.find(token.task);
  Active* active = held == active_.end() ? nullptr : &held->second;
  if (const auto verdict = judge_held(link, token, active)) {
    peer.acks.push_back({token, *verdict});
    return;
  }
  // A newer token of a held task needs no new room, and the older one must die in any case.
  if (draining_ || !accepting_ || (active == nullptr && !room())) {
    peer.acks.push_back({token, AckVerdict::busy});
    return;
  }
  if (active != nullptr) {
    supersede(*active, std::move(item));
  } else {
    enqueue(std::move(item));
  }
  peer.acks.push_back({token, AckVerdict::accepted});
}

std::optional<AckVerdict> Ledger::judge_held(LinkId link, Token token, const Active* active) {
  if (active != nullptr) {
    const Token newest = active->successor ? active->successor->token : active->dispatch.token;
    if (token == newest) return AckVerdict::accepted;
    if (newest.newer_than(token)) return AckVerdict::fenced;
  }
  const auto [first, end] = finished_.equal_range(token.task);
  for (auto it = first; it != end; ++it) {
    Finished& entry = it->second;
    if (entry.report.token.newer_than(token)) return AckVerdict::fenced;
    if (entry.report.token != token) continue;
    if (entry.reported && entry.link == link) {
      unreport(entry);
      queue_report(entry);
    }
    return AckVerdict::accepted;
  }
  return std::nullopt;
}

void Ledger::supersede(Active& active, Dispatch item) {
  if (active.state == HeldState::queued) {
    active.dispatch = std::move(item);  // keeps the older one's place
    return;
  }
  if (!active.successor) ++successors_;
  active.successor = std::make_unique<Dispatch>(std::move(item));
  if (!std::exchange(active.killed, true)) kills_.push_back(active.dispatch.token);
}

void Ledger::enqueue(Dispatch item) {
  const TaskId task = item.token.task;
  Active& active = active_[task];
  active.dispatch = std::move(item);
  active.place = queue_.insert(queue_.end(), task);
}

bool Ledger::room() const {
  return queued() + running_ < options_.capacity && !saturated_;
}

void Ledger::kill(LinkId link, const KillBatch& batch, WallTime now) {
  for (const Token& token : batch.items) {
    // A deposed master's kill must not end an attempt that the next owner has adopted; an adopted attempt
    // keeps its old epoch, so the link alone decides.
    if (links_.contains(link) && shards_[token.task.shard()].owner == link) kill_one(token, now);
  }
}

void Ledger::kill_one(Token token, WallTime now) {
  const auto held = active_.find(token.task);
  if (held == active_.end()) return;
  Active& active = held->second;
  AttemptResult cancelled;
  cancelled.outcome = Outcome::cancelled;
  cancelled.started_at = cancelled.finished_at = now;
  cancelled.message = "cancelled before it started";
  if (active.successor && active.successor->token == token) {
    const bool needs_sync = active.successor->on_worker_lost != OnWorkerLost::rerun;
    active.successor.reset();
    --successors_;
    finish(token, std::move(cancelled), needs_sync);
  } else if (active.dispatch.token != token) {
    return;
  } else if (active.state == HeldState::running) {
    if (!std::exchange(active.killed, true)) kills_.push_back(token);
  } else {
    const bool needs_sync = active.dispatch.on_worker_lost != OnWorkerLost::rerun;
    queue_.erase(active.place);
    active_.erase(held);
    finish(token, std::move(cancelled), needs_sync);
  }
}

bool Ledger::may_start(const Dispatch& dispatch, MonoTime now) const {
  return !needs_lease(dispatch.on_worker_lost) || now < shards_[dispatch.token.task.shard()].lease_until;
}

std::optional<Dispatch> Ledger::next_start(MonoTime now) {
  if (running_ >= options_.slots) return std::nullopt;
  const auto next = std::ranges::find_if(
      queue_, [&](const TaskId& task) { return may_start(active_.at(task).dispatch, now); });
  if (next == queue_.end()) return std::nullopt;
  Active& active = active_.at(*next);
  queue_.erase(next);
  active.state = HeldState::running;
  ++running_;
  Dispatch start = std::move(active.dispatch);
  active.dispatch = {};
  active.dispatch.token = start.token;
  active.dispatch.on_worker_lost = start.on_worker_lost;
  const ShardId shard = start.token.task.shard();
  if (needs_lease(start.on_worker_lost)) extensions_.push_back({shard, shards_[shard].lease_until});
  return start;
}

void Ledger::grant(LinkId link, const LeaseGrant& grant) {
  const auto peer = links_.find(link);
  if (peer == links_.end()) return;
  MonoTime& until = peer->second.lease_until;
  until = std::max(until, grant.status_sent_at + options_.lease.length);
  std::array<bool, kShardCount> theirs{};
  for (const ShardId shard : grant.shards) theirs[shard] = shards_[shard].owner == link;
  extend_leases(theirs, until);
}

void Ledger::extend_leases(const std::array<bool, kShardCount>& shards, MonoTime until) {
  std::array<bool, kShardCount> grown{};
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    grown[i] = shards[i] && shards_[i].lease_until < until;
    if (grown[i]) shards_[i].lease_until = until;
  }
  for (const auto& [task, active] : active_) {
    if (!needs_lease(active.dispatch.on_worker_lost) || !std::exchange(grown[task.shard()], false)) continue;
    extensions_.push_back({task.shard(), until});
  }
}

std::vector<Ledger::Extension> Ledger::take_extensions() {
  return std::exchange(extensions_, {});
}

void Ledger::drop_leased(const std::array<bool, kShardCount>& shards) {
  const auto dropped = [&](const Dispatch& dispatch) {
    return needs_lease(dispatch.on_worker_lost) && shards[dispatch.token.task.shard()];
  };
  for (auto place = queue_.begin(); place != queue_.end();) {
    const auto held = active_.find(*place);
    if (!dropped(held->second.dispatch)) {
      ++place;
      continue;
    }
    place = queue_.erase(place);
    active_.erase(held);
  }
  if (successors_ == 0) return;
  for (auto& [task, active] : active_) {
    if (!active.successor || !dropped(*active.successor)) continue;
    active.successor.reset();
    --successors_;
  }
}

bool Ledger::runs(TaskId task, Attempt attempt) const {
  const auto held = active_.find(task);
  if (held == active_.end()) return false;
  const Active& active = held->second;
  return active.dispatch.token.attempt == attempt ||
         (active.successor && active.successor->token.attempt == attempt);
}

void Ledger::started(Token token, WallTime started_at) {
  const auto held = active_.find(token.task);
  if (held == active_.end() || held->second.dispatch.token != token) return;
  held->second.started_at = started_at;
  const auto owner = links_.find(shards_[token.task.shard()].owner);
  if (owner != links_.end()) owner->second.starts.push_back(token);
}

void Ledger::progressed(Token token, Progress progress) {
  const auto held = active_.find(token.task);
  if (held == active_.end() || held->second.dispatch.token != token) return;
  held->second.progress = std::make_unique<Progress>(bounded(std::move(progress)));
  held->second.progress_told = false;
  const auto owner = links_.find(shards_[token.task.shard()].owner);
  if (owner != links_.end()) owner->second.progress.push_back(token);
}

void Ledger::finished(Token token, AttemptResult result) {
  const auto held = active_.find(token.task);
  if (held == active_.end()) return;
  Active& active = held->second;
  if (active.dispatch.token != token || active.state != HeldState::running) return;
  const bool needs_sync = active.dispatch.on_worker_lost != OnWorkerLost::rerun;
  --running_;
  if (active.successor) {
    // Its older attempt is dead and reaped: the newer one takes the head of the queue, it has waited longest.
    Dispatch next = std::move(*active.successor);
    --successors_;
    active = {};
    active.dispatch = std::move(next);
    active.place = queue_.insert(queue_.begin(), token.task);
  } else {
    active_.erase(held);
  }
  finish(token, std::move(result), needs_sync);
}

void Ledger::drain() {
  draining_ = true;
  for (const TaskId& task : queue_) {
    return_to_owner(active_.at(task).dispatch.token);
    active_.erase(task);
  }
  queue_.clear();
  if (successors_ == 0) return;
  for (auto& [task, active] : active_) {
    if (active.successor) return_to_owner(active.successor->token);
    active.successor.reset();
  }
  successors_ = 0;
}

void Ledger::return_to_owner(Token token) {
  // Without a link nothing need be said: the next inventory does not list it.
  const auto owner = links_.find(shards_[token.task.shard()].owner);
  if (owner != links_.end()) owner->second.acks.push_back({token, AckVerdict::returned});
}

// ---- results ------------------------------------------------------------------------------------

void Ledger::trim(AttemptResult& result) {
  if (result.message.size() > kMaxMessage) result.message.resize(kMaxMessage);
  if (result.output_tail.size() > kMaxOutputTail) {
    result.output_tail.erase(0, result.output_tail.size() - kMaxOutputTail);
  }
}

void Ledger::finish(Token token, AttemptResult result, bool needs_sync) {
  trim(result);
  Finished entry;
  entry.report = {token, std::move(result)};
  entry.needs_sync = needs_sync;
  entry.sequence = ++finish_sequence_;
  entry.cost = kResultOverhead + entry.report.result.message.size() + entry.report.result.output_tail.size();
  unacked_bytes_ += entry.cost;
  if (unacked_bytes_ >= options_.unacked_bytes) saturated_ = true;
  ++shards_[token.task.shard()].finished;
  unspooled_.push_back(&finished_.emplace(token.task, std::move(entry))->second);
}

std::vector<ResultReport> Ledger::take_unspooled() {
  taken_ = std::exchange(unspooled_, {});
  std::vector<ResultReport> results;
  results.reserve(taken_.size());
  for (Finished* entry : taken_)
    results.push_back(std::move(entry->report));  // the token, a plain value, stays
  return results;
}

void Ledger::give_back(std::vector<ResultReport> results, bool spooled) {
  for (std::size_t i = 0; i < taken_.size(); ++i) {
    Finished& entry = *taken_[i];
    entry.report = std::move(results[i]);
    if (!spooled) continue;
    entry.spooled = true;
    if (entry.needs_sync) {
      sync_wanted_.push_back(entry.report.token);
    } else {
      entry.ready = true;
      queue_report(entry);
    }
  }
  if (!spooled) unspooled_.insert(unspooled_.begin(), taken_.begin(), taken_.end());
  taken_.clear();
}

std::uint64_t Ledger::begin_sync() {
  if (sync_wanted_.empty()) return 0;
  ++sync_number_;
  for (const Token& token : sync_wanted_) sync_running_.emplace_back(sync_number_, token);
  sync_wanted_.clear();
  return sync_number_;
}

void Ledger::synced(std::uint64_t number, bool ok) {
  while (!sync_running_.empty() && sync_running_.front().first <= number) {
    const auto found = find_finished(sync_running_.front().second);
    sync_running_.pop_front();
    if (found == finished_.end() || !found->second.spooled) continue;
    Finished& entry = found->second;
    if (ok) {
      entry.ready = true;
      queue_report(entry);
    } else {
      entry.spooled = false;
      unspooled_.push_back(&entry);
    }
  }
}

void Ledger::acknowledge(const ResultAckBatch& batch) {
  for (const ResultAck& ack : batch.items) {
    const auto found = find_finished(ack.token);
    // One that waits to be journalled was never reported: such an ack speaks of nothing that we said.
    if (found != finished_.end() && found->second.spooled) forget(found);
  }
}

Ledger::FinishedMap::iterator Ledger::find_finished(Token token) {
  auto [it, end] = finished_.equal_range(token.task);
  for (; it != end; ++it) {
    if (it->second.report.token == token) return it;
  }
  return finished_.end();
}

void Ledger::forget(FinishedMap::iterator entry) {
  unreport(entry->second);
  unacked_bytes_ -= entry->second.cost;
  if (unacked_bytes_ <= options_.unacked_bytes / 2) saturated_ = false;
  --shards_[entry->first.shard()].finished;
  forgets_.push_back(entry->second.report.token);
  finished_.erase(entry);
}

void Ledger::queue_report(Finished& entry) {
  const LinkId owner = shards_[entry.report.token.task.shard()].owner;
  const auto peer = links_.find(owner);
  if (peer == links_.end() || !entry.ready || entry.link == owner) return;
  unreport(entry);
  entry.link = owner;
  peer->second.backlog.push_back(entry.report.token);
}

void Ledger::unreport(Finished& entry) {
  if (entry.reported) {
    const auto peer = links_.find(entry.link);
    if (peer != links_.end()) peer->second.in_flight -= entry.cost;
  }
  entry.reported = false;
  entry.link = 0;
}

std::vector<Token> Ledger::take_kills() {
  return std::exchange(kills_, {});
}
std::vector<Token> Ledger::take_forgets() {
  return std::exchange(forgets_, {});
}

std::vector<Ledger::Orphan> Ledger::orphans() const {
  std::vector<Orphan> orphans;
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    const Shard& shard = shards_[i];
    if (shard.finished > 0 && shard.owner == 0) orphans.push_back({static_cast<ShardId>(i), shard.master});
  }
  return orphans;
}

}  // namespace ringmaster
