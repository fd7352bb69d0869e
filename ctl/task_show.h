// `ringctl task get`, `task list` and `task wait`, and how a task looks as text.
#pragma once

#include <string>

#include "base/task.h"
#include "ctl/ctl.h"
#include "ctl/text_table.h"

namespace ringmaster {

void add_task_get(CLI::App& task, Ctl& ctl);
void add_task_list(CLI::App& task, Ctl& ctl);
void add_task_wait(CLI::App& task, Ctl& ctl);

Tone tone_of(TaskState state);

// Why an attempt ended as it did: `exit code 3`, `signal 9: out of memory`; empty on success.
std::string why_of(const AttemptResult& result);

// `40%: loading`, and `[####------]  40%  loading`.
std::string progress_of(const Progress& progress);
std::string progress_bar(const Progress& progress);

// What it runs, on one line: the command of a process, else the spec.
std::string command_of(const NewTask& task);

// `label:  value` lines, a table of the attempts, one of late results, and the output's tail.
std::string describe(const TaskView& view, WallTime now, const TextStyle& style);

// An empty table with the columns of `task list`, and a row of it.
TextTable task_table();
void add_row(TextTable& table, const TaskView& view, const std::string& created);

}  // namespace ringmaster
