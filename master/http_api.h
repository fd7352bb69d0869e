// The translation between HTTP and the API: a route and a body become an ApiRequest, an ApiReply becomes
// JSON. Pure.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/api.h"
#include "master/http_problem.h"
#include "master/http_route.h"

namespace ringmaster {

inline constexpr Duration kMaxHttpWait = std::chrono::seconds(60);
// A page of tasks ends early when its JSON has grown to this; `next_page_token` goes on from there.
inline constexpr std::size_t kMaxPageBytes = 8 * 1024 * 1024;

// A request for the service, with what is needed to shape its answer.
struct HttpCall {
  ApiRequest request;
  bool single = false;  // submit_tasks: the body was one object, so the answer is one id
  TaskId id{};          // the task that it is about, where the route has one
  // Submissions: the first task's idempotency key and its namespace, which name it while it is in flight.
  std::string key;
  bool keyed = false;  // all its tasks have keys: it may be repeated
  // submit_batch: where in the body the tasks of the request stood, and the items that could not be read.
  std::vector<std::size_t> places;
  std::vector<SubmitReply::Refusal> refused;
  bool follow = false;   // read_log: until the attempt is over
  bool verbose = false;  // readyz: each check

  Duration wait() const;  // how long the service may take by request: a long poll's wait, else 0
};

// Routes that the service answers: all but livez, metrics and openapi. Of `body`, submissions read their
// tasks; cancel_task and release_task take none or an empty object; GET ignores it. Problems name the field
// at fault, in an array with its position: `[3].priority`.
std::expected<HttpCall, HttpProblem> call_of(const HttpRoute& route, std::string_view body,
                                             std::string_view idempotency_key = {});

// The reply to `call`; readyz answers 503 while the store or the registry is away or no shard is owned.
HttpReply reply_to(const HttpRoute& route, const HttpCall& call, const Result<ApiReply>& answer);

}  // namespace ringmaster
