// How a task looks as text.
#include <algorithm>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include "ctl/field_lines.h"
#include "ctl/relative_time.h"
#include "ctl/task_show.h"

namespace ringmaster {
namespace {

bool is_plain(const std::string& argument) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  for (const char c : argument) {
    if (!plain(c) && std::string_view("_-./=:,+@%").find(c) == std::string_view::npos) return false;
  }
  return !argument.empty();
}

std::string shell_word(const std::string& argument) {
  if (is_plain(argument)) return argument;
  std::string word = "'";
  for (const char c : argument) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

std::string when(WallTime time, WallTime now) {
  return format_time(time) + " (" + relative_time(time, now) + ")";
}

bool started(const AttemptResult& result) {
  return to_unix_micros(result.started_at) > 0;
}

std::string took(const AttemptResult& result) {
  if (!started(result) || result.finished_at < result.started_at) return {};
  return short_duration(result.finished_at - result.started_at);
}

// `signal 9`, `exit code 3`; empty if there was neither.
std::string exit_of(const AttemptResult& result) {
  if (result.signal > 0) return "signal " + std::to_string(result.signal);
  const bool exited = result.outcome == Outcome::failed && result.exit_code != 0;
  return exited ? "exit code " + std::to_string(result.exit_code) : "";
}

std::string joined(const std::string& first, const char* between, const std::string& second) {
  return first.empty() || second.empty() ? first + second : first + between + second;
}

std::string ending(const AttemptResult& result) {
  std::string text(to_string(result.outcome));
  if (const std::string time = took(result); !time.empty()) text += ", took " + time;
  return joined(text, ": ", why_of(result));
}

// Rounded down: 100% is the end.
std::string percent_of(const Progress& progress) {
  return std::to_string(static_cast<int>(progress.fraction * 100)) + "%";
}

// The fencing token of one attempt; `-` in a table where its epoch is not known.
std::string token_of(Epoch epoch, Attempt attempt) {
  return epoch == 0 ? "" : std::to_string(epoch) + "." + std::to_string(attempt);
}

Tone tone_of(Outcome outcome) {
  if (outcome == Outcome::succeeded) return Tone::good;
  return outcome == Outcome::released ? Tone::plain : Tone::bad;
}

TextTable attempt_table() {
  return TextTable({{"ATTEMPT", TextTable::Align::right},
                    {"WORKER"},
                    {"TOKEN", TextTable::Align::left, TextTable::Fit::drop},
                    {"STARTED"},
                    {"TOOK"},
                    {"OUTCOME"},
                    {"WHY", TextTable::Align::left, TextTable::Fit::cut}});
}

void add_attempt(TextTable& table, const AttemptRecord& record) {
  const AttemptResult& result = record.result;
  table.add({{std::to_string(record.attempt)},
             {record.worker},
             {token_of(record.epoch, record.attempt)},
             {started(result) ? format_time(result.started_at) : ""},
             {took(result)},
             {std::string(to_string(result.outcome)), tone_of(result.outcome)},
             {why_of(result)}});
}

// The earlier attempts and the last or current one; a task that ended without running has no last attempt.
TextTable attempts_of(const TaskView& view) {
  const TaskRow& row = view.row;
  TextTable table = attempt_table();
  for (const AttemptRecord& record : view.attempts) add_attempt(table, record);
  if (view.result) {
    const bool ran = started(*view.result) || !row.worker.empty();
    if (ran) add_attempt(table, {row.attempt, row.epoch, row.worker, *view.result});
  } else if (row.started_at && !row.worker.empty()) {
    table.add({{std::to_string(row.attempt)},
               {row.worker},
               {token_of(row.epoch, row.attempt)},
               {format_time(*row.started_at)},
               {""},
               {"running", Tone::busy},
               {""}});
  }
  return table;
}

// Line ends stay; other control characters go.
std::string printable(const std::string& output) {
  std::string text;
  for (std::size_t begin = 0; begin < output.size();) {
    const std::size_t end = std::min(output.find('\n', begin), output.size());
    text += one_line(std::string_view(output).substr(begin, end - begin), kMaxOutputTail) + '\n';
    begin = end + 1;
  }
  return text;
}

}  // namespace

std::string why_of(const AttemptResult& result) {
  const std::string exit = exit_of(result);
  return result.message.find(exit) == std::string::npos ? joined(exit, ": ", result.message) : result.message;
}

Tone tone_of(TaskState state) {
  if (state == TaskState::succeeded) return Tone::good;
  if (is_terminal(state) || state == TaskState::quarantined) return Tone::bad;
  return state == TaskState::running || state == TaskState::cancelling ? Tone::busy : Tone::plain;
}

std::string progress_of(const Progress& progress) {
  return joined(percent_of(progress), ": ", progress.message);
}

std::string progress_bar(const Progress& progress) {
  constexpr std::size_t kBar = 10;
  const auto filled = std::min(kBar, static_cast<std::size_t>(progress.fraction * kBar));
  const std::string percent = percent_of(progress);
  return "[" + std::string(filled, '#') + std::string(kBar - filled, '-') + "]" +
         std::string(percent.size() < 5 ? 5 - percent.size() : 1, ' ') + percent +
         (progress.message.empty() ? "" : "  " + progress.message);
}

std::string command_of(const NewTask& task) {
  boost::system::error_code error;
  const boost::json::value spec = boost::json::parse(task.spec, error);
  const auto* object = error ? nullptr : spec.if_object();
  const auto* argv = object == nullptr ? nullptr : object->if_contains("argv");
  if (argv != nullptr && argv->is_array()) {
    std::string text;
    for (const auto& argument : argv->get_array()) {
      if (!text.empty()) text += ' ';
      text += argument.is_string() ? shell_word({argument.get_string().data(), argument.get_string().size()})
                                   : "?";
    }
    return text;
  }
  const auto* shell = object == nullptr ? nullptr : object->if_contains("shell");
  if (shell != nullptr && shell->is_string()) return {shell->get_string().data(), shell->get_string().size()};
  return task.spec;
}

std::string describe(const TaskView& view, WallTime now, const TextStyle& style) {
  const TaskRow& row = view.row;
  FieldLines lines(style.colour);
  lines.add("Task", to_string(row.id));
  lines.add("State", std::string(to_string(row.state)), tone_of(row.state));
  lines.add("Command", command_of(row.task));
  lines.add("Kind", row.task.kind);
  lines.add("Namespace", row.task.ns);
  lines.add("Group", row.task.group);
  lines.add("Routing key", row.task.routing_key);
  lines.add("Priority", std::to_string(row.task.priority));
  lines.add("Labels", row.task.labels);
  lines.add("Created by", row.task.created_by);
  lines.add("Attempt", std::to_string(row.attempt) + ", " + std::to_string(row.failures) +
                           " failures of at most " + std::to_string(row.task.retry.max_attempts) + ", " +
                           std::to_string(row.crashes) + " lost workers");
  lines.add("Worker", row.worker);
  lines.add("Created", when(row.created_at, now));
  const bool will_run = !is_terminal(row.state) && row.state != TaskState::quarantined;
  if (will_run) lines.add("Runs at", when(row.run_at, now));
  if (row.started_at) lines.add("Started", when(*row.started_at, now));
  if (view.progress)
    lines.add("Progress", progress_bar(*view.progress) + " (" + relative_time(view.progress->at, now) + ")");
  if (view.finished_at) lines.add("Finished", when(*view.finished_at, now));
  if (view.result) lines.add("Result", ending(*view.result));
  const auto section = [&](const char* heading, const TextTable& table) {
    if (!table.empty()) lines.raw(toned(heading, Tone::faint, style.colour) + "\n" + table.render(style));
  };
  section("Attempts:", attempts_of(view));
  TextTable late = attempt_table();
  for (const AttemptRecord& record : view.late) add_attempt(late, record);
  section("Late results (their attempt had been given up when they came: they changed nothing):", late);
  if (view.result && !view.result->output_tail.empty()) {
    lines.raw(toned("Output:", Tone::faint, style.colour) + "\n" + printable(view.result->output_tail));
  }
  return lines.take();
}

TextTable task_table() {
  using enum TextTable::Align;
  using enum TextTable::Fit;
  return TextTable({{"ID"},
                    {"STATE"},
                    {"GROUP", left, drop},
                    {"PRIO", right, drop},
                    {"ATTEMPT", right, drop},
                    {"WORKER"},
                    {"CREATED"},
                    {"COMMAND", left, cut}});
}

void add_row(TextTable& table, const TaskView& view, const std::string& created) {
  const TaskRow& row = view.row;
  table.add({{to_string(row.id)},
             {std::string(to_string(row.state)), tone_of(row.state)},
             {row.task.group},
             {std::to_string(row.task.priority)},
             {std::to_string(row.attempt)},
             {row.worker},
             {created},
             {command_of(row.task)}});
}

}  // namespace ringmaster
