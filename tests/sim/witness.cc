#include "tests/sim/witness.h"

#include <algorithm>

namespace ringmaster {

namespace {
std::string text(const Token& token) {
  return to_string(token.task) + " epoch " + std::to_string(token.epoch) + " attempt " +
         std::to_string(token.attempt);
}
}  // namespace

void Witness::violate(const std::string& what) {
  if (violations_.size() < 20) violations_.push_back(what);
}

void Witness::accepted(TaskId id, const NewTask& task) {
  const bool fresh = accepted_.emplace(id, task).second;
  if (task.idempotency_key.empty()) {
    if (!fresh) violate(to_string(id) + " was given to two submissions");
    return;
  }
  const auto [key, first] = keys_.emplace(task.idempotency_key, id);
  if (key->second != id)
    violate("key " + key->first + " was answered " + to_string(key->second) + ", then " + to_string(id));
}

void Witness::began(const Token& token, OnWorkerLost policy, const std::string& worker,
                    Incarnation incarnation) {
  ++runs_;
  const std::string what = text(token) + " began on " + worker;
  if (!begun_.insert({token.task, token.epoch, token.attempt}).second)
    violate(what + ": this token ran before");
  if (spool_counts_ && spooled_.contains(token.task)) violate(what + " though its success was in a spool");
  const auto& told = told_[incarnation];
  const auto epoch = std::ranges::find(told, token.task.shard(), &ShardEpoch::shard);
  if (epoch != told.end() && token.epoch < epoch->epoch)
    violate(what + " though that worker was told epoch " + std::to_string(epoch->epoch) +
            " in a former life");
  const int number = ++runs_of_[token.task];
  std::vector<Run>& running = running_[token.task];
  if (const auto cancel = cancels_.find(token.task);
      cancel != cancels_.end() && token.attempt > cancel->second) {
    violate(what + " though a cancel was committed before that attempt was made");
  }
  if (ends_.contains(token.task) && policy != OnWorkerLost::rerun) {
    violate(what + " though its task has ended");
  }
  if (!running.empty()) {
    const std::string other =
        what + " while " + text(running.front().token) + " runs on " + running.front().worker;
    if (policy != OnWorkerLost::rerun) violate("silent overlap: " + other);
    if (!reruns_allowed_) violate("overlap though nobody could be taken for dead: " + other);
  }
  if (policy == OnWorkerLost::fail && number - gave_back_[token.task] > 1)
    violate(what + ": an at-most-once task runs again");
  if (!reruns_allowed_ && token.attempt < number) violate(what + ": an attempt number ran twice");
  running.push_back({token, worker, incarnation});
}

void Witness::cancel_promised(TaskId id) {
  const auto task = database_.tasks().find(id);
  if (task != database_.tasks().end()) cancels_.emplace(id, task->second.row.attempt);
}

void Witness::came_up(Incarnation incarnation, const std::vector<ShardEpoch>& told) {
  told_[incarnation] = told;
}

bool Witness::runs_on(TaskId id, const std::string& worker) const {
  const auto runs = running_.find(id);
  if (runs == running_.end()) return false;
  return std::ranges::any_of(runs->second, [&](const Run& run) { return run.worker == worker; });
}

void Witness::ended(const Token& token, const std::string& worker, Incarnation incarnation) {
  const auto it = running_.find(token.task);
  if (it == running_.end()) return;
  std::erase_if(it->second, [&](const Run& run) {
    return run.token == token && run.worker == worker && run.incarnation == incarnation;
  });
  if (it->second.empty()) running_.erase(it);
}

void Witness::worker_died(const std::string& worker, Incarnation incarnation) {
  for (auto it = running_.begin(); it != running_.end();) {
    std::erase_if(it->second,
                  [&](const Run& run) { return run.worker == worker && run.incarnation == incarnation; });
    it = it->second.empty() ? running_.erase(it) : std::next(it);
  }
}

void Witness::check_step() {
  const auto& tasks = database_.tasks();
  const auto& history = database_.history();
  for (const auto& [id, view] : history) {
    if (tasks.contains(id)) violate(to_string(id) + " is waiting and ended at once");
    if (!is_terminal(view.row.state)) violate(to_string(id) + " is in history without an end");
    const End end{view.row.state, view.row.attempt, view.finished_at};
    const auto [known, fresh] = ends_.emplace(id, end);
    // Whatever must not overlap ends only when nothing of it runs any more: what follows may rely on that.
    if (fresh && view.row.task.on_worker_lost == OnWorkerLost::rerun_after_lease && running_.contains(id)) {
      violate(to_string(id) + " has ended while " + text(running_.at(id).front().token) + " still runs");
    }
    // Such an end is a worker's word on that attempt.
    const Token token{id, view.row.epoch, view.row.attempt};
    const bool reported = end.state == TaskState::succeeded || end.state == TaskState::failed;
    if (fresh && reported && running_.contains(id) &&
        std::ranges::find(running_.at(id), token, &Run::token) != running_.at(id).end()) {
      violate(to_string(id) + " has ended by " + text(token) + ", which still runs");
    }
    if (!fresh && !(known->second == end)) {
      violate(to_string(id) + " ended twice: " + std::string(to_string(known->second.state)) +
              " by attempt " + std::to_string(known->second.attempt) + ", then " +
              std::string(to_string(end.state)) + " by attempt " + std::to_string(end.attempt));
    }
  }
  for (const auto& [id, end] : ends_) {
    if (!history.contains(id)) violate(to_string(id) + " had ended and is gone");
  }
  for (const auto& [id, task] : accepted_) {
    if (!tasks.contains(id) && !history.contains(id)) violate(to_string(id) + " was accepted and is lost");
  }
}

void Witness::check_end() {
  check_step();
  for (const auto& [id, task] : accepted_) {
    if (!ends_.contains(id)) violate(to_string(id) + " was accepted and never ended");
  }
  std::set<std::string> labels;  // a task says its key there
  for (const auto& [id, view] : database_.history()) {
    const std::string& label = view.row.task.labels;
    if (!label.empty() && !labels.insert(label).second) violate("two tasks have " + label);
  }
  for (const auto& [id, task] : database_.tasks()) {
    violate(to_string(id) + " still waits: state " + std::string(to_string(task.row.state)) + ", attempt " +
            std::to_string(task.row.attempt) +
            (task.row.worker.empty() ? "" : ", recorded on " + task.row.worker));
  }
  for (const auto& [id, runs] : running_)
    violate(text(runs.front().token) + " still runs on " + runs.front().worker);
}

}  // namespace ringmaster
