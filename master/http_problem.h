// What the HTTP edge answers: a finished reply, and the problems (RFC 9457) that become one. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "base/result.h"

namespace ringmaster {

struct HttpReply {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::string allow;                                         // 405: the methods that this path has
  std::string location;                                      // 201 of one task
  std::optional<unsigned> retry_after;                       // seconds
  bool close = false;                                        // the connection cannot go on after this
  std::vector<std::pair<std::string, std::string>> headers;  // others
};

// One refusal. `code` is stable and what programs switch on; `detail` is for people.
struct HttpProblem {
  unsigned status = 500;
  std::string code;
  std::string detail;
  std::string field;  // the member of the body, or the query parameter, at fault
  std::string allow;
  bool retryable = false;               // the same request may be repeated, and may then succeed
  std::optional<unsigned> retry_after;  // seconds; every 429 and 503 has it
};

// The problem that an Error of the API is. `repeatable` is HttpRoute's: whether an unknown outcome may be
// repeated.
HttpProblem problem_of(const Error& error, bool repeatable);

// Problems of HTTP itself: 400 malformed_request, 404 not_found, 413 …, with the code that belongs to the
// status.
HttpProblem http_problem(unsigned status, std::string detail, std::string field = {});

// application/problem+json with type, title, status, detail, code, retryable and, if there is one, field.
// `members`: more of them.
HttpReply reply_of(const HttpProblem& problem, boost::json::object members = {});

// The reason phrase of a status, as RFC 9110 has it.
std::string_view reason_of(unsigned status);

}  // namespace ringmaster
