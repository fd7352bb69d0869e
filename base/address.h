// Network addresses as text: `host:port`, with IPv6 hosts in brackets. Nothing is resolved. Pure. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace ringmaster {

struct HostPort {
  std::string host;  // a name or an IP address, without brackets
  std::uint16_t port = 0;
  bool operator==(const HostPort&) const = default;
};

// `localhost:7420`, `10.0.0.1:0`, `[::1]:7420`. Errors: invalid_argument.
Result<HostPort> parse_address(std::string_view text);

// Whether only this machine can reach it: `localhost`, 127.0.0.0/8, ::1 or its IPv4 twin, with or without a
// port. Any other name is not, whatever it may resolve to.
bool is_loopback(std::string_view address);

}  // namespace ringmaster
