#include "worker/http_result.h"

#include <utility>

#include <boost/asio/ssl/error.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/status.hpp>

namespace ringmaster {
namespace {

namespace http = boost::beast::http;

// With the standard's words: the server's own may be anything.
std::string status_text(int status) {
  const auto known = http::int_to_status(static_cast<unsigned>(status));
  auto text = "HTTP " + std::to_string(status);
  if (known != http::status::unknown) text += " " + std::string(http::obsolete_reason(known));
  return text;
}

bool is_protocol_error(const boost::system::error_code& error) {
  return error.category() == http::make_error_code(http::error::bad_method).category();
}

bool ended_by_server(const boost::system::error_code& error) {
  return error == http::error::end_of_stream || error == http::error::partial_message ||
         error == boost::asio::ssl::error::stream_truncated;
}

std::string why_not_secured(const HttpEnd& end, const std::string& server) {
  if (!end.certificate_error.empty()) {
    return "the certificate of " + server + " is refused: " + end.certificate_error +
           "; it must be valid for this host and issued by a CA that the worker's system trusts";
  }
  return "no TLS with " + server + ": " + end.error.message() + "; check that it serves https";
}

std::string why_no_answer(const HttpEnd& end, const std::string& server) {
  if (end.error == http::error::partial_message)
    return server + " closed the connection in the middle of its answer's header";
  if (ended_by_server(end.error)) return server + " closed the connection without an answer";
  if (end.error == http::error::header_limit || end.error == http::error::buffer_overflow)
    return "the header of the answer of " + server + " is too large";
  if (is_protocol_error(end.error))
    return server + " does not answer in HTTP/1.1 (" + end.error.message() + "); check scheme and port";
  return "the connection to " + server + " broke before an answer came: " + end.error.message();
}

std::string why_no_body(const HttpEnd& end, const std::string& server, std::uint64_t max_body_bytes) {
  const auto but = status_text(end.status) + ", but ";
  if (end.error == http::error::body_limit)
    return but + "the body is larger than " + std::to_string(max_body_bytes) + " bytes";
  if (ended_by_server(end.error)) return but + server + " closed the connection in the middle of the body";
  if (is_protocol_error(end.error)) return but + "the body is not HTTP/1.1 (" + end.error.message() + ")";
  return but + "the connection to " + server + " broke in the middle of the body: " + end.error.message();
}

std::string why_failed(const HttpEnd& end, const std::string& server, std::uint64_t max_body_bytes) {
  switch (end.phase) {
    case HttpPhase::looking_up:
      return "cannot look up " + server + ": " + end.error.message() +
             "; check the name, and the resolver of this worker";
    case HttpPhase::connecting:
      return "cannot connect to " + server + ": " + end.error.message() +
             "; check that a server listens there and can be reached from this worker";
    case HttpPhase::securing:
      return why_not_secured(end, server);
    case HttpPhase::waiting:
      return why_no_answer(end, server);
    case HttpPhase::receiving:
      break;
  }
  return why_no_body(end, server, max_body_bytes);
}

std::string doing(const HttpEnd& end, const std::string& server) {
  switch (end.phase) {
    case HttpPhase::looking_up:
      return "while looking up " + server;
    case HttpPhase::connecting:
      return "while connecting to " + server;
    case HttpPhase::securing:
      return "in the TLS handshake with " + server;
    case HttpPhase::waiting:
      return server + " had not answered; it may still work on the request";
    case HttpPhase::receiving:
      break;
  }
  return "in the middle of the body of " + status_text(end.status) + " from " + server;
}

}  // namespace

AttemptResult result_of(HttpEnd end, const HttpSpec& spec, Duration timeout, std::uint64_t max_body_bytes) {
  const auto server = to_string(spec.server);
  AttemptResult result;
  result.outcome = Outcome::failed;
  result.exit_code = end.status;
  switch (end.cause) {
    case HttpEnd::Cause::answered:
      if (spec.expects(end.status)) {
        result.outcome = Outcome::succeeded;
        result.exit_code = 0;
      } else {
        result.message = status_text(end.status);
      }
      break;
    case HttpEnd::Cause::failed:
      result.message = why_failed(end, server, max_body_bytes);
      break;
    case HttpEnd::Cause::connect_timed_out:
      result.message = "no connection within the connect_timeout of " +
                       format_duration(spec.connect_timeout) + ": " + doing(end, server);
      break;
    case HttpEnd::Cause::timed_out:
      result.outcome = Outcome::timed_out;
      result.message =
          "stopped after its time-out of " + format_duration(timeout) + ": " + doing(end, server);
      break;
    case HttpEnd::Cause::stopped:
      result.outcome = Outcome::cancelled;
      result.message = end.phase < HttpPhase::waiting
                           ? "stopped on request: nothing had been sent"
                           : "stopped on request: the request was abandoned; the server may still work on it";
      break;
  }
  result.output_tail = std::move(end.output_tail);
  return result;
}

}  // namespace ringmaster
