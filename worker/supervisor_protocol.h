// What a worker daemon and its supervisor say to each other over their socket pair: orders one way, events
// the other. Both ends are one binary, so frames are plain: a 32-bit length, a type, fields in the machine's
// own byte order. Pure: bytes in, values out. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "worker/account.h"
#include "worker/attempt_limits.h"
#include "worker/progress_lines.h"

namespace ringmaster {

// From the end of a lease to the SIGKILL of what still lives under it; an attempt's own kill_grace shortens
// this, nothing lengthens it. Masters who wait until a lease has surely run out add it, and some time for the
// kernel to carry it out.
inline constexpr Duration kLeaseKillGrace = std::chrono::seconds(5);

// ---- orders -----------------------------------------------------------------------------------------------

struct StartOrder {
  std::uint64_t id = 0;                     // chosen by the daemon, never reused
  std::vector<std::string> argv;            // argv[0] without a slash is looked up in the PATH of `env`
  std::vector<std::string> env;             // `K=V`: all that the attempt gets, but for the supervisor's mark
  std::vector<std::string> secret_env;      // the same, with values that no message and no result may hold
  std::string cwd;                          // empty: /
  std::optional<ProcessIdentity> identity;  // absent: the supervisor's own
  AttemptLimits limits;
  std::optional<std::string> stdin_text;  // absent: /dev/null
  std::string log_path;                   // absolute
  std::uint64_t log_limit = 0;            // bytes
  Duration timeout{0};                    // 0: none
  Duration kill_grace{0};                 // between SIGTERM and SIGKILL; 0: SIGKILL at once
  std::int16_t lease_shard = -1;          // >= 0: starts and lives under the lease of that shard only
  // Nothing to the supervisor; for its last words.
  Token token;
  std::vector<std::int32_t> success_exit_codes;
};
std::vector<std::string> secret_values(const StartOrder& order);

struct KillOrder {
  std::uint64_t id = 0;
};
// The daemon is about to end in order: what is killed then was stopped, its worker did not die.
struct GoodbyeOrder {};
// The lease of a shard lasts until then (CLOCK_BOOTTIME). It only grows. One that comes after its end makes a
// new lease: what was started or ordered under the old one does not live under it.
struct LeaseOrder {
  ShardId shard = 0;
  MonoTime until{};
};
using SupervisorOrder = std::variant<StartOrder, KillOrder, LeaseOrder, GoodbyeOrder>;

// ---- events -----------------------------------------------------------------------------------------------

// The predecessor's attempts are dead; orders are carried out from now on. Sent once, first.
struct ReadyEvent {};

struct StartedEvent {
  std::uint64_t id = 0;
  WallTime started_at{};
};

// Of a running attempt, at most one each kProgressPause: the latest.
struct ProgressEvent {
  std::uint64_t id = 0;
  Progress progress;
};
inline constexpr Duration kProgressPause = std::chrono::milliseconds(250);

enum class FinishCause : std::uint8_t {
  exited = 0,       // by itself
  not_started = 1,  // `message` says why
  timed_out = 2,    // stopped by its time-out
  killed = 3,       // stopped by a KillOrder, perhaps before it started
  lease_ended = 4,  // stopped at the end of its lease, or not started without one: then `message` says so
  daemon_died = 5,  // stopped because there was nobody left to report it to
};
struct FinishedEvent {
  std::uint64_t id = 0;
  FinishCause cause = FinishCause::exited;
  bool permanent = false;            // not_started: another try cannot help
  bool survived = false;             // some process of it was still there long after SIGKILL
  std::int32_t wait_status = 0;      // of its leader, as from wait(2)
  std::int32_t log_error = 0;        // errno: its log is incomplete
  std::int64_t exceeded_memory = 0;  // its limit in bytes, if a process of it died of that
  WallTime started_at{}, finished_at{};
  ResourceUsage usage;
  std::string message;
  std::string output_tail;
};
using SupervisorEvent = std::variant<ReadyEvent, StartedEvent, ProgressEvent, FinishedEvent>;

// ---- frames -----------------------------------------------------------------------------------------------

inline constexpr std::size_t kMaxSupervisorFrame = 1024 * 1024;

// Append one frame to `out`.
void encode(const SupervisorOrder& order, std::string& out);
void encode(const SupervisorEvent& event, std::string& out);

// Errors: internal (the other end is not this binary, or memory is damaged).
Result<SupervisorOrder> decode_order(std::string_view body);
Result<SupervisorEvent> decode_event(std::string_view body);

// Cuts a byte stream into frame bodies.
class SupervisorFrames {
 public:
  void feed(std::string_view bytes);
  // The next whole body, valid until feed(); none: more bytes are needed. Errors: internal (too long).
  Result<std::optional<std::string_view>> next();

 private:
  std::string buffer_;
  std::size_t at_ = 0;
};

}  // namespace ringmaster
