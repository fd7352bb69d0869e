// TaskSource: where the tasks of one `task submit` come from, taken in batches that one request may carry.
// Blocking reads; one thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ctl/line_reader.h"
#include "ctl/task_template.h"

namespace ringmaster {

inline constexpr std::size_t kBatchTasks = 1000;
inline constexpr std::size_t kBatchBytes = 1024 * 1024;  // of specs; a single larger one goes alone

class TaskSource {
 public:
  // One task from the options and, unless empty, the command.
  static TaskSource one(TaskTemplate tasks, std::vector<std::string> argv);
  // One task for each line: `argv` with the line filled in.
  static TaskSource each(TaskTemplate tasks, std::vector<std::string> argv, LineReader lines);
  // One JSON task on each line; empty lines are skipped.
  static TaskSource json_lines(TaskTemplate tasks, LineReader lines);

  // The next 1 to kBatchTasks tasks; empty at the end. A batch ends early rather than wait for input that is
  // not there yet. Errors name the line.
  Result<std::vector<NewTask>> next_batch();
  bool single() const { return kind_ == Kind::one; }

 private:
  enum class Kind { one, each, json_lines };
  TaskSource(Kind kind, TaskTemplate tasks, std::vector<std::string> argv, std::optional<LineReader> lines);
  Result<std::optional<NewTask>> next();

  Kind kind_;
  TaskTemplate template_;
  std::vector<std::string> argv_;
  std::optional<LineReader> lines_;
  bool given_ = false;  // one: it has been taken
};

}  // namespace ringmaster
