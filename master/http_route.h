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
  submit_batch,
  list_tasks,
  get_task,
  explain_task,
  read_log,
  cancel_task,
  release_task,
  list_groups,
  list_workers,
  list_masters,
  show_cluster,
  audit_cluster,
  livez,
  readyz,
  metrics,
  openapi,
};
inline constexpr std::size_t kHttpOperations = 17;
std::string_view to_string(HttpOperation operation);  // `get_task`, as in metrics

struct HttpRoute {
  HttpOperation operation = HttpOperation::livez;
  std::string id;  // of the task that it is about, decoded; without the action
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in order; known names only

  bool submits() const {
    return operation == HttpOperation::submit_tasks || operation == HttpOperation::submit_batch;
  }
  // An unknown outcome may be repeated: it changes nothing, or (a cancel) the second time nothing more.
  bool repeatable() const { return !submits() && operation != HttpOperation::release_task; }
};

// Problems: 400 (target or query unreadable, parameter unknown or given twice), 404 (no such path or action),
// 405 with Allow. HEAD finds what GET finds.
std::expected<HttpRoute, HttpProblem> find_route(std::string_view method, std::string_view target);

}  // namespace ringmaster
