#include <string>

#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/beast/http/error.hpp>
#include <gtest/gtest.h>

#include "worker/http_result.h"

namespace ringmaster {
namespace {

namespace error = boost::asio::error;
namespace http = boost::beast::http;
using enum HttpPhase;
using Cause = HttpEnd::Cause;
using namespace std::chrono_literals;

AttemptResult result_of(HttpEnd end) {
  HttpSpec spec;
  spec.server = {true, "h", 443};
  spec.connect_timeout = 5s;
  return result_of(std::move(end), spec, 1min, 1000);
}
std::string message_of(HttpEnd end) {
  return result_of(std::move(end)).message;
}
std::string failure(HttpPhase phase, boost::system::error_code why, int status = 0) {
  return message_of({Cause::failed, phase, status, why});
}

TEST(HttpResult, OfAnAnswerIsWhatTheSpecExpects) {
  const auto good = result_of({Cause::answered, receiving, 204});
  EXPECT_EQ(good.outcome, Outcome::succeeded);
  EXPECT_EQ(good.exit_code, 0);
  EXPECT_EQ(good.message, "");
  const auto bad = result_of({Cause::answered, receiving, 500});
  EXPECT_EQ(bad.outcome, Outcome::failed);
  EXPECT_EQ(bad.exit_code, 500);
  EXPECT_EQ(bad.message, "HTTP 500 Internal Server Error");
}

TEST(HttpResult, SaysWhatFailedAndWhatToDo) {
  EXPECT_EQ(failure(looking_up, error::host_not_found),
            "cannot look up h:443: Host not found (authoritative); check the name, and the resolver of this "
            "worker");
  EXPECT_EQ(
      failure(connecting, error::host_unreachable),
      "cannot connect to h:443: No route to host; check that a server listens there and can be reached from "
      "this worker");
  EXPECT_EQ(failure(securing, error::connection_reset),
            "no TLS with h:443: Connection reset by peer; check that it serves https");
  EXPECT_EQ(failure(waiting, error::timed_out),
            "the connection to h:443 broke before an answer came: Connection timed out");
  EXPECT_EQ(failure(waiting, boost::asio::ssl::error::stream_truncated),
            "h:443 closed the connection without an answer");
  EXPECT_EQ(failure(waiting, http::make_error_code(http::error::buffer_overflow)),
            "the header of the answer of h:443 is too large");
  EXPECT_EQ(
      failure(receiving, error::connection_reset, 200),
      "HTTP 200 OK, but the connection to h:443 broke in the middle of the body: Connection reset by peer");
  EXPECT_EQ(failure(receiving, http::make_error_code(http::error::body_limit), 404),
            "HTTP 404 Not Found, but the body is larger than 1000 bytes");
}

TEST(HttpResult, SaysWhatATimeOutInterrupted) {
  struct Case {
    HttpPhase phase;
    std::string doing;
  };
  for (const auto& [phase, doing] : {
           Case{looking_up, "while looking up h:443"},
           Case{connecting, "while connecting to h:443"},
           Case{securing, "in the TLS handshake with h:443"},
           Case{waiting, "h:443 had not answered; it may still work on the request"},
           Case{receiving, "in the middle of the body of HTTP 200 OK from h:443"},
       }) {
    HttpEnd end{Cause::timed_out, phase, phase == receiving ? 200 : 0};
    end.output_tail = "abc";
    const auto result = result_of(end);
    EXPECT_EQ(result.outcome, Outcome::timed_out);
    EXPECT_EQ(result.exit_code, end.status);
    EXPECT_EQ(result.message, "stopped after its time-out of 1m: " + doing);
    EXPECT_EQ(result.output_tail, "abc");
    if (phase >= waiting) continue;
    const auto unconnected = result_of({Cause::connect_timed_out, phase});
    EXPECT_EQ(unconnected.outcome, Outcome::failed);
    EXPECT_EQ(unconnected.message, "no connection within the connect_timeout of 5s: " + doing);
  }
}

TEST(HttpResult, OfAStopSaysWhetherTheServerMayHaveTheRequest) {
  const auto* const abandoned =
      "stopped on request: the request was abandoned; the server may still work on it";
  for (const auto phase : {looking_up, connecting, securing})
    EXPECT_EQ(message_of({Cause::stopped, phase}), "stopped on request: nothing had been sent");
  for (const auto phase : {waiting, receiving}) EXPECT_EQ(message_of({Cause::stopped, phase}), abandoned);
  EXPECT_EQ(result_of({Cause::stopped, waiting}).outcome, Outcome::cancelled);
}

}  // namespace
}  // namespace ringmaster
