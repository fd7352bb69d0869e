// Result<T>: how expected failures travel. Broken invariants CHECK instead; exceptions stop at the border of
// the library that throws them.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace ringmaster {

enum class ErrorCode {
  invalid_argument,    // the caller must change the request
  not_found,           // no such thing
  already_exists,      // the name or key is taken
  unauthenticated,     // wrong secret, cluster or identity
  fenced,              // this incarnation may not write any more, or not under this generation
  unavailable,         // nothing happened; the same call may succeed later
  unknown_outcome,     // it may or may not have happened: look before repeating
  deadline_exceeded,   // no answer in time; it may have happened
  resource_exhausted,  // a bound was reached: slow down
  cancelled,           // the caller or a shutdown gave it up
  internal,            // a bug or a refusal that the caller cannot mend
  key_reused,          // this idempotency key belongs to a submission with another payload
};

// The stable snake_case name of a code, as it stands in JSON and logs.
std::string_view to_string(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string message;  // says what to do, for a person
  std::string field;    // the input field at fault, if one is
};

template <class T = void>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(ErrorCode code, std::string message, std::string field = {}) {
  return std::unexpected<Error>(Error{code, std::move(message), std::move(field)});
}

}  // namespace ringmaster
