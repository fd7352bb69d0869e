#include "ctl/task_template.h"

#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/api.h"
#include "base/task_json.h"

namespace ringmaster {
namespace {

namespace json = boost::json;

Result<json::object> parse_object(std::string_view text, const std::string& field) {
  boost::system::error_code error;
  json::value value = json::parse({text.data(), text.size()}, error);
  if (error) return fail(ErrorCode::invalid_argument, "this is not JSON: " + error.message(), field);
  if (!value.is_object()) return fail(ErrorCode::invalid_argument, "this is not a JSON object {…}", field);
  return std::move(value.get_object());
}

Result<std::string> run_at_of(const std::string& text, WallTime now) {
  if (!text.starts_with('+')) {
    auto time = parse_time(text);
    if (!time) {
      return fail(ErrorCode::invalid_argument, "write 2026-11-21T09:30:00Z, or +10m from now", "run_at");
    }
    return format_time(*time);
  }
  const auto delay = parse_duration(std::string_view(text).substr(1));
  if (!delay) return fail(ErrorCode::invalid_argument, delay.error().message, "run_at");
  return format_time(now + *delay);
}

Result<json::object> fields_of(const TaskOptions& options, WallTime now) {
  json::object fields;
  const auto set = [&](const char* name, const auto& value) {
    if (value) fields[name] = *value;
  };
  set("kind", options.kind);
  set("group", options.group);
  set("namespace", options.ns);
  set("routing_key", options.key);
  set("routing", options.routing);
  set("priority", options.priority);
  set("timeout", options.timeout);
  set("on_worker_lost", options.on_worker_lost);
  set("created_by", options.created_by);
  set("idempotency_key", options.idempotency_key);
  if (options.max_attempts) fields["retry"] = json::object{{"max_attempts", *options.max_attempts}};
  if (options.run_at) {
    auto run_at = run_at_of(*options.run_at, now);
    if (!run_at) return std::unexpected(run_at.error());
    fields["run_at"] = *run_at;
  }
  if (!options.labels.empty()) {
    auto labels = labels_of(options.labels);
    if (!labels) return std::unexpected(labels.error());
    fields["labels"] = std::move(*labels);
  }
  return fields;
}

Result<NewTask> checked(NewTask task) {
  if (auto valid = validate(task); !valid) return std::unexpected(valid.error());
  return task;
}

}  // namespace

Result<json::object> labels_of(const std::vector<std::string>& labels) {
  json::object object;
  for (const std::string& label : labels) {
    const std::size_t equals = label.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return fail(ErrorCode::invalid_argument, "write a label as key=value, not \"" + label + "\"", "labels");
    }
    object[label.substr(0, equals)] = label.substr(equals + 1);
  }
  return object;
}

Result<TaskTemplate> TaskTemplate::make(const TaskOptions& options, WallTime now) {
  TaskTemplate made;
  auto fields = fields_of(options, now);
  if (!fields) return std::unexpected(fields.error());
  made.fields_ = std::move(*fields);
  if (options.spec) {
    auto spec = parse_object(*options.spec, "spec");
    if (!spec) return std::unexpected(spec.error());
    made.spec_ = std::move(*spec);
  }
  auto base = new_task_from_json(made.fields_);
  if (!base) return std::unexpected(base.error());
  made.base_ = std::move(*base);
  if (auto valid = validate(made.base_); !valid) return std::unexpected(valid.error());
  return made;
}

Result<NewTask> TaskTemplate::with_command(const std::vector<std::string>& argv) const {
  json::object spec = spec_;
  if (!argv.empty()) spec["argv"] = json::array(argv.begin(), argv.end());
  NewTask task = base_;
  task.spec = json::serialize(spec);
  return checked(std::move(task));
}

Result<NewTask> TaskTemplate::with_json(std::string_view line) const {
  auto given = parse_object(line, {});
  if (!given) return std::unexpected(given.error());
  json::object fields = fields_;
  if (!spec_.empty()) fields["spec"] = spec_;
  for (auto& [name, value] : *given) fields[name] = std::move(value);
  auto task = new_task_from_json(fields);
  if (!task) return std::unexpected(task.error());
  return checked(std::move(*task));
}

std::vector<std::string> fill_in(const std::vector<std::string>& argv, std::string_view line) {
  std::vector<std::string> filled;
  filled.reserve(argv.size() + 1);
  bool found = false;
  for (const std::string& argument : argv) {
    std::string& out = filled.emplace_back();
    std::size_t from = 0;
    for (std::size_t at; (at = argument.find("{}", from)) != std::string::npos; from = at + 2) {
      out.append(argument, from, at - from).append(line);
      found = true;
    }
    out.append(argument, from);
  }
  if (!found) filled.emplace_back(line);
  return filled;
}

}  // namespace ringmaster
