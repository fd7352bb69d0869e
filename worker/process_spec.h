// The spec of kind `process`: a program and how to run it. Pure. Any thread.
//
//   argv                the program and its arguments; without a slash it is looked up in PATH
//   shell               instead of argv: text for /bin/sh -c
//   env                 variables added to the minimal environment; RINGMASTER_… are reserved
//   secrets             variables whose values are secrets of the worker: {"DB_PASSWORD": "db-password"}
//   run_as              the user it runs as, which the worker must allow (account.h)
//   limits              what it may use (attempt_limits.h)
//   cwd                 absolute; default /
//   stdin               text; default: nothing (/dev/null)
//   success_exit_codes  default [0]
//   kill_grace          between SIGTERM and SIGKILL, at most 1h; default 10s, 0s: SIGKILL at once
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "worker/attempt_limits.h"

namespace ringmaster {

inline constexpr std::size_t kMaxArguments = 4096;
inline constexpr std::size_t kMaxArgumentBytes =
    128 * 1024;                                          // argv and env together, as the kernel counts them
inline constexpr std::size_t kMaxProgramName = 255;      // of one without a slash: a longer file name is none
inline constexpr std::size_t kMaxSearchPath = 4 * 1024;  // PATH, of which each directory is tried
inline constexpr std::size_t kMaxSecrets = 64;
inline constexpr Duration kMaxKillGrace = std::chrono::hours(1);

struct ProcessSpec {
  std::vector<std::string> argv;  // never empty; `shell` is spelt out
  std::vector<std::pair<std::string, std::string>> env;
  std::vector<std::pair<std::string, std::string>> secrets;  // variable, name of the secret
  std::string run_as;                                        // empty: nobody in particular
  AttemptLimits limits;
  std::string cwd;
  std::optional<std::string> stdin_text;
  std::vector<int> success_exit_codes{0};
  Duration kill_grace = std::chrono::seconds(10);
};

// Strict: unknown fields are refused. Errors: invalid_argument, with `field` such as `spec.argv`.
Result<ProcessSpec> parse_process_spec(std::string_view json);

}  // namespace ringmaster
