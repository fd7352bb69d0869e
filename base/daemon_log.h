// The log of a daemon: lines on stderr, for whatever collects them. Payloads (specs, output, secrets) are
// never logged: task ids, names and counts are.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace ringmaster {

enum class LogLevel : std::uint8_t { debug, info, warning, error };
std::string_view to_string(LogLevel level);
std::optional<LogLevel> parse_log_level(std::string_view text);

// Call once, first in main: messages below `level` are dropped (debug: VLOG(1) too), and a crash prints its
// stack. Later calls change the level only. `argv0` must stay valid.
void install_log(const char* argv0, LogLevel level);

}  // namespace ringmaster
