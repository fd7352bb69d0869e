#include "master/shard_keeper.h"

#include <algorithm>
#include <utility>

#include <glog/logging.h>

#include "base/failpoint.h"

namespace ringmaster {

namespace {
constexpr Duration kCalm = std::chrono::seconds(1);
constexpr double kLogEvery = 5;                              // seconds
constexpr Duration kOrphanAfter = std::chrono::seconds(2);   // whoever should have taken it does not know
constexpr Duration kKeepOrphan = std::chrono::seconds(30);   // before it goes to an heir who did not take it
constexpr Duration kEager = std::chrono::milliseconds(100);  // shards that should be ours are still another's
}  // namespace

ShardKeeper::ShardKeeper(Loop& loop, TaskStore& store, SchedulerCore& core, std::string self,
                         Incarnation incarnation, Duration dead_after, Hooks hooks)
    : loop_(loop),
      store_(store),
      core_(core),
      self_(std::move(self)),
      incarnation_(incarnation),
      hooks_(std::move(hooks)),
      suspicion_(dead_after),
      timer_(loop) {}

// Answers may come after our destruction, or not at all.
template <class F>
auto ShardKeeper::guard(F f) {
  return [alive = std::weak_ptr<int>(alive_), f = std::move(f)](auto&&... args) mutable {
    if (!alive.expired()) f(std::forward<decltype(args)>(args)...);
  };
}

void ShardKeeper::on_masters(std::map<std::string, Incarnation> live) {
  suspicion_.on_list(std::move(live));
  set_ring();
  if (!started_ && suspicion_.shows(self_)) {
    started_ = true;
    clear_predecessors();
  } else if (started_) {
    check_soon();
  }
}

void ShardKeeper::set_ring() {
  core_.shards().set_masters(suspicion_.ring());
}

void ShardKeeper::on_master_refused(const std::string& node) {
  if (!suspicion_.on_refused(node, hooks_.now().mono)) return;
  set_ring();  // whoever takes its shards over, our share of them is ours
  check_soon();
}

void ShardKeeper::on_master_reached(const std::string& node) {
  if (suspicion_.on_reached(node)) set_ring();
}

void ShardKeeper::check_soon() {
  if (!started_) return;
  if (step_ == Step::idle) return again(Duration{0});
  soon_ = true;
}

void ShardKeeper::again(Duration delay) {
  step_ = Step::idle;
  if (leaving_ && core_.shards().count() == 0) {
    if (left_) std::exchange(left_, nullptr)();
    return;
  }
  timer_.start(std::exchange(soon_, false) ? Duration{0} : delay, [this] { read(); });
}

void ShardKeeper::failed(const char* what, const Error& error) {
  if (error.code == ErrorCode::fenced) return hooks_.fenced(error);
  LOG_EVERY_T(WARNING, kLogEvery) << what << ": " << error.message;
  again(kCalm);
}

// A master row of our own node id that is still living is a former life of ours: before anything is done
// here, Namesake has ruled another daemon of that name out.
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
  if (auto dead = suspicion_.judge(rows, incarnation_, hooks_.registry_up(), hooks_.now().mono))
    return take_over(*dead);
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

void ShardKeeper::take_over(const Suspicion::Dead& dead) {
  step_ = Step::clearing;
  LOG(WARNING) << "taking over from master " << dead.node << " (" << to_string(dead.incarnation) << "): "
               << (dead.refuses ? "it refuses connections"
                                : "the registry or the database says that it is gone");
  RINGMASTER_FAILPOINT("take_over.decided");
  store_.take_over(dead.incarnation, guard([this, dead](Result<> done) {
                     if (!done) {
                       suspicion_.on_blocked(dead);
                       return failed("taking over", done.error());
                     }
                     RINGMASTER_FAILPOINT("take_over.committed");
                     suspicion_.on_taken_over(dead, hooks_.now().mono);
                     set_ring();
                     again(Duration{0});
                   }));
  RINGMASTER_FAILPOINT("take_over.sent");
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
                       RINGMASTER_FAILPOINT("take.committed");
                       for (const ShardEpoch& shard : *taken) owners_[shard.shard] = self_;
                       if (!taken->empty()) {
                         LOG(INFO) << "took " << taken->size() << " shards";
                         core_.on_shards_taken(*taken, hooks_.now());
                         hooks_.changed();
                       }
                       again(kEager);
                     }));
  RINGMASTER_FAILPOINT("take.sent");
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
                          RINGMASTER_FAILPOINT("release.committed");
                          LOG(INFO) << "handed over " << releasing_.size() << " shards";
                          for (const ShardId shard : releasing_) owners_[shard].clear();
                          core_.on_shards_released(releasing_);
                          hooks_.released(releasing_);
                          end_release();
                          again(kEager);
                        }));
  RINGMASTER_FAILPOINT("release.sent");
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
