#include "worker/kind_runner.h"

#include <utility>

namespace ringmaster {

void KindRunner::add(std::string kind, std::unique_ptr<Runner> runner) {
  if (handler_ != nullptr) runner->set_handler(*handler_);
  runners_.insert_or_assign(std::move(kind), std::move(runner));
}

void KindRunner::set_handler(RunnerHandler& handler) {
  handler_ = &handler;
  for (const auto& [kind, runner] : runners_) runner->set_handler(handler);
}

void KindRunner::start(Dispatch attempt) {
  const auto found = runners_.find(attempt.kind);
  if (found != runners_.end()) return found->second->start(std::move(attempt));
  AttemptResult result;
  result.outcome = Outcome::failed;
  result.permanent = true;
  result.started_at = result.finished_at = loop_.wall_now();
  result.message = "unknown kind '" + attempt.kind + "': this worker runs " + known_kinds();
  loop_.post(
      [this, alive = std::weak_ptr(alive_), token = attempt.token, result = std::move(result)]() mutable {
        if (!alive.expired()) handler_->on_attempt_finished(token, std::move(result));
      });
}

// A token does not tell its kind; runners ignore what they do not know, and kinds are few.
void KindRunner::kill(Token token) {
  for (const auto& [kind, runner] : runners_) runner->kill(token);
}

void KindRunner::extend_lease(ShardId shard, MonoTime until) {
  for (const auto& [kind, runner] : runners_) runner->extend_lease(shard, until);
}

std::string KindRunner::known_kinds() const {
  std::string names;
  for (const auto& [kind, runner] : runners_) names += (names.empty() ? "" : ", ") + kind;
  return names.empty() ? "none" : names;
}

}  // namespace ringmaster
