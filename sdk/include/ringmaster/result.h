// Result<T>: how the SDK tells of expected failures. Only what handlers throw is an exception.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "ringmaster/export.h"

namespace ringmaster::sdk {

enum class ErrorCode : std::uint8_t {
  invalid_argument,    // the caller must change the request
  not_found,           // no such thing
  already_exists,      // the name is taken, or the task has ended
  unauthenticated,     // wrong secret or cluster
  unavailable,         // nothing happened; the same call may succeed later
  unknown_outcome,     // it may or may not have happened: look before repeating
  deadline_exceeded,   // no answer in time; it may have happened
  resource_exhausted,  // a bound was reached: slow down
  cancelled,           // the client or worker was shut down meanwhile
  internal,            // a bug, or a refusal that the caller cannot mend
  key_reused,          // this idempotency key belongs to a submission with another payload
};
// `invalid_argument` …
RINGMASTER_SDK std::string_view to_string(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string message;  // says what to do, for a person
  std::string field;    // the input field at fault, if one is
};

template <class T = void>
using Result = std::expected<T, Error>;

}  // namespace ringmaster::sdk
