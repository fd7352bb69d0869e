// The half of Ledger that speaks: inventories, and the batches that leave at the end of a turn.
#include <algorithm>
#include <tuple>
#include <utility>

#include "worker/ledger.h"

namespace ringmaster {
namespace {

constexpr std::size_t kInventoryPart = 1000;
constexpr std::size_t kMaxItems = 1000;
constexpr std::size_t kMaxResultBytes = 1u << 20;  // of one frame, whose bound is 4 MiB

template <class Batch, class Item>
void append_in_batches(LinkId link, const std::vector<Item>& items, std::vector<Ledger::Outgoing>& out) {
  for (std::size_t from = 0; from < items.size(); from += kMaxItems) {
    const auto first = items.begin() + static_cast<std::ptrdiff_t>(from);
    const auto count = static_cast<std::ptrdiff_t>(std::min(kMaxItems, items.size() - from));
    out.push_back({link, Batch{{first, first + count}}});
  }
}

}  // namespace

std::vector<ShardEpoch> Ledger::raised_by(const Announce& announce) const {
  std::vector<ShardEpoch> raised;
  for (const ShardEpoch& entry : announce.shards) {
    if (entry.epoch > shards_[entry.shard].highest) raised.push_back(entry);
  }
  return raised;
}

std::vector<Inventory> Ledger::announce(LinkId link, const Announce& announce) {
  const auto peer = links_.find(link);
  if (peer == links_.end()) return {};
  std::array<bool, kShardCount> taken{};
  std::vector<Inventory> parts(1);
  for (const ShardEpoch& entry : announce.shards) {
    Shard& shard = shards_[entry.shard];
    // Epoch 0 means "never owned": nobody can announce it.
    if (entry.epoch < std::max<Epoch>(shard.highest, 1)) {
      parts.front().superseded.push_back({entry.shard, shard.highest});
      continue;
    }
    shard.highest = entry.epoch;
    shard.owner = link;
    shard.master = peer->second.master;
    taken[entry.shard] = true;
  }
  drop_leased(taken);
  extend_leases(taken, peer->second.lease_until);  // its master is well, and owns these now
  for (HeldAttempt& held : held_in(taken)) {
    if (parts.back().held.size() == kInventoryPart) parts.emplace_back();
    parts.back().held.push_back(held);
  }
  for (Inventory& part : parts) {
    part.sequence = announce.sequence;
    part.last = &part == &parts.back();
  }
  queue_results_of(taken);
  return parts;
}

std::vector<HeldAttempt> Ledger::held_in(const std::array<bool, kShardCount>& shards) const {
  std::vector<HeldAttempt> held;
  for (const auto& [task, active] : active_) {
    if (!shards[task.shard()]) continue;
    held.push_back({active.dispatch.token, active.state, active.started_at});
    if (active.successor) held.push_back({active.successor->token, HeldState::queued, std::nullopt});
  }
  for (const auto& [task, entry] : finished_) {
    if (!shards[task.shard()]) continue;
    // `finished` promises a result on this link; what is not yet on disk may still be lost with this daemon.
    const HeldState state = entry.spooled ? HeldState::finished : HeldState::running;
    held.push_back({entry.report.token, state, entry.report.result.started_at});
  }
  std::ranges::sort(held, {}, [](const HeldAttempt& h) {
    return std::tuple{h.token.task, h.token.epoch, h.token.attempt};
  });
  return held;
}

void Ledger::queue_results_of(const std::array<bool, kShardCount>& shards) {
  std::vector<Finished*> results;
  for (auto& [task, entry] : finished_) {
    if (shards[task.shard()]) results.push_back(&entry);
  }
  std::ranges::sort(results, {}, &Finished::sequence);
  for (Finished* entry : results) {
    // Said on this link before, and unanswered: the master that was told may have given the shard up since.
    unreport(*entry);
    queue_report(*entry);
  }
}

std::vector<Ledger::Outgoing> Ledger::take_outgoing(MonoTime now) {
  std::vector<Outgoing> out;
  for (auto& [link, peer] : links_) {
    std::vector<ResultBatch> results;
    collect_results(link, peer, now, results);  // first: it decides which acks are implied
    send_acks(link, peer, out);
    send_starts(link, peer, out);
    send_progress(link, peer, out);
    for (ResultBatch& batch : results) out.push_back({link, std::move(batch)});
  }
  return out;
}

void Ledger::collect_results(LinkId link, Link& peer, MonoTime now, std::vector<ResultBatch>& batches) {
  std::size_t bytes = 0;
  while (!peer.backlog.empty() && peer.in_flight < options_.window_bytes) {
    const auto found = find_finished(peer.backlog.front());
    peer.backlog.pop_front();
    if (found == finished_.end()) continue;
    Finished& entry = found->second;
    if (entry.link != link || entry.reported) continue;  // its shard has moved on, or it stood here twice
    entry.reported = true;
    entry.told_at = now;
    peer.in_flight += entry.cost;
    if (batches.empty() || batches.back().items.size() == kMaxItems || bytes + entry.cost > kMaxResultBytes) {
      batches.emplace_back();
      bytes = 0;
    }
    bytes += entry.cost;
    batches.back().items.push_back(entry.report);
  }
}

std::vector<Ledger::Outgoing> Ledger::take_offers(MonoTime now,
                                                  const std::array<bool, kShardCount>& given_up) {
  std::vector<Outgoing> out;
  std::map<LinkId, std::vector<Finished*>> offers;
  for (auto& [task, entry] : finished_) {
    const bool due = entry.reported || (!links_.contains(entry.link) && given_up[task.shard()]);
    if (!entry.ready || !due || now - entry.told_at < options_.patience) continue;
    if (const LinkId link = offer_link(entry); link != 0) offers[link].push_back(&entry);
  }
  for (auto& [link, entries] : offers) {
    std::ranges::sort(entries, {}, &Finished::sequence);
    std::size_t bytes = 0, total = 0;
    ResultBatch batch;
    for (Finished* entry : entries) {
      if (total > options_.window_bytes) break;  // the rest at the next call
      if (!batch.items.empty() &&
          (batch.items.size() == kMaxItems || bytes + entry->cost > kMaxResultBytes)) {
        out.push_back({link, std::exchange(batch, {})});
        bytes = 0;
      }
      bytes += entry->cost;
      total += entry->cost;
      entry->told_at = now;
      entry->offered_to = link;
      batch.items.push_back(entry->report);
    }
    if (!batch.items.empty()) out.push_back({link, std::move(batch)});
  }
  return out;
}

// The next one after the link that was asked last, in turn; not its owner's own.
LinkId Ledger::offer_link(const Finished& entry) const {
  const LinkId owner = shards_[entry.report.token.task.shard()].owner;
  LinkId first = 0;
  for (const auto& [link, peer] : links_) {
    if (link == owner) continue;
    if (link > entry.offered_to) return link;
    if (first == 0) first = link;
  }
  return first;
}

void Ledger::send_acks(LinkId link, Link& peer, std::vector<Outgoing>& out) {
  std::erase_if(peer.acks, [&](const Ack& ack) {
    if (ack.verdict != AckVerdict::accepted) return false;
    const auto found = find_finished(ack.token);
    return found != finished_.end() && found->second.reported && found->second.link == link;
  });
  append_in_batches<AckBatch>(link, peer.acks, out);
  peer.acks.clear();
}

void Ledger::send_starts(LinkId link, Link& peer, std::vector<Outgoing>& out) {
  std::vector<Started> starts;
  for (const Token& token : peer.starts) {
    const auto held = active_.find(token.task);
    if (held == active_.end() || held->second.dispatch.token != token) continue;  // its result says it all
    if (shards_[token.task.shard()].owner != link || !held->second.started_at) continue;
    starts.push_back({token, *held->second.started_at});
  }
  append_in_batches<StartedBatch>(link, starts, out);
  peer.starts.clear();
}

void Ledger::send_progress(LinkId link, Link& peer, std::vector<Outgoing>& out) {
  std::vector<ProgressReport> reports;
  for (const Token& token : std::exchange(peer.progress, {})) {
    const auto held = active_.find(token.task);
    if (held == active_.end() || held->second.dispatch.token != token) continue;
    Active& active = held->second;
    if (active.progress_told || !active.progress || shards_[token.task.shard()].owner != link) continue;
    active.progress_told = true;
    reports.push_back({token, *active.progress});
  }
  append_in_batches<ProgressBatch>(link, reports, out);
}

}  // namespace ringmaster
