#include "tests/sim/sim_worker_parts.h"

#include <algorithm>

namespace ringmaster {

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
  for (const ShardEpoch& noted : epochs) {
    auto& known = disk_.contents.epochs;
    const auto it =
        std::find_if(known.begin(), known.end(), [&](const auto& e) { return e.shard == noted.shard; });
    if (it == known.end()) {
      known.push_back(noted);
    } else {
      it->epoch = std::max(it->epoch, noted.epoch);
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

SimRunner::SimRunner(Loop& loop, Witness& witness, std::string worker, Incarnation incarnation)
    : loop_(loop), witness_(witness), worker_(std::move(worker)), incarnation_(incarnation) {}

SimRunner::~SimRunner() {
  witness_.worker_died(worker_, incarnation_);
}

void SimRunner::start(Dispatch attempt) {
  const Token token = attempt.token;
  Running& running = running_[token.task];
  running.token = token;
  running.started_at = loop_.wall_now();
  running.timer = std::make_unique<Timer>(loop_);
  witness_.began(token, attempt.on_worker_lost, worker_, incarnation_);
  const bool fails = static_cast<double>(loop_.random() % 1000) < fail_share * 1000;
  // Most are short; some outlive the time after which a `running` mark is written, a few the verdicts on
  // workers.
  Duration takes{static_cast<std::int64_t>(loop_.random() % static_cast<std::uint64_t>(longest.count()))};
  if (loop_.random() % 8 == 0) takes *= 10;
  if (loop_.random() % 8 == 0) takes *= 6;
  loop_.post([this, token, at = running.started_at] {
    if (running_.contains(token.task)) handler_->on_attempt_started(token, at);
  });
  running.timer->start(takes,
                       [this, token, fails] { finish(token, fails ? Outcome::failed : Outcome::succeeded); });
}

void SimRunner::kill(Token token) {
  const auto it = running_.find(token.task);
  if (it == running_.end() || !(it->second.token == token) || it->second.killed) return;
  it->second.killed = true;
  it->second.timer->start(std::chrono::milliseconds(20),
                          [this, token] { finish(token, Outcome::cancelled); });
}

void SimRunner::finish(Token token, Outcome outcome) {
  auto node = running_.extract(token.task);
  witness_.ended(token, worker_, incarnation_);
  AttemptResult result;
  result.outcome = outcome;
  result.exit_code = outcome == Outcome::failed ? 1 : 0;
  result.started_at = node.mapped().started_at;
  result.finished_at = loop_.wall_now();
  if (outcome != Outcome::succeeded) result.message = "simulated " + std::string(to_string(outcome));
  handler_->on_attempt_finished(token, std::move(result));
}

}  // namespace ringmaster
