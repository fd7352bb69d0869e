// JSON at the HTTP edge: bodies in, replies out. Pure.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

#include "master/http_problem.h"

namespace ringmaster {

// Problems: 400, if it is not JSON or nests deeper than 32 levels.
std::expected<boost::json::value, HttpProblem> parse_body(std::string_view body);

// 400 invalid_argument with the field at fault.
std::unexpected<HttpProblem> refuse(std::string detail, std::string field);

HttpReply json_reply(const boost::json::value& value, unsigned status = 200);

}  // namespace ringmaster
