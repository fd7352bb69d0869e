// The ledger for an audit: what it holds against what a master believes.
#include <algorithm>
#include <tuple>
#include <unordered_set>

#include "worker/ledger.h"

namespace ringmaster {
namespace {

// A result is on its way for a while: only what waits for longer than its owner's answer takes is told.
constexpr Duration kOnItsWay = std::chrono::seconds(5);

// By its worker's clock. One that never started and never ended has no time.
Duration age_of(const AttemptResult& result, WallTime now) {
  return result.finished_at == WallTime{} ? Duration{0} : now - result.finished_at;
}

struct ByToken {
  bool operator()(const Token& a, const Token& b) const {
    return std::tie(a.task, a.epoch, a.attempt) < std::tie(b.task, b.epoch, b.attempt);
  }
};

}  // namespace

bool Ledger::holds(Token token) const {
  const auto held = active_.find(token.task);
  if (held != active_.end()) {
    const Active& active = held->second;
    if (active.dispatch.token == token || (active.successor && active.successor->token == token)) return true;
  }
  const auto [first, end] = finished_.equal_range(token.task);
  return std::any_of(first, end, [&](const auto& entry) { return entry.second.report.token == token; });
}

HeldReply Ledger::audit(const HeldRequest& request, WallTime now) const {
  HeldReply reply;
  std::array<bool, kShardCount> asked{};
  for (const ShardEpoch& entry : request.shards) {
    asked[entry.shard] = true;
    if (shards_[entry.shard].highest > entry.epoch)
      reply.superseded.push_back({entry.shard, shards_[entry.shard].highest});
  }
  std::vector<Token> believed = request.believed;
  std::ranges::sort(believed, ByToken{});
  std::ranges::copy_if(believed, std::back_inserter(reply.missing),
                       [this](const Token& token) { return !holds(token); });

  const auto note = [&](const HeldAttempt& held) {
    if (!std::ranges::binary_search(believed, held.token, ByToken{})) reply.unknown.push_back(held);
  };
  for (const auto& [task, active] : active_) {
    if (!asked[task.shard()]) continue;
    reply.held += active.successor ? 2 : 1;
    if (!active.killed) note({active.dispatch.token, active.state, active.started_at});
    if (active.successor) note({active.successor->token, HeldState::queued, std::nullopt});
  }
  for (const auto& [task, entry] : finished_) {
    if (!asked[task.shard()]) continue;
    ++reply.held;
    const Duration age = age_of(entry.report.result, now);
    if (age >= kOnItsWay) note({entry.report.token, HeldState::finished, entry.report.result.started_at});
    if (reply.oldest && age <= reply.oldest_age) continue;
    reply.oldest = entry.report.token;
    reply.oldest_age = age;
  }
  std::ranges::sort(reply.unknown, ByToken{}, &HeldAttempt::token);
  if (reply.unknown.size() > kMaxHeldUnknown) reply.unknown.resize(kMaxHeldUnknown);
  return reply;
}

}  // namespace ringmaster
