// TaskTally: how a set of tasks has ended so far, and the texts and the exit status that follow from it.
// Pure.
#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "base/task.h"

namespace ringmaster {

class TaskTally {
 public:
  explicit TaskTally(std::size_t total) : total_(total) {}

  void ended(TaskState state) { ++by_state_[state]; }
  void missing() { ++missing_; }  // no such task

  std::size_t total() const { return total_; }
  std::size_t done() const;
  std::size_t failed() const;  // ended otherwise than SUCCEEDED, or missing
  bool complete() const { return done() == total_; }

  // `[#######-------------]  350/1000  35%  2 failed  812/s  1s left`, at most `width` characters.
  std::string progress(Duration elapsed, std::size_t width) const;
  // `1000 tasks in 1.2s: 998 SUCCEEDED, 2 FAILED`, with `3 of 1000 tasks …` while incomplete.
  std::string summary(Duration elapsed) const;
  // `3 of 4 tasks: 2 SUCCEEDED, 1 FAILED`.
  std::string counts() const;
  // 0 if all succeeded, 124 if some have not ended, else 1.
  int exit_code() const;

 private:
  std::string text(const std::string& in) const;

  std::size_t total_;
  std::size_t missing_ = 0;
  std::map<TaskState, std::size_t> by_state_;
};

// The exit status of one task: its own code, 128 + its signal, 124 for TIMED_OUT or not yet ended, else 1.
int exit_code_of(const TaskView& view);

}  // namespace ringmaster
