#include "master/shard_keeper.h"

#include <algorithm>

#include <glog/logging.h>

namespace ringmaster {

namespace {
constexpr Duration kCalm = std::chrono::seconds(1);
constexpr Duration kRefusedInterval = std::chrono::milliseconds(200);
constexpr Duration kRefusedWindow = std::chrono::seconds(5);  // two refusals further apart prove nothing
constexpr Duration kQuickEvery = std::chrono::minutes(1);     // for one peer; then the registry must agree
constexpr Duration kOrphanAfter = std::chrono::seconds(2);    // whoever should have taken it does not know
constexpr Duration kKeepOrphan = std::chrono::seconds(30);    // before it goes to an heir who did not take it
constexpr Duration kEager = std::chrono::milliseconds(100);  // shards that should be ours are still another's
}  // namespace

ShardKeeper::ShardKeeper(Loop& loop, TaskStore& store, SchedulerCore& core, std::string self,
                         Incarnation incarnation, Duration dead_after, Hooks hooks)
    : loop_(loop),
      store_(store),
      core_(core),
      self_(std::move(self)),
      incarnation_(incarnation),
      dead_after_(dead_after),
      hooks_(std::move(hooks)),
      timer_(loop) {}

// Answers may come after our destruction, or not at all.
template <class F>
auto ShardKeeper::guard(F f) {
  return [alive = std::weak_ptr<int>(alive_), f = std::move(f)](auto&&... args) mutable {
    if (!alive.expired()) f(std::forward<decltype(args)>(args)...);
  };
}

void ShardKeeper::on_masters(std::map<std::string, Incarnation> live) {
  live_ = std::move(live);
  std::erase_if(buried_, [&](const auto& dead) {
    const auto shown = live_.find(dead.first);
    return shown == live_.end() || shown->second != dead.second;
  });
  set_ring();
  if (!started_ && live_.contains(self_)) {
    started_ = true;
    clear_predecessors();
  } else if (started_) {
    check_soon();
  }
}

// The registry's masters without those that we know better to be dead.
void ShardKeeper::set_ring() {
  std::vector<std::string> names;
  for (const auto& [id, incarnation] : live_) {
    const auto seen = refusals_.find(id);
    const bool refuses = seen != refusals_.end() && seen->second.proved;
    if (!buried_.contains(id) && !refuses) names.push_back(id);
  }
  core_.shards().set_masters(std::move(names));
}

void ShardKeeper::on_master_refused(const std::string& node) {
  const MonoTime now = hooks_.now().mono;
  Refusals& seen = refusals_[node];
  if (seen.first == MonoTime{} || now - seen.last > kRefusedWindow) seen = {now, now, false};
  seen.last = now;
  if (seen.proved || now - seen.first < kRefusedInterval) return;
  seen.proved = true;
  set_ring();  // whoever takes its shards over, our share of them is ours
  check_soon();
}

void ShardKeeper::on_master_reached(const std::string& node) {
  if (refusals_.erase(node) != 0) set_ring();
}

// Nobody listens where it lived. Wrongly suspected, it loses its shards and comes back: so not too often.
bool ShardKeeper::is_suspect(const std::string& node, MonoTime now) const {
  const auto seen = refusals_.find(node);
  if (seen == refusals_.end() || !seen->second.proved) return false;
  const auto last = quick_at_.find(node);
  return last == quick_at_.end() || now - last->second >= kQuickEvery;
}

void ShardKeeper::check_soon() {
  if (started_ && step_ == Step::idle) again(Duration{0});
}

void ShardKeeper::again(Duration delay) {
  step_ = Step::idle;
  if (leaving_ && core_.shards().count() == 0) {
    if (left_) std::exchange(left_, nullptr)();
    return;
  }
  timer_.start(delay, [this] { read(); });
}

void ShardKeeper::failed(const char* what, const Error& error) {
  if (error.code == ErrorCode::fenced) return hooks_.fenced(error);
  LOG(WARNING) << what << ": " << error.message;
  again(kCalm);
}

// A master row of our own node id that is still living is a former life of ours, unless another daemon uses
// our id; the registry let us join under this id only after the other one's session had ended.
void ShardKeeper::clear_predecessors() {
  step_ = Step::clearing;
  store_.predecessors(guard([this](Result<std::vector<Incarnation>> found) {
    if (!found) {
      if (found.error().code == ErrorCode::fenced) return hooks_.fenced(found.error());
      timer_.start(kCalm, [this] { clear_predecessors(); });
      return;
    }
    if (found->empty()) return read();
    store_.take_over(found->front(), guard([this](Result<> done) {
                       if (!done && done.error().code == ErrorCode::fenced)
                         return hooks_.fenced(done.error());
                       if (done) return clear_predecessors();
                       LOG(WARNING) << "clearing up after our former life: " << done.error().message;
                       timer_.start(kCalm, [this] { clear_predecessors(); });
                     }));
  }));
}

void ShardKeeper::read() {
  step_ = Step::reading;
  store_.shards(guard([this](Result<std::vector<ShardRow>> rows) {
    if (!rows) return failed("reading the shard table", rows.error());
    on_rows(*rows);
  }));
}

void ShardKeeper::believe(const std::vector<ShardRow>& rows) {
  std::vector<ShardId> lost;
  for (const ShardRow& row : rows) {
    owners_[row.id] = row.owner ? row.owner_node : std::string();
    if (core_.shards().owns(row.id) &&
        (row.owner != incarnation_ || row.epoch != core_.shards().epoch(row.id))) {
      lost.push_back(row.id);
    }
  }
  if (lost.empty()) return;
  // Only a fenced incarnation loses shards without its own doing.
  hooks_.fenced(
      {ErrorCode::fenced, std::to_string(lost.size()) + " of our shards belong to somebody else", {}});
}

void ShardKeeper::on_rows(const std::vector<ShardRow>& rows) {
  std::weak_ptr<int> alive = alive_;
  believe(rows);
  if (alive.expired()) return;
  if (leaving_) {
    std::vector<ShardId> all;
    for (const ShardEpoch& shard : core_.shards().epochs()) all.push_back(shard.shard);
    return release(std::move(all));
  }
  if (clear_dead(rows)) return;
  std::vector<ShardId> wanted;
  bool expecting = false;
  for (const ShardRow& row : rows) {
    const bool orphan = is_orphan(row, hooks_.now().mono);
    if (core_.shards().owns(row.id) || (core_.shards().should_own(row.id) != self_ && !orphan)) continue;
    if (row.owner) {
      expecting = true;
    } else {
      adopted_at_[row.id].reset();
      if (core_.shards().should_own(row.id) != self_) adopted_at_[row.id] = hooks_.now().mono;
      wanted.push_back(row.id);
    }
  }
  if (!wanted.empty()) return take(std::move(wanted));
  auto excess = core_.shards().to_release();
  std::erase_if(excess, [&](ShardId shard) {
    return adopted_at_[shard] && hooks_.now().mono - *adopted_at_[shard] < kKeepOrphan;
  });
  if (!excess.empty()) return release(std::move(excess));
  again(expecting ? kEager : kCalm);
}

// Owners whose registry node has been gone for a while, and owners whose master row has ended.
bool ShardKeeper::clear_dead(const std::vector<ShardRow>& rows) {
  const MonoTime now = hooks_.now().mono;
  std::map<std::string, MonoTime> absent;
  for (const ShardRow& row : rows) {
    if (!row.owner || row.owner == incarnation_) continue;
    const bool suspect = is_suspect(row.owner_node, now);
    if (!row.owner_alive || suspect) {
      take_over(row.owner_node, row.owner, suspect);
      return true;
    }
    // A list that is frozen says nothing of who came since.
    if (live_.contains(row.owner_node) || !hooks_.registry_up()) continue;
    const auto known = absent_since_.find(row.owner_node);
    const MonoTime since = known == absent_since_.end() ? now : known->second;
    absent.emplace(row.owner_node, since);
    if (now - since >= dead_after_) {
      take_over(row.owner_node, row.owner, false);
      return true;
    }
  }
  absent_since_ = std::move(absent);
  return false;
}

// Nobody has taken it for a while: its heir does not know, or is gone as well. Any master may; it moves on
// later.
bool ShardKeeper::is_orphan(const ShardRow& row, MonoTime now) {
  auto& since = unowned_since_[row.id];
  if (row.owner) {
    since.reset();
    return false;
  }
  if (!since) since = now;
  return now - *since >= kOrphanAfter;
}

void ShardKeeper::take_over(const std::string& node, Incarnation dead, bool on_refusals) {
  step_ = Step::clearing;
  LOG(WARNING) << "taking over from master " << node << " (" << to_string(dead) << "): "
               << (on_refusals ? "it refuses connections"
                               : "the registry or the database says that it is gone");
  store_.take_over(dead, guard([this, node, dead, on_refusals](Result<> done) {
                     if (!done) return failed("taking over", done.error());
                     buried_[node] = dead;
                     if (on_refusals) quick_at_[node] = hooks_.now().mono;
                     set_ring();
                     again(Duration{0});
                   }));
}

void ShardKeeper::take(std::vector<ShardId> wanted) {
  step_ = Step::taking;
  store_.take_shards(std::move(wanted), guard([this](Result<std::vector<ShardEpoch>> taken) {
                       // An unknown outcome is read back as "owned by us": believe() then finds nothing lost,
                       // and we take nothing twice; so such shards are given back by taking ourselves for
                       // fenced.
                       if (!taken && taken.error().code == ErrorCode::unknown_outcome)
                         return hooks_.fenced(taken.error());
                       if (!taken) return failed("taking shards", taken.error());
                       for (const ShardEpoch& shard : *taken) owners_[shard.shard] = self_;
                       if (!taken->empty()) {
                         LOG(INFO) << "took " << taken->size() << " shards";
                         core_.on_shards_taken(*taken, hooks_.now());
                         hooks_.changed();
                       }
                       again(kEager);
                     }));
}

void ShardKeeper::release(std::vector<ShardId> ids) {
  if (ids.empty()) return again(Duration{0});
  step_ = Step::quiescing;
  releasing_ = std::move(ids);
  core_.freeze();
  hooks_.hold_writes(true);
  on_progress();
}

void ShardKeeper::on_progress() {
  if (step_ == Step::quiescing && core_.quiet() && hooks_.writes_idle()) release_now();
}

void ShardKeeper::release_now() {
  step_ = Step::releasing;
  store_.release_shards(releasing_, guard([this](Result<> done) {
                          if (!done && done.error().code == ErrorCode::unknown_outcome)
                            return hooks_.fenced(done.error());
                          if (!done) {
                            end_release();
                            return failed("handing shards over", done.error());
                          }
                          LOG(INFO) << "handed over " << releasing_.size() << " shards";
                          for (const ShardId shard : releasing_) owners_[shard].clear();
                          core_.on_shards_released(releasing_);
                          hooks_.released(releasing_);
                          end_release();
                          again(kEager);
                        }));
}

void ShardKeeper::end_release() {
  core_.unfreeze();
  hooks_.hold_writes(false);
  hooks_.changed();
}

void ShardKeeper::leave(std::function<void()> done) {
  leaving_ = true;
  left_ = std::move(done);
  if (!started_) return std::exchange(left_, nullptr)();
  check_soon();
}

std::uint32_t ShardKeeper::shards_of(const std::string& node) const {
  return static_cast<std::uint32_t>(std::count(owners_.begin(), owners_.end(), node));
}

std::uint32_t ShardKeeper::unowned() const {
  return shards_of({});
}

}  // namespace ringmaster
