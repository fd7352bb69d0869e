#include "master/http_route.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "base/utf8.h"

namespace ringmaster {
namespace {

constexpr std::size_t kMaxTarget = 4096;

struct Endpoint {
  HttpOperation operation;
  std::string_view method;  // GET implies HEAD
  std::string_view path;    // `*` stands for an id: neither `/` nor `:`, which begins an action
  std::string_view query;   // allowed parameters, each between spaces
};

constexpr std::array<Endpoint, kHttpOperations> kEndpoints{{
    {HttpOperation::submit_tasks, "POST", "/v1/tasks", ""},
    {HttpOperation::submit_batch, "POST", "/v1/tasks:batch", ""},
    {HttpOperation::list_tasks, "GET", "/v1/tasks",
     " namespace group kind state label created_from created_before page_token limit "},
    {HttpOperation::get_task, "GET", "/v1/tasks/*", " wait "},
    {HttpOperation::explain_task, "GET", "/v1/tasks/*:explain", ""},
    {HttpOperation::read_log, "GET", "/v1/tasks/*/log", " attempt offset limit follow "},
    {HttpOperation::cancel_task, "POST", "/v1/tasks/*:cancel", ""},
    {HttpOperation::release_task, "POST", "/v1/tasks/*:release", ""},
    {HttpOperation::list_groups, "GET", "/v1/groups", ""},
    {HttpOperation::list_workers, "GET", "/v1/workers", ""},
    {HttpOperation::list_masters, "GET", "/v1/masters", ""},
    {HttpOperation::show_cluster, "GET", "/v1/cluster", ""},
    {HttpOperation::audit_cluster, "GET", "/v1/cluster/audit", " full "},
    {HttpOperation::livez, "GET", "/livez", ""},
    {HttpOperation::readyz, "GET", "/readyz", " verbose "},
    {HttpOperation::metrics, "GET", "/metrics", ""},
    {HttpOperation::openapi, "GET", "/v1/openapi.json", ""},
}};

// What stands for the endpoint's `*`, empty if it has none; nothing if the path is another.
std::optional<std::string_view> match(const Endpoint& endpoint, std::string_view path) {
  const std::size_t star = endpoint.path.find('*');
  if (star == std::string_view::npos) {
    return path == endpoint.path ? std::optional<std::string_view>("") : std::nullopt;
  }
  const std::string_view action = endpoint.path.substr(star + 1);
  const bool fits = path.starts_with(endpoint.path.substr(0, star)) && path.ends_with(action) &&
                    path.size() >= endpoint.path.size();
  if (!fits) return std::nullopt;
  const std::string_view id = path.substr(star, path.size() - star - action.size());
  return id.find_first_of("/:") == std::string_view::npos ? std::optional(id) : std::nullopt;
}

std::string list_of(std::string_view words) {
  std::string text;
  for (const char c : words.substr(1, words.size() - 2))
    text += c == ' ' ? std::string(", ") : std::string(1, c);
  return text;
}

// Only `state` and `label` may stand more than once.
std::expected<void, HttpProblem> read_query(const boost::urls::url_view& url, const Endpoint& endpoint,
                                            HttpRoute& route) {
  for (const auto& parameter : url.params()) {
    const std::string name{parameter.key.data(), parameter.key.size()};
    if (endpoint.query.empty()) {
      return std::unexpected(http_problem(400, "This resource takes no query parameters.", name));
    }
    if (name.find(' ') != std::string::npos ||
        endpoint.query.find(" " + name + " ") == std::string_view::npos) {
      const std::string detail = "Unknown query parameter. Allowed: " + list_of(endpoint.query) + ".";
      return std::unexpected(http_problem(400, detail, name));
    }
    const auto same = [&](const auto& earlier) { return earlier.first == name; };
    if (name != "state" && name != "label" && std::ranges::any_of(route.query, same)) {
      return std::unexpected(http_problem(400, "This query parameter is given twice.", name));
    }
    std::string value{parameter.value.data(), parameter.value.size()};
    if (!is_printable_utf8(value))
      return std::unexpected(http_problem(400, "A value is UTF-8 text without control characters.", name));
    route.query.emplace_back(name, std::move(value));
  }
  return {};
}

HttpProblem wrong_method(std::string_view method, const std::vector<const Endpoint*>& there) {
  std::string allow;
  for (const Endpoint* endpoint : there) {
    if (!allow.empty()) allow += ", ";
    allow += endpoint->method == "GET" ? std::string("GET, HEAD") : std::string(endpoint->method);
  }
  HttpProblem problem =
      http_problem(405, std::string(method) + " is not possible here. Allowed: " + allow + ".");
  problem.allow = allow;
  return problem;
}

}  // namespace

std::string_view to_string(HttpOperation operation) {
  constexpr std::array<std::string_view, kHttpOperations> kNames{
      "submit_tasks",  "submit_batch", "list_tasks",  "get_task",     "explain_task", "read_log",
      "cancel_task",   "release_task", "list_groups", "list_workers", "list_masters", "show_cluster",
      "audit_cluster", "livez",        "readyz",      "metrics",      "openapi"};
  return kNames.at(static_cast<std::size_t>(operation));
}

std::expected<HttpRoute, HttpProblem> find_route(std::string_view method, std::string_view target) {
  if (target.size() > kMaxTarget)
    return std::unexpected(http_problem(400, "The target is longer than 4096 bytes."));
  const auto url = boost::urls::parse_origin_form({target.data(), target.size()});
  if (!url) return std::unexpected(http_problem(400, "The request target is not a valid path and query."));
  const std::string path = url->path();
  std::vector<const Endpoint*> there;
  for (const Endpoint& endpoint : kEndpoints) {
    if (match(endpoint, path)) there.push_back(&endpoint);
  }
  if (there.empty()) return std::unexpected(http_problem(404, "There is nothing at this path."));

  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  const auto found = std::ranges::find_if(there, [&](const Endpoint* e) { return e->method == wanted; });
  if (found == there.end()) return std::unexpected(wrong_method(method, there));

  HttpRoute route;
  route.operation = (*found)->operation;
  route.id = *match(**found, path);
  if (auto read = read_query(*url, **found, route); !read) return std::unexpected(read.error());
  return route;
}

}  // namespace ringmaster
