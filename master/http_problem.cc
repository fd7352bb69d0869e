#include "master/http_problem.h"

#include <boost/beast/http/status.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/utf8.h"

namespace ringmaster {
namespace {

std::optional<unsigned> retry_after_of(unsigned status) {
  return status == 429 || status == 503 ? std::optional(1U) : std::nullopt;
}

unsigned status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return 400;
    case ErrorCode::not_found:
      return 404;
    case ErrorCode::already_exists:
      return 409;
    case ErrorCode::key_reused:
      return 422;
    case ErrorCode::unauthenticated:
      return 403;
    case ErrorCode::resource_exhausted:
      return 429;
    case ErrorCode::deadline_exceeded:
      return 504;
    case ErrorCode::fenced:
    case ErrorCode::unavailable:
    case ErrorCode::unknown_outcome:
    case ErrorCode::cancelled:
      return 503;
    case ErrorCode::internal:
      return 500;
  }
  return 500;
}

bool retryable(ErrorCode code, bool repeatable) {
  switch (code) {
    // Nothing happened: anybody may repeat it.
    case ErrorCode::fenced:
    case ErrorCode::unavailable:
    case ErrorCode::resource_exhausted:
      return true;
    // It may have happened: a submission could then run twice, a release free what was quarantined anew.
    case ErrorCode::unknown_outcome:
    case ErrorCode::deadline_exceeded:
    case ErrorCode::cancelled:
      return repeatable;
    default:
      return false;
  }
}

std::string code_of(unsigned status) {
  switch (status) {
    case 400:
      return "malformed_request";
    case 404:
      return "not_found";
    case 405:
      return "method_not_allowed";
    case 408:
      return "request_timeout";
    case 413:
      return "content_too_large";
    case 415:
      return "unsupported_media_type";
    case 417:
      return "expectation_failed";
    case 429:
      return "resource_exhausted";
    case 431:
      return "header_too_large";
    case 503:
      return "unavailable";
    case 505:
      return "version_not_supported";
    default:
      return "internal";
  }
}

}  // namespace

HttpProblem problem_of(const Error& error, bool repeatable) {
  HttpProblem problem;
  problem.status = status_of(error.code);
  problem.code = to_string(error.code);
  problem.detail = error.message;
  problem.field = error.field;
  problem.retryable = retryable(error.code, repeatable);
  problem.retry_after = retry_after_of(problem.status);
  return problem;
}

HttpProblem http_problem(unsigned status, std::string detail, std::string field) {
  HttpProblem problem;
  problem.status = status;
  problem.code = code_of(status);
  problem.detail = std::move(detail);
  problem.field = std::move(field);
  problem.retryable = status == 408 || status == 429 || status == 503;
  problem.retry_after = retry_after_of(status);
  return problem;
}

HttpReply reply_of(const HttpProblem& problem, boost::json::object members) {
  boost::json::object body{{"type", "urn:ringmaster:problem:" + problem.code},
                           {"title", reason_of(problem.status)},
                           {"status", problem.status},
                           {"detail", replace_invalid_utf8(problem.detail)},
                           {"code", problem.code},
                           {"retryable", problem.retryable}};
  if (!problem.field.empty()) body["field"] = replace_invalid_utf8(problem.field);
  for (auto& [name, value] : members) body[name] = std::move(value);
  HttpReply reply;
  reply.status = problem.status;
  reply.content_type = "application/problem+json";
  reply.body = boost::json::serialize(body) + "\n";
  reply.allow = problem.allow;
  reply.retry_after = problem.retry_after;
  return reply;
}

std::string_view reason_of(unsigned status) {
  if (status == 413) return "Content Too Large";  // Beast still has the name of RFC 7231
  const auto reason = boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(status));
  return {reason.data(), reason.size()};
}

}  // namespace ringmaster
