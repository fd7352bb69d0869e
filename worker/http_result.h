// What the end of an HTTP exchange means for its attempt, and how it is told to a person. Pure. Any thread.
#pragma once

#include <cstdint>
#include <string>

#include <boost/system/error_code.hpp>

#include "base/task.h"
#include "worker/http_spec.h"

namespace ringmaster {

// What an exchange was doing. From `waiting` on the request, or a part of it, is on its way.
enum class HttpPhase : std::uint8_t { looking_up, connecting, securing, waiting, receiving };

struct HttpEnd {
  enum class Cause : std::uint8_t { answered, failed, connect_timed_out, timed_out, stopped };

  Cause cause = Cause::answered;
  HttpPhase phase = HttpPhase::looking_up;
  int status = 0;                   // 0: no answer came
  boost::system::error_code error;  // of `failed`
  std::string certificate_error;    // why the server's certificate was refused; empty: it was not
  std::string output_tail;
  int log_error = 0;  // errno of the first failure to write the log; 0: there was none
};

// Without times. `max_body_bytes` is what the exchange was held to.
AttemptResult result_of(HttpEnd end, const HttpSpec& spec, Duration timeout, std::uint64_t max_body_bytes);

}  // namespace ringmaster
