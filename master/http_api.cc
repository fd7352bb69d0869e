#include "master/http_api.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/api_json.h"
#include "base/task_json.h"

namespace ringmaster {
namespace {

namespace json = boost::json;

using CallOrProblem = std::expected<HttpCall, HttpProblem>;

constexpr std::size_t kMaxJsonDepth = 32;
constexpr std::uint32_t kMaxPageLimit = 1000;
constexpr std::size_t kMaxTasksPerRequest = 10'000;

std::unexpected<HttpProblem> refuse(std::string detail, std::string field) {
  const Error error{ErrorCode::invalid_argument, std::move(detail), std::move(field)};
  return std::unexpected(problem_of(error, true));
}

Result<NewTask> read_task(const json::value& value) {
  if (!value.is_object()) return fail(ErrorCode::invalid_argument, "A task is a JSON object.");
  auto task = new_task_from_json(value.get_object());
  if (!task) return task;
  if (auto valid = validate(*task); !valid) return std::unexpected(valid.error());
  return task;
}

std::expected<json::value, HttpProblem> parse_body(std::string_view body) {
  json::parse_options options;
  options.max_depth = kMaxJsonDepth;
  boost::system::error_code error;
  json::value value = json::parse({body.data(), body.size()}, error, {}, options);
  if (error)
    return std::unexpected(http_problem(400, "The body is not valid JSON: " + error.message() + "."));
  return value;
}

// The header's key is that of a single task; each of an array gets one of its own.
std::expected<void, HttpProblem> give_keys(std::string_view key, bool single, std::vector<NewTask>& tasks) {
  if (key.empty()) return {};
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    if (!tasks[i].idempotency_key.empty())
      return refuse("The key is in the header already: leave idempotency_key out.", "idempotency_key");
    tasks[i].idempotency_key = std::string(key) + (single ? "" : "/" + std::to_string(i));
    if (auto valid = validate(tasks[i]); !valid) return refuse(valid.error().message, "Idempotency-Key");
  }
  return {};
}

CallOrProblem read_submission(std::string_view body, std::string_view key) {
  const auto value = parse_body(body);
  if (!value) return std::unexpected(value.error());

  HttpCall call;
  call.single = value->is_object();
  SubmitRequest request;
  if (call.single) {
    auto task = read_task(*value);
    if (!task) return std::unexpected(problem_of(task.error(), false));
    request.tasks.push_back(std::move(*task));
  } else {
    const json::array* items = value->if_array();
    if (items == nullptr) return refuse("The body is one task (an object) or an array of tasks.", {});
    if (items->empty() || items->size() > kMaxTasksPerRequest) {
      return refuse(
          "One request takes 1 to 10,000 tasks; this one has " + std::to_string(items->size()) + ".", {});
    }
    request.tasks.reserve(items->size());
    for (std::size_t i = 0; i < items->size(); ++i) {
      auto task = read_task((*items)[i]);
      if (!task) {
        Error at = task.error();
        at.field = "[" + std::to_string(i) + "]" + (at.field.empty() ? "" : "." + at.field);
        return std::unexpected(problem_of(at, false));
      }
      request.tasks.push_back(std::move(*task));
    }
  }
  if (auto given = give_keys(key, call.single, request.tasks); !given) return std::unexpected(given.error());
  call.keyed = !request.tasks.front().idempotency_key.empty();
  call.request = std::move(request);
  return call;
}

std::expected<TaskId, HttpProblem> read_id(const HttpRoute& route) {
  if (const auto id = parse_task_id(route.id)) return *id;
  return std::unexpected(http_problem(404, "There is no such task: an id is task_ and 13 characters.", "id"));
}

CallOrProblem read_get(const HttpRoute& route) {
  const auto id = read_id(route);
  if (!id) return std::unexpected(id.error());
  GetRequest request{*id, Duration{0}, false};
  for (const auto& [name, text] : route.query) {
    const auto wait = parse_duration(text);
    if (!wait) return refuse(wait.error().message, name);
    if (*wait > kMaxHttpWait) return refuse("A wait is at most 60s.", name);
    request.wait = *wait;
  }
  return HttpCall{request, false, *id};
}

CallOrProblem read_explain(const HttpRoute& route) {
  const auto id = read_id(route);
  if (!id) return std::unexpected(id.error());
  return HttpCall{ExplainRequest{*id, false}, false, *id};
}

CallOrProblem read_control(const HttpRoute& route, std::string_view body, ControlAction action) {
  const auto id = read_id(route);
  if (!id) return std::unexpected(id.error());
  if (!body.empty()) {
    const auto value = parse_body(body);
    if (!value) return std::unexpected(value.error());
    const std::string name(to_string(action));
    const json::object* object = value->if_object();
    if (object == nullptr) return refuse("A " + name + " has no body, or an empty object.", {});
    if (!object->empty()) {
      const std::string field(std::string_view(object->begin()->key()));
      return refuse("Unknown field " + field + ": a " + name + " takes none.", field);
    }
  }
  return HttpCall{ControlRequest{*id, action, false}, false, *id};
}

std::expected<void, HttpProblem> read_states(std::string_view text, std::vector<TaskState>& states) {
  while (true) {
    const std::size_t comma = text.find(',');
    const auto state = parse_task_state(text.substr(0, comma));
    if (!state) {
      return refuse(
          "States are DELAYED, READY, RUNNING, CANCELLING, QUARANTINED, SUCCEEDED, FAILED, CANCELLED, "
          "TIMED_OUT and "
          "LOST; several are separated by commas.",
          "state");
    }
    if (std::ranges::find(states, *state) == states.end()) states.push_back(*state);
    if (comma == std::string_view::npos) return {};
    text.remove_prefix(comma + 1);
  }
}

template <class Number>
std::expected<void, HttpProblem> read_number(const std::string& name, const std::string& text, Number least,
                                             Number most, Number& value) {
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  if (read.ec == std::errc{} && read.ptr == end && value >= least && value <= most) return {};
  return refuse("This is a number from " + std::to_string(least) + " to " + std::to_string(most) + ".", name);
}

CallOrProblem read_log_request(const HttpRoute& route) {
  const auto id = read_id(route);
  if (!id) return std::unexpected(id.error());
  LogRequest request{.id = *id};
  for (const auto& [name, text] : route.query) {
    std::expected<void, HttpProblem> read;
    if (name == "attempt") read = read_number<Attempt>(name, text, 1, INT32_MAX, request.attempt);
    if (name == "offset") read = read_number<std::uint64_t>(name, text, 0, INT64_MAX, request.offset);
    if (name == "limit") read = read_number<std::uint32_t>(name, text, 1, kMaxLogBytes, request.limit);
    if (!read) return std::unexpected(read.error());
  }
  return HttpCall{request, false, *id};
}

// `team=data`: one label more that tasks must have.
std::expected<void, HttpProblem> read_label(const std::string& text, json::object& labels) {
  const std::size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos) return refuse("A label is written name=value.", "label");
  labels[text.substr(0, equals)] = text.substr(equals + 1);
  return {};
}

std::expected<void, HttpProblem> read_instant(const std::string& name, const std::string& text,
                                              std::optional<WallTime>& time) {
  const auto parsed = parse_time(text);
  if (!parsed) return refuse(parsed.error().message, name);
  time = *parsed;
  return {};
}

CallOrProblem read_list(const HttpRoute& route) {
  ListRequest request;
  json::object labels;
  for (const auto& [name, text] : route.query) {
    std::expected<void, HttpProblem> read;
    if (name == "state") read = read_states(text, request.states);
    if (name == "label") read = read_label(text, labels);
    if (name == "created_from") read = read_instant(name, text, request.created_from);
    if (name == "created_before") read = read_instant(name, text, request.created_before);
    if (name == "limit") read = read_number<std::uint32_t>(name, text, 1, kMaxPageLimit, request.limit);
    if (!read) return std::unexpected(read.error());
    if (name == "namespace") request.ns = text;
    if (name == "group") request.group = text;
    if (name == "kind") request.kind = text;
    if (name == "page_token") {
      const auto after = parse_task_id(text);
      if (!after) return refuse("This is not a next_page_token of an earlier page.", name);
      request.after = *after;
    }
  }
  if (!labels.empty()) request.labels = json::serialize(labels);
  return HttpCall{std::move(request)};
}

HttpReply json_reply(const json::value& value, unsigned status = 200) {
  HttpReply reply;
  reply.status = status;
  reply.body = json::serialize(value) + "\n";
  return reply;
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

// Serialised task by task, so that a page of large specs stays bounded.
HttpReply page(const ListReply& answer) {
  std::optional<TaskId> next = answer.next;
  HttpReply reply;
  reply.body = R"({"tasks":[)";
  for (std::size_t i = 0; i < answer.views.size(); ++i) {
    if (i > 0) reply.body += ',';
    reply.body += json::serialize(task_view_to_json(answer.views[i]));
    if (reply.body.size() > kMaxPageBytes && i + 1 < answer.views.size()) {
      next = answer.views[i].row.id;
      break;
    }
  }
  reply.body += ']';
  if (next) reply.body += R"(,"next_page_token":")" + to_string(*next) + '"';
  reply.body += "}\n";
  return reply;
}

template <class Views>
HttpReply named_array(std::string_view name, const Views& views) {
  json::array items;
  items.reserve(views.size());
  for (const auto& view : views) items.push_back(to_json(view));
  json::object body;
  body.emplace(name, std::move(items));
  return json_reply(body);
}

// The bytes as they were written, and in the headers where to go on.
HttpReply output(const LogReply& log) {
  HttpReply reply;
  reply.content_type = "text/plain; charset=utf-8";
  reply.body = log.bytes;
  reply.headers = {{"Ringmaster-Attempt", std::to_string(log.attempt)},
                   {"Ringmaster-Worker", log.worker},
                   {"Ringmaster-Next-Offset", std::to_string(log.next)},
                   {"Ringmaster-Log-Over", log.over ? "true" : "false"}};
  return reply;
}

HttpReply readiness(const ClusterReply& cluster) {
  std::string missing;
  const auto need = [&](bool there, const char* what) {
    if (!there) missing += (missing.empty() ? "" : "; ") + std::string(what);
  };
  need(cluster.store_up, "the database cannot be reached");
  need(cluster.registry_up, "the registry cannot be reached");
  need(cluster.shards_owned > 0, "this master owns no shard yet");
  if (!missing.empty()) return reply_of(http_problem(503, "Not ready: " + missing + "."));
  return json_reply(json::object{{"ready", true}, {"shards_owned", cluster.shards_owned}});
}

}  // namespace

Duration HttpCall::wait() const {
  const auto* get = std::get_if<GetRequest>(&request);
  return get != nullptr ? get->wait : Duration{0};
}

std::expected<HttpCall, HttpProblem> call_of(const HttpRoute& route, std::string_view body,
                                             std::string_view idempotency_key) {
  switch (route.operation) {
    case HttpOperation::submit_tasks:
      return read_submission(body, idempotency_key);
    case HttpOperation::get_task:
      return read_get(route);
    case HttpOperation::list_tasks:
      return read_list(route);
    case HttpOperation::explain_task:
      return read_explain(route);
    case HttpOperation::read_log:
      return read_log_request(route);
    case HttpOperation::list_groups:
      return HttpCall{GroupsRequest{}};
    case HttpOperation::cancel_task:
      return read_control(route, body, ControlAction::cancel);
    case HttpOperation::release_task:
      return read_control(route, body, ControlAction::release);
    case HttpOperation::list_workers:
      return HttpCall{WorkersRequest{}};
    case HttpOperation::list_masters:
      return HttpCall{MastersRequest{}};
    case HttpOperation::show_cluster:
    case HttpOperation::readyz:
      return HttpCall{ClusterRequest{}};
    case HttpOperation::livez:
    case HttpOperation::metrics:
      break;
  }
  return std::unexpected(http_problem(500, "The service does not answer this route."));
}

HttpReply reply_to(const HttpRoute& route, const HttpCall& call, const Result<ApiReply>& answer) {
  if (!answer) return reply_of(problem_of(answer.error(), route.repeatable() || call.keyed));
  if (answer->index() != call.request.index()) {
    return reply_of(http_problem(500, "The service answered another question."));
  }
  if (const auto* submit = std::get_if<SubmitReply>(&*answer)) return created(*submit, call.single);
  if (const auto* get = std::get_if<GetReply>(&*answer)) return json_reply(task_view_to_json(get->view));
  if (const auto* list = std::get_if<ListReply>(&*answer)) return page(*list);
  if (const auto* control = std::get_if<ControlReply>(&*answer)) {
    // A cancel is accepted: where the task runs, its end is still to come.
    return json_reply(to_json(call.id, *control), route.operation == HttpOperation::cancel_task ? 202 : 200);
  }
  if (const auto* explain = std::get_if<ExplainReply>(&*answer))
    return json_reply(to_json(call.id, *explain));
  if (const auto* log = std::get_if<LogReply>(&*answer)) return output(*log);
  if (const auto* groups = std::get_if<GroupsReply>(&*answer)) return json_reply(to_json(*groups));
  if (const auto* workers = std::get_if<WorkersReply>(&*answer))
    return named_array("workers", workers->workers);
  if (const auto* masters = std::get_if<MastersReply>(&*answer))
    return named_array("masters", masters->masters);
  if (const auto* cluster = std::get_if<ClusterReply>(&*answer)) {
    return route.operation == HttpOperation::readyz ? readiness(*cluster) : json_reply(to_json(*cluster));
  }
  return reply_of(http_problem(500, "The service's answer has no HTTP form."));
}

}  // namespace ringmaster
