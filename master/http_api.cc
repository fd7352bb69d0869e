#include "master/http_api.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/api_json.h"
#include "base/task_json.h"
#include "master/http_json.h"
#include "master/http_submission.h"

namespace ringmaster {
namespace {

namespace json = boost::json;

using CallOrProblem = std::expected<HttpCall, HttpProblem>;

constexpr std::uint32_t kMaxPageLimit = 1000;

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
  return HttpCall{.request = request, .id = *id};
}

CallOrProblem read_explain(const HttpRoute& route) {
  const auto id = read_id(route);
  if (!id) return std::unexpected(id.error());
  return HttpCall{.request = ExplainRequest{*id, false}, .id = *id};
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
  return HttpCall{.request = ControlRequest{*id, action, false}, .id = *id};
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

// `true`, `false`, or nothing, which is true.
std::expected<void, HttpProblem> read_switch(const std::string& name, const std::string& text, bool& on) {
  on = text.empty() || text == "true";
  if (on || text == "false") return {};
  return refuse("This is true or false.", name);
}

CallOrProblem read_readiness(const HttpRoute& route) {
  HttpCall call{ClusterRequest{}};
  for (const auto& [name, text] : route.query) {
    if (auto read = read_switch(name, text, call.verbose); !read) return std::unexpected(read.error());
  }
  return call;
}

CallOrProblem read_audit(const HttpRoute& route) {
  AuditRequest request;
  for (const auto& [name, text] : route.query) {
    if (auto read = read_switch(name, text, request.full); !read) return std::unexpected(read.error());
  }
  return HttpCall{request};
}

CallOrProblem read_log_request(const HttpRoute& route) {
  const auto id = read_id(route);
  if (!id) return std::unexpected(id.error());
  LogRequest request{.id = *id};
  bool follow = false, limited = false;
  for (const auto& [name, text] : route.query) {
    std::expected<void, HttpProblem> read;
    if (name == "follow") read = read_switch(name, text, follow);
    limited |= name == "limit";
    if (name == "attempt") read = read_number<Attempt>(name, text, 1, INT32_MAX, request.attempt);
    if (name == "offset") read = read_number<std::uint64_t>(name, text, 0, INT64_MAX, request.offset);
    if (name == "limit") read = read_number<std::uint32_t>(name, text, 1, kMaxLogBytes, request.limit);
    if (!read) return std::unexpected(read.error());
  }
  if (follow && limited) return refuse("What is followed has no limit: leave it out.", "limit");
  return HttpCall{.request = request, .id = *id, .follow = follow};
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
                   {"Ringmaster-Offset", std::to_string(log.next - log.bytes.size())},
                   {"Ringmaster-Next-Offset", std::to_string(log.next)},
                   {"Ringmaster-Log-Over", log.over ? "true" : "false"}};
  return reply;
}

HttpReply readiness(const ClusterReply& cluster, bool verbose) {
  struct Check {
    std::string_view name, missing;
    bool ok;
  };
  const Check checks[] = {{"database", "the database cannot be reached", cluster.store_up},
                          {"registry", "the registry cannot be reached", cluster.registry_up},
                          {"shards", "this master owns no shard yet", cluster.shards_owned > 0}};
  std::string missing;
  json::array each;
  for (const Check& check : checks) {
    if (!check.ok) missing += (missing.empty() ? "" : ", ") + std::string(check.missing);
    json::object item{{"name", check.name}, {"ok", check.ok}};
    if (!check.ok) item["detail"] = check.missing;
    each.push_back(std::move(item));
  }
  json::object members;
  if (verbose) members["checks"] = std::move(each);
  if (!missing.empty()) return reply_of(http_problem(503, "Not ready: " + missing + "."), std::move(members));
  members["ready"] = true;
  members["shards_owned"] = cluster.shards_owned;
  return json_reply(members);
}

}  // namespace

Duration HttpCall::wait() const {
  const auto* get = std::get_if<GetRequest>(&request);
  const auto* audit = std::get_if<AuditRequest>(&request);
  if (audit != nullptr) return audit->full ? kFullAuditWait : kAuditWait;
  return get != nullptr ? get->wait : Duration{0};
}

std::expected<HttpCall, HttpProblem> call_of(const HttpRoute& route, std::string_view body,
                                             std::string_view idempotency_key) {
  switch (route.operation) {
    case HttpOperation::submit_tasks:
      return read_submission(body, idempotency_key);
    case HttpOperation::submit_batch:
      return read_batch(body, idempotency_key);
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
      return HttpCall{ClusterRequest{}};
    case HttpOperation::audit_cluster:
      return read_audit(route);
    case HttpOperation::readyz:
      return read_readiness(route);
    case HttpOperation::livez:
    case HttpOperation::openapi:
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
  if (const auto* submit = std::get_if<SubmitReply>(&*answer)) {
    return route.operation == HttpOperation::submit_batch ? outcomes(*submit, call)
                                                          : created(*submit, call.single);
  }
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
  if (const auto* audit = std::get_if<AuditReply>(&*answer)) return json_reply(to_json(*audit));
  if (const auto* workers = std::get_if<WorkersReply>(&*answer))
    return named_array("workers", workers->workers);
  if (const auto* masters = std::get_if<MastersReply>(&*answer))
    return named_array("masters", masters->masters);
  if (const auto* cluster = std::get_if<ClusterReply>(&*answer)) {
    return route.operation == HttpOperation::readyz ? readiness(*cluster, call.verbose)
                                                    : json_reply(to_json(*cluster));
  }
  return reply_of(http_problem(500, "The service's answer has no HTTP form."));
}

}  // namespace ringmaster
