// From an HTTP request's target, key and body to the API and back: whatever was asked gets a call or a
// problem, and every answer is valid JSON.
//
// Input: a line `METHOD target`, a line with the Idempotency-Key (often empty), then the body.
#include <string>
#include <variant>

#include <boost/json/parse.hpp>

#include "master/http_api.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

using namespace ringmaster;

void check_problem(const HttpProblem& problem) {
  fuzz_check(problem.status >= 400 && problem.status < 600, "a problem has a status of its own");
  fuzz_check(!problem.code.empty() && !problem.detail.empty(), "a problem says what is wrong");
  boost::system::error_code error;
  const auto body = boost::json::parse(reply_of(problem).body, error);
  fuzz_check(!error && body.is_object(), "a problem is valid JSON, UTF-8 included");
}

void check_reply(const HttpReply& reply) {
  boost::system::error_code error;
  (void)boost::json::parse(reply.body, error);
  fuzz_check(!error, "a reply is valid JSON");
}

void check_submission(const SubmitRequest& request, const HttpRoute& route, const HttpCall& call) {
  fuzz_check(!request.tasks.empty() || !call.refused.empty(), "there are tasks, or refusals");
  fuzz_check(!call.single || request.tasks.size() == 1, "one task is one");
  GetReply got;
  for (const NewTask& task : request.tasks) {
    fuzz_check(validate(task).has_value(), "a task that passed is valid");
    got.view.row.task = task;
  }
  SubmitReply reply;
  reply.ids.resize(request.tasks.size(), TaskId{make_task_id(7, 3)});
  check_reply(reply_to(route, call, ApiReply(reply)));
  // What was taken can be shown.
  const HttpRoute get{.operation = HttpOperation::get_task, .id = {}, .query = {}};
  check_reply(reply_to(get, HttpCall{GetRequest{}}, ApiReply(got)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  const auto first = input.line();
  const auto key = input.line();
  const auto space = std::min(first.find(' '), first.size());
  const auto route = find_route(first.substr(0, space), first.substr(std::min(space + 1, first.size())));
  if (!route) {
    check_problem(route.error());
    return 0;
  }
  const auto operation = route->operation;
  if (operation == HttpOperation::livez || operation == HttpOperation::metrics ||
      operation == HttpOperation::openapi) {
    return 0;  // the session answers these
  }
  const auto call = call_of(*route, input.rest(), key);
  if (!call) {
    check_problem(call.error());
    return 0;
  }
  fuzz_check(call->wait() >= Duration::zero() && call->wait() <= kMaxHttpWait, "a wait is bounded");
  for (const auto code : {ErrorCode::unavailable, ErrorCode::unknown_outcome, ErrorCode::not_found}) {
    check_reply(reply_to(*route, *call, fail(code, "why", "field")));
  }
  if (const auto* submit = std::get_if<SubmitRequest>(&call->request))
    check_submission(*submit, *route, *call);
  return 0;
}
