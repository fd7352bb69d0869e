#include "master/http_submission.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/task_json.h"
#include "master/http_json.h"

namespace ringmaster {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxTasksPerRequest = 10'000;

Result<NewTask> read_task(const json::value& value) {
  if (!value.is_object()) return fail(ErrorCode::invalid_argument, "A task is a JSON object.");
  auto task = new_task_from_json(value.get_object());
  if (!task) return task;
  if (auto valid = validate(*task); !valid) return std::unexpected(valid.error());
  return task;
}

// Gives it the header's key, if there is one.
Result<> give_key(std::string key, NewTask& task) {
  if (!task.idempotency_key.empty()) {
    return fail(ErrorCode::invalid_argument, "The key is in the header already: leave idempotency_key out.",
                "idempotency_key");
  }
  task.idempotency_key = std::move(key);
  if (auto valid = validate(task); !valid)
    return fail(ErrorCode::invalid_argument, valid.error().message, "Idempotency-Key");
  return {};
}

std::string key_at(std::string_view key, std::size_t position) {
  return std::string(key) + "/" + std::to_string(position);
}

// Names the request among those in flight.
std::string name_of(const NewTask& first) {
  return first.idempotency_key.empty() ? std::string() : first.ns + "/" + first.idempotency_key;
}

std::expected<json::value, HttpProblem> read_array(std::string_view body, const char* wanted) {
  auto value = parse_body(body);
  if (!value) return value;
  const json::array* items = value->if_array();
  if (items == nullptr) return refuse(wanted, {});
  if (items->empty() || items->size() > kMaxTasksPerRequest) {
    return refuse("One request takes 1 to 10,000 tasks; this one has " + std::to_string(items->size()) + ".",
                  {});
  }
  return value;
}

std::string at(std::size_t position, const std::string& field) {
  return "[" + std::to_string(position) + "]" + (field.empty() ? "" : "." + field);
}

json::object error_of(const Error& error, bool keyed) {
  const HttpProblem problem = problem_of(error, keyed);
  json::object out{{"status", problem.status},
                   {"detail", problem.detail},
                   {"code", problem.code},
                   {"retryable", problem.retryable}};
  if (!problem.field.empty()) out["field"] = problem.field;
  return out;
}

}  // namespace

std::expected<HttpCall, HttpProblem> read_submission(std::string_view body, std::string_view key) {
  if (const auto first = body.find_first_not_of(" \t\r\n"); first != body.npos && body[first] == '{') {
    const auto value = parse_body(body);
    if (!value) return std::unexpected(value.error());
    auto task = read_task(*value);
    if (!task) return std::unexpected(problem_of(task.error(), false));
    if (!key.empty()) {
      if (auto given = give_key(std::string(key), *task); !given)
        return std::unexpected(problem_of(given.error(), false));
    }
    HttpCall call{.single = true, .key = name_of(*task), .keyed = !task->idempotency_key.empty()};
    call.request = SubmitRequest{{std::move(*task)}};
    return call;
  }
  const auto value = read_array(body, "The body is one task (an object) or an array of tasks.");
  if (!value) return std::unexpected(value.error());
  const json::array& items = value->get_array();
  SubmitRequest request;
  request.tasks.reserve(items.size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    auto task = read_task(items[i]);
    Result<> given;
    if (task && !key.empty()) given = give_key(key_at(key, i), *task);
    if (!task || !given) {
      Error error = task ? given.error() : task.error();
      error.field = at(i, error.field);
      return std::unexpected(problem_of(error, false));
    }
    request.tasks.push_back(std::move(*task));
  }
  HttpCall call{.key = name_of(request.tasks.front())};
  call.keyed = !call.key.empty();  // all, or none
  call.request = std::move(request);
  return call;
}

HttpReply created(const SubmitReply& answer, bool single) {
  if (single && answer.ids.size() == 1) {
    const std::string id = to_string(answer.ids.front());
    HttpReply reply = json_reply(json::object{{"id", id}}, 201);
    reply.location = "/v1/tasks/" + id;
    return reply;
  }
  json::array ids;
  ids.reserve(answer.ids.size());
  for (const TaskId id : answer.ids) ids.emplace_back(to_string(id));
  return json_reply(json::object{{"ids", std::move(ids)}}, 201);
}

std::expected<HttpCall, HttpProblem> read_batch(std::string_view body, std::string_view key) {
  const auto value = read_array(body, "The body is an array of tasks.");
  if (!value) return std::unexpected(value.error());
  const json::array& items = value->get_array();
  HttpCall call;
  SubmitRequest request{.tasks = {}, .each = true};
  for (std::size_t i = 0; i < items.size(); ++i) {
    auto task = read_task(items[i]);
    Result<> given;
    if (task && !key.empty()) given = give_key(key_at(key, i), *task);
    if (!task || !given) {
      call.refused.push_back({i, task ? given.error() : task.error()});
      continue;
    }
    request.tasks.push_back(std::move(*task));
    call.places.push_back(i);
  }
  if (!request.tasks.empty()) call.key = name_of(request.tasks.front());
  const auto has_key = [](const NewTask& task) { return !task.idempotency_key.empty(); };
  call.keyed = std::ranges::all_of(request.tasks, has_key);
  call.request = std::move(request);
  return call;
}

HttpReply outcomes(const SubmitReply& answer, const HttpCall& call) {
  std::map<std::size_t, const Error*> errors;
  for (const auto& [index, error] : call.refused) errors[index] = &error;
  for (const auto& [index, error] : answer.refused) errors[call.places[index]] = &error;
  json::array items(call.places.size() + call.refused.size());
  for (std::size_t i = 0; i < call.places.size(); ++i)
    items[call.places[i]] = json::object{{"id", to_string(answer.ids[i])}};
  for (const auto& [index, error] : errors)
    items[index] = json::object{{"error", error_of(*error, call.keyed)}};
  return json_reply(json::object{
      {"accepted", items.size() - errors.size()}, {"refused", errors.size()}, {"items", std::move(items)}});
}

}  // namespace ringmaster
