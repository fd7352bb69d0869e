#include "worker/noop_runner.h"

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
  if (spec->sleep > Duration::zero()) return sleep(attempt.token, *spec, now);
  report({attempt.token, true, true, natural_end(now, now, spec->fails)});
}

void NoopRunner::sleep(Token token, const Spec& spec, WallTime now) {
  const auto entry = sleepers_.emplace(token.task, Sleeper{token, 0, spec.fails, now});
  entry->second.timer = loop_.after(spec.sleep, [this, entry] {
    const Sleeper sleeper = entry->second;
    sleepers_.erase(entry);
    report({sleeper.token, false, true, natural_end(sleeper.started_at, loop_.wall_now(), sleeper.fails)});
  });
  AttemptResult started;
  started.started_at = now;
  report({token, true, false, std::move(started)});
}

void NoopRunner::kill(Token token) {
  const auto [begin, end] = sleepers_.equal_range(token.task);
  for (auto entry = begin; entry != end; ++entry) {
    if (entry->second.token != token) continue;
    loop_.cancel(entry->second.timer);
    auto result = result_between(entry->second.started_at, loop_.wall_now(), Outcome::cancelled);
    result.message = "stopped on request";
    report({token, false, true, std::move(result)});
    sleepers_.erase(entry);
    return;
  }
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
