#include "tests/sim/sim_worker_parts.h"

#include <algorithm>

#include <glog/logging.h>

namespace ringmaster {

namespace {
// What its spec says; none: whatever comes.
std::optional<Duration> sleep_of(const Dispatch& attempt) {
  constexpr std::string_view kKey = "\"sleep\":\"";
  const auto at = attempt.spec.find(kKey);
  if (at == std::string::npos) return std::nullopt;
  const auto begin = at + kKey.size();
  const auto sleep = parse_duration(attempt.spec.substr(begin, attempt.spec.find('"', begin) - begin));
  CHECK(sleep) << sleep.error().message;
  return *sleep;
}
}  // namespace

Spool::Contents SimSpool::load() {
  if (disk_.forgets_results) disk_.contents.results.clear();
  if (disk_.forgets_epochs) disk_.contents.epochs.clear();
  return disk_.contents;
}

Result<> SimSpool::bind(const std::string& store_id) {
  disk_.contents.store_id = store_id;
  return {};
}

Result<> SimSpool::append(const std::vector<ResultReport>& results) {
  disk_.contents.results.insert(disk_.contents.results.end(), results.begin(), results.end());
  for (const ResultReport& report : results) {
    if (report.result.outcome == Outcome::succeeded) witness_.spooled(report.token);
  }
  return {};
}

Result<> SimSpool::note_epochs(const std::vector<ShardEpoch>& epochs) {
  for (auto* known : {&disk_.contents.epochs, &disk_.told}) {
    for (const ShardEpoch& noted : epochs) {
      const auto it = std::ranges::find(*known, noted.shard, &ShardEpoch::shard);
      if (it == known->end()) {
        known->push_back(noted);
      } else {
        it->epoch = std::max(it->epoch, noted.epoch);
      }
    }
  }
  return {};
}

void SimSpool::sync(Synced done) {
  const Duration time{static_cast<std::int64_t>(100 + loop_.random() % 5'000)};
  loop_.after(time, [done = std::move(done)]() mutable { done({}); });
}

void SimSpool::forget(const std::vector<Token>& tokens) {
  std::erase_if(disk_.contents.results, [&](const ResultReport& report) {
    return std::find(tokens.begin(), tokens.end(), report.token) != tokens.end();
  });
}

SimRunner::SimRunner(Loop& daemon, Loop& supervisor, Loop& world, Witness& witness, SimDisk& disk,
                     std::string worker, Incarnation incarnation)
    : daemon_(daemon),
      supervisor_(supervisor),
      world_(world),
      witness_(witness),
      disk_(disk),
      worker_(std::move(worker)),
      incarnation_(incarnation) {
  witness_.came_up(incarnation_, disk_.told);
}

SimRunner::~SimRunner() {
  if (running_.empty()) return;
  const Duration life = shortest_orphan_life + up_to(longest_orphan_life - shortest_orphan_life);
  disk_.busy_until = std::max(disk_.busy_until, world_.now() + life);
  std::vector<ResultReport> words;
  for (const auto& [task, running] : running_) {
    if (static_cast<double>(supervisor_.random() % 1000) >= last_words_share * 1000) continue;
    AttemptResult result;
    const bool by_itself = supervisor_.random() % 5 == 0;  // just before it would have been killed
    result.outcome = by_itself ? Outcome::succeeded : Outcome::lost;
    result.worker_died = !by_itself;
    result.started_at = running.started_at;
    result.finished_at = running.started_at + life;
    result.message = "simulated last words";
    words.push_back({running.token, std::move(result)});
  }
  world_.after(life, [&witness = witness_, &disk = disk_, worker = worker_, incarnation = incarnation_,
                      words = std::move(words)] {
    witness.worker_died(worker, incarnation);
    disk.last_words.insert(disk.last_words.end(), words.begin(), words.end());
  });
}

void SimRunner::lose_supervisor() {
  supervisor_lost_ = true;
  for (const auto& [task, running] : std::exchange(running_, {})) {
    witness_.ended(running.token, worker_, incarnation_);
    lose(running.token, running.started_at, true);
  }
}

void SimRunner::lose(Token token, WallTime started_at, bool ran) {
  AttemptResult result;
  result.outcome = Outcome::lost;
  result.worker_died = ran;
  result.started_at = started_at;
  result.finished_at = daemon_.wall_now();
  result.message = "simulated death of the supervisor";
  daemon_.post([this, token, result = std::move(result)]() mutable {
    handler_->on_attempt_finished(token, std::move(result));
  });
}

void SimRunner::start(Dispatch attempt) {
  const Token token = attempt.token;
  if (supervisor_lost_) return lose(token, daemon_.wall_now(), false);
  const bool leased = attempt.on_worker_lost == OnWorkerLost::rerun_after_lease;
  if (leased && enforces_leases && leases_[token.task.shard()] <= supervisor_.now()) {
    AttemptResult refused;
    refused.outcome = Outcome::lost;
    refused.started_at = refused.finished_at = daemon_.wall_now();
    refused.message = "simulated start without a lease";
    daemon_.post([this, token, refused = std::move(refused)]() mutable {
      handler_->on_attempt_finished(token, std::move(refused));
    });
    return;
  }
  Running& running = running_[token.task];
  running.token = token;
  running.started_at = daemon_.wall_now();
  running.leased = leased;
  running.end = std::make_unique<Timer>(daemon_);
  running.supervised = std::make_unique<Timer>(supervisor_);
  witness_.began(token, attempt.on_worker_lost, worker_, incarnation_);
  Outcome end = Outcome::succeeded;
  if (static_cast<double>(daemon_.random() % 1000) < fail_share * 1000) end = Outcome::failed;
  if (daemon_.random() % 50 == 0) end = Outcome::released;
  // Most are short; some outlive the time after which a `running` mark is written, a few the verdicts on
  // workers.
  Duration takes = up_to(longest);
  if (daemon_.random() % 8 == 0) takes *= 10;
  if (daemon_.random() % 8 == 0) takes *= 6;
  if (const auto sleep = sleep_of(attempt)) {
    takes = *sleep;
    end = Outcome::succeeded;
  }
  daemon_.post([this, token, at = running.started_at] { handler_->on_attempt_started(token, at); });
  if (daemon_.random() % 8 == 0) {
    daemon_.post(
        [this, token] { handler_->on_attempt_progress(token, {.fraction = 0.5, .message = "half"}); });
  }
  running.end->start(takes, [this, token, end] { die(token, end); });
  if (leased && enforces_leases) watch_lease(running);
}

void SimRunner::kill(Token token) {
  const auto it = running_.find(token.task);
  if (it == running_.end() || !(it->second.token == token) || it->second.stopping) return;
  stop(it->second, std::chrono::milliseconds(20), Outcome::cancelled);
}

void SimRunner::extend_lease(ShardId shard, MonoTime until) {
  MonoTime& end = leases_[shard];
  if (end <= supervisor_.now()) {  // what lived under a lease that has passed does not under the next
    for (auto& [task, running] : running_) {
      if (task.shard() == shard) stop_for_lease(running);
    }
  }
  end = std::max(end, until);
}

void SimRunner::watch_lease(Running& running) {
  const ShardId shard = running.token.task.shard();
  running.supervised->start(leases_[shard] - supervisor_.now(), [this, &running, shard] {
    if (leases_[shard] > supervisor_.now()) return watch_lease(running);  // it has grown
    stop_for_lease(running);
  });
}

void SimRunner::stop_for_lease(Running& running) {
  if (enforces_leases && running.leased && !running.stopping)
    stop(running, up_to(longest_lease_kill), Outcome::lost);
}

void SimRunner::stop(Running& running, Duration takes, Outcome outcome) {
  running.stopping = true;
  running.end->stop();
  running.supervised->start(takes, [this, token = running.token, outcome] { die(token, outcome); });
}

void SimRunner::die(Token token, Outcome outcome) {
  const auto node = running_.extract(token.task);
  witness_.ended(token, worker_, incarnation_);
  if (outcome == Outcome::released) witness_.gave_back(token);
  AttemptResult result;
  result.outcome = outcome;
  result.exit_code = outcome == Outcome::failed ? 1 : 0;
  result.started_at = node.mapped().started_at;
  result.finished_at = daemon_.wall_now();
  if (outcome != Outcome::succeeded) result.message = "simulated " + std::string(to_string(outcome));
  daemon_.post([this, token, result = std::move(result)]() mutable {
    handler_->on_attempt_finished(token, std::move(result));
  });
}

Duration SimRunner::up_to(Duration most) {
  return Duration{
      static_cast<std::int64_t>(supervisor_.random() % static_cast<std::uint64_t>(most.count() + 1))};
}

}  // namespace ringmaster
