#include "ctl/watch_board.h"

#include <algorithm>
#include <utility>

#include "ctl/relative_time.h"
#include "ctl/task_show.h"

namespace ringmaster {
namespace {

std::string progress_text(const TaskView& view) {
  return view.progress ? progress_of(*view.progress) : "";
}

bool same(const TaskView& a, const TaskView& b) {
  const TaskRow& x = a.row;
  const TaskRow& y = b.row;
  return x.state == y.state && x.worker == y.worker && x.attempt == y.attempt &&
         a.result.has_value() == b.result.has_value() && progress_text(a) == progress_text(b);
}

std::string why(const TaskView& view) {
  if (view.result) return why_of(*view.result);
  // Of a retry that waits, why there is one.
  const bool waits = view.row.state == TaskState::delayed || view.row.state == TaskState::quarantined;
  return waits && !view.attempts.empty() ? why_of(view.attempts.back().result) : "";
}

// How long it has run or took; until when a delayed one waits.
std::string time_of(const TaskView& view, WallTime now) {
  if (view.result) {
    const bool ran = to_unix_micros(view.result->started_at) > 0;
    return ran ? short_duration(view.result->finished_at - view.result->started_at) : "";
  }
  if (view.row.state == TaskState::delayed) return relative_time(view.row.run_at, now);
  if (!view.row.started_at) return "";
  return rough_duration(std::max(now - *view.row.started_at, Duration{0}));
}

// `09:30:00Z` is enough for a person and fits; a log wants the day as well.
std::string seconds_of(WallTime now) {
  return format_time(now).substr(0, 19) + "Z";
}

}  // namespace

bool WatchBoard::note(TaskView view) {
  const auto found = tasks_.find(view.row.id);
  const bool changed = found == tasks_.end() || !same(found->second, view);
  tasks_.insert_or_assign(view.row.id, std::move(view));
  return changed;
}

void WatchBoard::missing(TaskId id) {
  tasks_.erase(id);
  ++missing_;
}

std::vector<TaskId> WatchBoard::open() const {
  std::vector<TaskId> ids;
  for (const auto& [id, view] : tasks_) {
    if (!is_terminal(view.row.state)) ids.push_back(id);
  }
  return ids;
}

TaskTally WatchBoard::tally() const {
  TaskTally tally(tasks_.size() + missing_);
  for (const auto& [id, view] : tasks_) {
    if (is_terminal(view.row.state)) tally.ended(view.row.state);
  }
  for (std::size_t i = 0; i < missing_; ++i) tally.missing();
  return tally;
}

// `3 tasks: 1 RUNNING, 2 FAILED`; one line, whatever the terminal: who redraws it counts lines.
std::string WatchBoard::counts(const TextStyle& style) const {
  std::map<TaskState, std::size_t> counts;
  for (const auto& [id, view] : tasks_) ++counts[view.row.state];
  std::string plain = std::to_string(tasks_.size()) + (tasks_.size() == 1 ? " task" : " tasks");
  std::string coloured = plain;
  const char* separator = ": ";
  for (const auto& [state, count] : counts) {
    const std::string part = std::to_string(count) + " " + std::string(to_string(state));
    plain += separator + part;
    coloured += separator + toned(part, tone_of(state), style.colour);
    separator = ", ";
  }
  return style.width && plain.size() > *style.width ? one_line(plain, *style.width) : coloured;
}

std::string WatchBoard::draw(WallTime now, const TextStyle& style, std::size_t rows) const {
  std::vector<const TaskView*> shown;
  shown.reserve(tasks_.size());
  for (const auto& [id, view] : tasks_) shown.push_back(&view);
  constexpr std::size_t kFrame = 3;  // counts, titles, what is left out
  const std::size_t room = rows > kFrame ? rows - kFrame : 1;
  std::size_t left_out = 0;
  if (shown.size() > room) {
    std::ranges::stable_partition(shown, [](const TaskView* view) { return !is_terminal(view->row.state); });
    left_out = shown.size() - room;
    shown.resize(room);
    std::ranges::sort(shown, {}, [](const TaskView* view) { return view->row.id; });
  }
  const bool tells =
      std::ranges::any_of(shown, [](const TaskView* view) { return view->progress.has_value(); });
  using enum TextTable::Align;
  using enum TextTable::Fit;
  std::vector<TextTable::Column> columns{{"ID"},
                                         {"STATE"},
                                         {"WORKER"},
                                         {"ATTEMPT", right, drop},
                                         {"TIME", right},
                                         {"PROGRESS", left, cut},
                                         {"COMMAND", left, cut},
                                         {"WHY", left, cut}};
  if (!tells) columns.erase(columns.begin() + 5);
  TextTable table(std::move(columns));
  for (const TaskView* view : shown) {
    const TaskRow& row = view->row;
    std::vector<TextTable::Cell> cells{
        {to_string(row.id)},    {std::string(to_string(row.state)), tone_of(row.state)},
        {row.worker},           {std::to_string(row.attempt)},
        {time_of(*view, now)},  {view->progress ? progress_bar(*view->progress) : ""},
        {command_of(row.task)}, {why(*view)}};
    if (!tells) cells.erase(cells.begin() + 5);
    table.add(std::move(cells));
  }
  std::string text = counts(style) + '\n' + (table.empty() ? "" : table.render(style));
  if (left_out > 0) text += "… and " + std::to_string(left_out) + " more\n";
  return text;
}

std::string change_line(const TaskView& view, WallTime now, bool colour) {
  const TaskRow& row = view.row;
  std::string text = toned(seconds_of(now), Tone::faint, colour) + " " + to_string(row.id) + " " +
                     toned(to_string(row.state), tone_of(row.state), colour);
  if (!row.worker.empty()) text += " on " + one_line(row.worker, 200);
  if (row.attempt > 1) text += ", attempt " + std::to_string(row.attempt);
  if (row.state == TaskState::delayed) text += (row.attempt > 1 ? " due " : ", due ") + time_of(view, now);
  if (const std::string took = time_of(view, now); view.result && !took.empty()) text += " after " + took;
  if (const std::string progress = progress_text(view); !progress.empty())
    text += ", " + one_line(progress, 2000);
  if (const std::string reason = why(view); !reason.empty()) text += ": " + one_line(reason, 2000);
  return text + '\n';
}

}  // namespace ringmaster
