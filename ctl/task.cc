// The noun `task`.
#include <CLI/CLI.hpp>

#include "ctl/ctl.h"
#include "ctl/task_control.h"
#include "ctl/task_log.h"
#include "ctl/task_show.h"
#include "ctl/task_submit.h"
#include "ctl/task_watch.h"

namespace ringmaster {

void add_task_commands(CLI::App& app, Ctl& ctl) {
  CLI::App* task = app.add_subcommand("task", "Submit, show, watch, await, explain and cancel tasks");
  task->require_subcommand(1);
  add_task_submit(*task, ctl);
  add_task_get(*task, ctl);
  add_task_list(*task, ctl);
  add_task_wait(*task, ctl);
  add_task_watch(*task, ctl);
  add_task_log(*task, ctl);
  add_task_explain(*task, ctl);
  add_task_cancel(*task, ctl);
  add_task_release(*task, ctl);
}

}  // namespace ringmaster
