#include "master/http_problem.h"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

namespace ringmaster {
namespace {

// A client that is told to come back is told when.
TEST(HttpProblem, Every429And503CarriesRetryAfter) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::internal); ++code) {
    const Error error{static_cast<ErrorCode>(code), "because", {}};
    const HttpReply reply = reply_of(problem_of(error, false));
    const bool later = reply.status == 429 || reply.status == 503;
    EXPECT_EQ(reply.retry_after.has_value(), later) << to_string(error.code);
  }
  for (const unsigned status : {400U, 404U, 405U, 408U, 413U, 415U, 417U, 429U, 431U, 500U, 503U, 505U}) {
    const HttpReply reply = reply_of(http_problem(status, "because"));
    EXPECT_EQ(reply.status, status);
    EXPECT_EQ(reply.retry_after.has_value(), status == 429 || status == 503) << status;
  }
}

TEST(HttpProblem, OfHttpItselfHasTheCodeOfItsStatus) {
  const auto code_of = [](unsigned status) { return http_problem(status, "because").code; };
  EXPECT_EQ(code_of(404), to_string(ErrorCode::not_found));
  EXPECT_EQ(code_of(429), to_string(ErrorCode::resource_exhausted));
  EXPECT_EQ(code_of(503), to_string(ErrorCode::unavailable));
}

TEST(HttpProblem, AnUnknownOutcomeIsRetryableOnlyIfTheRequestMayBeRepeated) {
  for (const ErrorCode code :
       {ErrorCode::unknown_outcome, ErrorCode::deadline_exceeded, ErrorCode::cancelled}) {
    EXPECT_TRUE(problem_of({code, "because", {}}, true).retryable) << to_string(code);
    EXPECT_FALSE(problem_of({code, "because", {}}, false).retryable) << to_string(code);
  }
}

TEST(HttpProblem, IsValidJsonWhateverBytesItRepeats) {
  const HttpReply reply = reply_of(http_problem(400, "no \xff here", "\xc3("));
  const auto body = boost::json::parse(reply.body).as_object();
  EXPECT_EQ(body.at("detail"), "no \xef\xbf\xbd here");
  EXPECT_EQ(body.at("field"), "\xef\xbf\xbd(");
}

TEST(HttpProblem, IsOneJsonDocument) {
  const HttpReply reply = reply_of(problem_of({ErrorCode::already_exists, "the task has ended", {}}, true));
  EXPECT_EQ(reply.content_type, "application/problem+json");
  EXPECT_EQ(boost::json::parse(reply.body),
            boost::json::parse(R"({"type":"urn:ringmaster:problem:already_exists","title":"Conflict",)"
                               R"("status":409,"detail":"the task has ended","code":"already_exists",)"
                               R"("retryable":false})"));
}

}  // namespace
}  // namespace ringmaster
