// From `ringctl task submit` options to tasks. Pure: the clock's time is handed in.
//
// Options become the fields of one JSON task, so that the command line, --file and HTTP obey the same strict
// reader; the fields of a line of --file win over the options.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "base/result.h"
#include "base/task.h"

namespace ringmaster {

// As typed; absent means not given.
struct TaskOptions {
  std::optional<std::string> kind, spec, group, ns, key, routing, run_at, timeout, on_worker_lost, created_by,
      idempotency_key;
  std::optional<int> priority, max_attempts;
  std::vector<std::string> labels;  // `k=v`
};

class TaskTemplate {
 public:
  // `run_at` takes RFC 3339 or `+10m`, from `now`. Errors: invalid_argument with the option's field.
  static Result<TaskTemplate> make(const TaskOptions& options, WallTime now);

  // The task that runs `argv`: it becomes the spec's `argv`. Empty: the spec as it is.
  Result<NewTask> with_command(const std::vector<std::string>& argv) const;
  // One line of --file: a JSON object over the options.
  Result<NewTask> with_json(std::string_view line) const;
  // From the options; empty: none.
  const std::string& idempotency_key() const { return base_.idempotency_key; }

 private:
  boost::json::object fields_;
  boost::json::object spec_;
  NewTask base_;  // fields_ without spec, read once
};

// `key=value` each. Errors: invalid_argument.
Result<boost::json::object> labels_of(const std::vector<std::string>& labels);

// One command of --each: `{}` replaced in every argument, at each place; appended if no argument has it.
std::vector<std::string> fill_in(const std::vector<std::string>& argv, std::string_view line);

}  // namespace ringmaster
