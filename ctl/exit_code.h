// What ringctl's exit status says, after timeout(1) and the shells. With --wait on one task, its own code
// comes first.
#pragma once

namespace ringmaster {

inline constexpr int kExitOk = 0;
inline constexpr int kExitTaskFailed = 1;  // it ended otherwise than SUCCEEDED and has no code of its own
inline constexpr int kExitViolations = 1;  // of an audit: it found something
inline constexpr int kExitIncomplete = 3;  // of an audit: nothing found, but it could not look everywhere
inline constexpr int kExitTimedOut = 124;  // the task's time-out, or that of the wait
inline constexpr int kExitOwnError = 125;  // ringctl itself: usage, connection, refused request
inline constexpr int kExitSignalBase = 128;
inline constexpr int kMaxExitStatus = 255;

}  // namespace ringmaster
