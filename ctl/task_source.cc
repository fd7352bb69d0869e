#include "ctl/task_source.h"

#include <utility>

namespace ringmaster {

TaskSource::TaskSource(Kind kind, TaskTemplate tasks, std::vector<std::string> argv,
                       std::optional<LineReader> lines)
    : kind_(kind), template_(std::move(tasks)), argv_(std::move(argv)), lines_(std::move(lines)) {}

TaskSource TaskSource::one(TaskTemplate tasks, std::vector<std::string> argv) {
  return {Kind::one, std::move(tasks), std::move(argv), std::nullopt};
}
TaskSource TaskSource::each(TaskTemplate tasks, std::vector<std::string> argv, LineReader lines) {
  return {Kind::each, std::move(tasks), std::move(argv), std::move(lines)};
}
TaskSource TaskSource::json_lines(TaskTemplate tasks, LineReader lines) {
  return {Kind::json_lines, std::move(tasks), {}, std::move(lines)};
}

Result<std::optional<NewTask>> TaskSource::next() {
  if (kind_ == Kind::one) {
    if (std::exchange(given_, true)) return std::nullopt;
    auto task = template_.with_command(argv_);
    if (!task) return std::unexpected(task.error());
    return std::move(*task);
  }
  while (true) {
    auto line = lines_->next();
    if (!line) return std::unexpected(line.error());
    if (!*line) return std::nullopt;
    if ((*line)->empty()) continue;
    auto task =
        kind_ == Kind::each ? template_.with_command(fill_in(argv_, **line)) : template_.with_json(**line);
    if (task) {
      // One key from the options would make one task of all lines.
      if (!task->idempotency_key.empty() && task->idempotency_key == template_.idempotency_key())
        task->idempotency_key += "/" + std::to_string(lines_->line());
      return std::move(*task);
    }
    // The field stands in the line, not among the options.
    std::string message = "line " + std::to_string(lines_->line()) + ": ";
    if (!task.error().field.empty()) message += task.error().field + ": ";
    return fail(task.error().code, message + task.error().message);
  }
}

Result<std::vector<NewTask>> TaskSource::next_batch() {
  std::vector<NewTask> batch;
  std::size_t bytes = 0;
  while (batch.size() < kBatchTasks && bytes < kBatchBytes) {
    if (!batch.empty() && lines_ && lines_->would_block()) break;
    auto task = next();
    if (!task) return std::unexpected(task.error());
    if (!*task) break;
    bytes += (*task)->spec.size() + (*task)->labels.size();
    batch.push_back(std::move(**task));
  }
  return batch;
}

}  // namespace ringmaster
