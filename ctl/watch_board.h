// WatchBoard: the tasks that `task watch` follows, what of them has changed, and how they look, all at once
// or change by change. Pure.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/task.h"
#include "ctl/task_tally.h"
#include "ctl/text_table.h"

namespace ringmaster {

class WatchBoard {
 public:
  // True if it is new here, or something that is shown of it has changed.
  bool note(TaskView view);
  void missing(TaskId id);  // there is no such task

  bool knows(TaskId id) const { return tasks_.contains(id); }
  const TaskView& view(TaskId id) const { return tasks_.at(id); }
  const TaskView& only() const { return tasks_.begin()->second; }  // if size() is 1
  std::size_t size() const { return tasks_.size(); }
  std::vector<TaskId> open() const;  // have not ended; by id
  TaskTally tally() const;

  // A line of counts, then a table by id of at most `rows` lines in all; where they are not enough the tasks
  // that have not ended come first, and a last line says how many are left out.
  std::string draw(WallTime now, const TextStyle& style, std::size_t rows) const;

 private:
  std::string counts(const TextStyle& style) const;

  std::map<TaskId, TaskView> tasks_;
  std::size_t missing_ = 0;
};

// What a change is, on one line: `2026-11-21T09:30:00Z task_… RUNNING on w1, attempt 2`.
std::string change_line(const TaskView& view, WallTime now, bool colour);

}  // namespace ringmaster
