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

// json: `{"time":"…Z","level":"info","source":"file.cc:12","message":"…"}`.
enum class LogFormat : std::uint8_t { text, json };

// Call once, first in main: messages below `level` are dropped (debug: VLOG(1) too), and a crash prints its
// stack. `argv0` must stay valid.
void install_log(const char* argv0, LogLevel level, LogFormat format = LogFormat::text);
void set_log_level(LogLevel level);

}  // namespace ringmaster
