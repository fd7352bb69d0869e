#include "tests/fault/evidence.h"

#include <algorithm>
#include <optional>
#include <sstream>

namespace ringmaster {

namespace {

// What one attempt wrote.
struct Run {
  Token token;
  std::int64_t began_us = 0, last_seen_us = 0;
  int begins = 0;
  bool ended = false;
};

using Runs = std::map<TaskId, std::vector<Run>>;  // of a task, in the order of their first lines

std::string name_of(const Token& token) {
  return to_string(token.task) + " attempt " + std::to_string(token.attempt) + " of epoch " +
         std::to_string(token.epoch);
}

Runs runs_of(const std::vector<WitnessLine>& witness) {
  Runs runs;
  for (const WitnessLine& line : witness) {
    auto& of_task = runs[line.token.task];
    auto run = std::ranges::find(of_task, line.token, &Run::token);
    if (run == of_task.end()) {
      of_task.push_back({.token = line.token, .began_us = line.boot_us});
      run = std::prev(of_task.end());
    }
    run->begins += line.what == WitnessLine::What::begin;
    run->ended |= line.what == WitnessLine::What::end;
    run->last_seen_us = std::max(run->last_seen_us, line.boot_us);
  }
  return runs;
}

class Judge {
 public:
  explicit Judge(const Evidence& evidence) : evidence_(evidence), runs_(runs_of(evidence.witness)) {
    for (const EndedTask& task : evidence.ended) {
      if (!ends_.try_emplace(task.id, &task).second)
        say(task.id, "has two results: task_history holds it twice");
    }
  }

  std::vector<std::string> verdict() {
    for (const TaskId id : evidence_.open) {
      if (ends_.contains(id)) say(id, "is in `task` and in task_history");
    }
    for (const auto& [id, task] : evidence_.accepted) judge(id, task);
    for (const auto& [id, runs] : runs_) judge_runs(id, runs);
    return std::move(broken_);
  }

 private:
  void say(TaskId id, const std::string& what) { broken_.push_back(to_string(id) + " " + what); }

  void judge(TaskId id, const AcceptedTask& task) {
    const auto end = ends_.find(id);
    if (end == ends_.end()) {
      const bool open = std::ranges::find(evidence_.open, id) != evidence_.open.end();
      return say(id, open ? "was accepted and has not ended" : "was accepted and is lost");
    }
    judge_end(task, *end->second);
    if (task.witnessed) judge_witnessed(*end->second);
    if (evidence_.no_worker_was_lost && end->second->attempt > task.max_attempts)
      say(id, "ran again although no worker was lost");
  }

  void judge_end(const AcceptedTask& task, const EndedTask& end) {
    using enum TaskState;
    const bool right =
        (end.state == succeeded && !task.fails) || (end.state == failed && task.fails) ||
        (end.state == cancelled && task.cancelled) ||
        (end.state == lost && task.policy == OnWorkerLost::fail && !evidence_.no_worker_was_lost);
    if (!right)
      say(end.id, "ended as " + std::string(to_string(end.state)) + ", which its policy does not allow");
  }

  // A success that nobody saw is a lie.
  void judge_witnessed(const EndedTask& end) {
    if (end.state != TaskState::succeeded && end.state != TaskState::failed) return;
    const auto runs = runs_.find(end.id);
    const bool seen = runs != runs_.end() && std::ranges::any_of(runs->second, [&](const Run& run) {
                        return run.ended && run.token.attempt == end.attempt;
                      });
    if (!seen)
      say(end.id, "has the result of attempt " + std::to_string(end.attempt) + ", which never ended");
  }

  void judge_runs(TaskId id, const std::vector<Run>& runs) {
    for (const Run& run : runs) {
      if (run.begins > 1)
        broken_.push_back(name_of(run.token) + " began " + std::to_string(run.begins) + " times");
    }
    const auto task = evidence_.accepted.find(id);
    if (task == evidence_.accepted.end()) return;  // its submission was never answered
    if (task->second.policy == OnWorkerLost::fail && runs.size() > 1)
      say(id, "may run at most once, and ran again");
    if (evidence_.no_worker_was_lost && std::cmp_greater(runs.size(), task->second.max_attempts))
      say(id, "began again although no worker was lost");
    if (task->second.policy == OnWorkerLost::rerun_after_lease) judge_overlap(runs);
  }

  void judge_overlap(const std::vector<Run>& runs) {
    for (std::size_t i = 1; i < runs.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (runs[j].last_seen_us > runs[i].began_us)
          broken_.push_back(name_of(runs[i].token) + " began while attempt " +
                            std::to_string(runs[j].token.attempt) + " of epoch " +
                            std::to_string(runs[j].token.epoch) + " ran for another " +
                            std::to_string(runs[j].last_seen_us - runs[i].began_us) + " us");
      }
    }
  }

  const Evidence& evidence_;
  const Runs runs_;
  std::map<TaskId, const EndedTask*> ends_;
  std::vector<std::string> broken_;
};

}  // namespace

std::vector<std::string> broken_promises(const Evidence& evidence) {
  return Judge(evidence).verdict();
}

std::vector<WitnessLine> parse_witness(const std::string& text) {
  std::vector<WitnessLine> lines;
  std::istringstream file(text);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string what, task;
    WitnessLine seen;
    words >> what >> task >> seen.token.epoch >> seen.token.attempt >> seen.boot_us;
    const auto id = parse_task_id(task);
    if (!words || !id) continue;  // its writer was killed amid the line: there is no such write, but be sure
    seen.token.task = *id;
    seen.what = what == "begin" ? WitnessLine::What::begin
                : what == "end" ? WitnessLine::What::end
                                : WitnessLine::What::alive;
    lines.push_back(seen);
  }
  return lines;
}

}  // namespace ringmaster
