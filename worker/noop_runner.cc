#include "worker/noop_runner.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <boost/json.hpp>

namespace ringmaster {
namespace {

AttemptResult result_between(WallTime started_at, WallTime finished_at, Outcome outcome) {
  AttemptResult result;
  result.outcome = outcome;
  result.started_at = started_at;
  result.finished_at = finished_at;
  return result;
}

AttemptResult natural_end(WallTime started_at, WallTime finished_at, bool fails) {
  auto result = result_between(started_at, finished_at, fails ? Outcome::failed : Outcome::succeeded);
  if (fails) {
    result.exit_code = 1;
    result.message = "exit code 1";
  }
  return result;
}

constexpr Duration kMaxSleep = std::chrono::days(365);
constexpr auto kLeaseEnded = "stopped: its lease ran out before a master renewed it";

bool is_leased(const Dispatch& attempt) {
  return attempt.on_worker_lost == OnWorkerLost::rerun_after_lease;
}

std::unexpected<Error> refuse(std::string message) {
  return fail(ErrorCode::invalid_argument, "spec: " + std::move(message), "spec");
}

}  // namespace

NoopRunner::~NoopRunner() {
  for (const auto& [task, sleeper] : sleepers_) loop_.cancel(sleeper.timer);
}

Result<NoopRunner::Spec> NoopRunner::parse(const std::string& json) {
  Spec spec;
  if (json.empty() || json == "{}") return spec;
  boost::system::error_code error;
  const auto value = boost::json::parse(json, error);
  if (error || !value.is_object()) return refuse("must be a JSON object");
  for (const auto& entry : value.get_object()) {
    if (entry.key() == "sleep" && entry.value().is_string()) {
      const auto sleep = parse_duration(std::string_view(entry.value().get_string()));
      if (!sleep) return refuse("sleep: " + sleep.error().message);
      if (*sleep > kMaxSleep) return refuse("sleep: must be at most 365d");
      spec.sleep = *sleep;
    } else if (entry.key() == "fail" && entry.value().is_bool()) {
      spec.fails = entry.value().get_bool();
    } else {
      return refuse("expected {\"sleep\": \"100ms\", \"fail\": false}, both optional, not " +
                    std::string(entry.key()));
    }
  }
  return spec;
}

void NoopRunner::start(Dispatch attempt) {
  const auto now = loop_.wall_now();
  const auto spec = parse(attempt.spec);
  if (!spec) {
    auto result = result_between(now, now, Outcome::failed);
    result.permanent = true;
    result.message = spec.error().message;
    return report({attempt.token, false, true, std::move(result)});
  }
  if (is_leased(attempt) && lease_ended(attempt.token.task.shard())) {
    auto result = result_between(now, now, Outcome::lost);
    result.message = "not started: no master had renewed its lease";
    return report({attempt.token, false, true, std::move(result)});
  }
  if (spec->sleep > Duration::zero()) return sleep(attempt, *spec, now);
  report({attempt.token, true, true, natural_end(now, now, spec->fails)});
}

void NoopRunner::sleep(const Dispatch& attempt, const Spec& spec, WallTime now) {
  const Token token = attempt.token;
  set_timer(sleepers_.emplace(
      token.task, Sleeper{token, 0, spec.fails, is_leased(attempt), now, loop_.now() + spec.sleep}));
  AttemptResult started;
  started.started_at = now;
  report({token, true, false, std::move(started)});
}

void NoopRunner::set_timer(Sleepers::iterator entry) {
  Sleeper& sleeper = entry->second;
  auto at = sleeper.wake_at;
  if (sleeper.leased) at = std::min(at, leases_[sleeper.token.task.shard()]);
  sleeper.timer = loop_.after(at - loop_.now(), [this, entry] { wake(entry); });
}

void NoopRunner::wake(Sleepers::iterator entry) {
  const Sleeper& sleeper = entry->second;
  const ShardId shard = sleeper.token.task.shard();
  if (sleeper.leased && lease_ended(shard) && leases_[shard] <= sleeper.wake_at) {
    stop(entry, Outcome::lost, kLeaseEnded);
  } else if (loop_.now() < sleeper.wake_at) {
    set_timer(entry);  // its lease has grown
  } else {
    report({sleeper.token, false, true, natural_end(sleeper.started_at, loop_.wall_now(), sleeper.fails)});
    sleepers_.erase(entry);
  }
}

void NoopRunner::kill(Token token) {
  const auto [begin, end] = sleepers_.equal_range(token.task);
  const auto entry = std::find_if(begin, end, [&](const auto& of) { return of.second.token == token; });
  if (entry != end) stop(entry, Outcome::cancelled, "stopped on request");
}

void NoopRunner::extend_lease(ShardId shard, MonoTime until) {
  // Sleepers of a lease that has passed may have been given up already; the new one is not theirs.
  for (auto entry = sleepers_.begin(); lease_ended(shard) && entry != sleepers_.end();) {
    const bool its = entry->second.leased && entry->first.shard() == shard;
    entry = its ? stop(entry, Outcome::lost, kLeaseEnded) : std::next(entry);
  }
  leases_[shard] = std::max(leases_[shard], until);
}

NoopRunner::Sleepers::iterator NoopRunner::stop(Sleepers::iterator entry, Outcome outcome, std::string why) {
  loop_.cancel(entry->second.timer);
  auto result = result_between(entry->second.started_at, loop_.wall_now(), outcome);
  result.message = std::move(why);
  report({entry->second.token, false, true, std::move(result)});
  return sleepers_.erase(entry);
}

void NoopRunner::report(Report report) {
  reports_.push_back(std::move(report));
  if (std::exchange(posted_, true)) return;
  loop_.post([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) deliver();
  });
}

void NoopRunner::deliver() {
  posted_ = false;
  const std::weak_ptr alive(alive_);
  for (auto& report : std::exchange(reports_, {})) {
    if (report.started) handler_->on_attempt_started(report.token, report.result.started_at);
    if (alive.expired()) return;
    if (report.finished) handler_->on_attempt_finished(report.token, std::move(report.result));
    if (alive.expired()) return;
  }
}

}  // namespace ringmaster
