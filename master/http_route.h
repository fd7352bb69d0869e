// HttpRoute: which operation a method and a target name. Pure; strict about paths, methods and query
// parameters.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "master/http_problem.h"

namespace ringmaster {

enum class HttpOperation : std::uint8_t {
  submit_tasks,
  list_tasks,
  get_task,
  list_workers,
  list_masters,
  show_cluster,
  livez,
  readyz,
  metrics,
};
inline constexpr std::size_t kHttpOperations = 9;
std::string_view to_string(HttpOperation operation);  // `get_task`, as in metrics

struct HttpRoute {
  HttpOperation operation = HttpOperation::livez;
  std::string id;                                          // get_task: the path's last segment, decoded
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in order; known names only

  // It changes nothing, so an unknown outcome may be repeated.
  bool safe() const { return operation != HttpOperation::submit_tasks; }
};

// Problems: 400 (target or query unreadable, parameter unknown or given twice), 404 (no such path), 405 with
// Allow. HEAD finds what GET finds.
std::expected<HttpRoute, HttpProblem> find_route(std::string_view method, std::string_view target);

}  // namespace ringmaster
