// The spec of kind `http`: one request, and which answers are a success. Pure. Any thread.
//
//   url              http or https, absolute; without user, password and fragment
//   method           default GET
//   headers          object of strings, or of secrets of the worker: {"secret": "api-token", "prefix":
//                    "Bearer "}; what frames the message or belongs to the worker is refused
//   body             a string is sent as it is; an object or an array as JSON
//   expected_status  numbers and classes such as "2xx"; default ["2xx"]
//   connect_timeout  for look-up, connection and TLS handshake together, at most 1h; default 10s
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace ringmaster {

inline constexpr std::size_t kMaxHeaderValue = 8 * 1024;
inline constexpr std::size_t kMaxExpectedStatuses = 64;
inline constexpr Duration kMaxConnectTimeout = std::chrono::hours(1);

// Where a request goes.
struct HttpServerName {
  bool tls = false;
  std::string host;  // a name, or an IP address without brackets
  std::uint16_t port = 0;
};
std::string to_string(const HttpServerName& server);    // `example.com:443`, `[::1]:80`
std::string host_header(const HttpServerName& server);  // the same without the scheme's own port

struct StatusRange {
  int first = 0, last = 0;
  bool operator==(const StatusRange&) const = default;
};

// Sent as `prefix` and the value of the secret.
struct SecretHeader {
  std::string name, secret, prefix;
  bool operator==(const SecretHeader&) const = default;
};

struct HttpSpec {
  HttpServerName server;
  std::string target;  // path and query; never empty
  std::string method = "GET";
  std::vector<std::pair<std::string, std::string>> headers;
  std::vector<SecretHeader> secret_headers;
  std::optional<std::string> body;
  bool body_is_json = false;
  std::vector<StatusRange> expected_status{{200, 299}};
  Duration connect_timeout = std::chrono::seconds(10);

  bool expects(int status) const;
  bool has_header(std::string_view name) const;  // whatever its case
};

bool is_header_value(std::string_view text);  // without control characters, and not too long

// Strict: unknown fields are refused. Errors: invalid_argument, with `field` such as `spec.url`.
Result<HttpSpec> parse_http_spec(std::string_view json);

}  // namespace ringmaster
