#include "master/http_json.h"

#include <utility>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace ringmaster {

namespace json = boost::json;

namespace {
constexpr std::size_t kMaxJsonDepth = 32;
}  // namespace

std::expected<json::value, HttpProblem> parse_body(std::string_view body) {
  json::parse_options options;
  options.max_depth = kMaxJsonDepth;
  boost::system::error_code error;
  json::value value = json::parse({body.data(), body.size()}, error, {}, options);
  if (error)
    return std::unexpected(http_problem(400, "The body is not valid JSON: " + error.message() + "."));
  return value;
}

std::unexpected<HttpProblem> refuse(std::string detail, std::string field) {
  const Error error{ErrorCode::invalid_argument, std::move(detail), std::move(field)};
  return std::unexpected(problem_of(error, true));
}

HttpReply json_reply(const json::value& value, unsigned status) {
  HttpReply reply;
  reply.status = status;
  reply.body = json::serialize(value) + "\n";
  return reply;
}

}  // namespace ringmaster
