// The audit: whether a running cluster keeps its promises. What a client asks and is answered, and what
// masters and workers ask of one another for it. Plain values.
//
// An audit looks twice. What the first look finds is a suspicion; the second one is made a little later, and
// only what holds in both, with the same `fact`, is a finding: the world moves while it is looked at.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/messages.h"
#include "base/time.h"

namespace ringmaster {

// The names are for ever: programs and alerts know them.
inline constexpr std::array<std::string_view, 9> kAuditChecks = {
    "shards_covered", "owners_live",   "running_held",    "held_known",   "due_known",
    "history_unique", "history_final", "spools_draining", "masters_agree"};

// ---- a client and its master ----

struct AuditRequest {
  bool full = false;  // every row of `task` and `task_history`, not only those at the heads
};
inline constexpr Duration kAuditWait = std::chrono::seconds(60);  // for an answer; a full one:
inline constexpr Duration kFullAuditWait = std::chrono::hours(2);

struct AuditFinding {
  std::string subject;  // `shard 7`, `task_…`, `worker w1`
  std::string text;     // what is wrong
  std::string advice;   // what to do
};
inline constexpr std::size_t kMaxAuditFindings = 100;  // of one check
struct AuditCheck {
  std::string name;
  std::uint64_t looked_at = 0;         // shards, attempts, rows, …: what the check is about
  std::vector<AuditFinding> findings;  // at most kMaxAuditFindings
  std::uint64_t more = 0;              // further ones
  std::string not_made;                // why it, or a part of it, could not be made; empty: it was
};
struct AuditReply {
  std::string answered_by;  // the master that put it together
  WallTime at{};            // when it began
  Duration took{0};
  bool full = false;
  std::uint64_t rows_read = 0;            // of the database
  std::vector<AuditCheck> checks;         // all of kAuditChecks, in that order
  std::vector<std::string> not_answered;  // `worker w1 (asked by m1): why`
  std::vector<std::string> too_old;       // nodes of a version that knows no audit

  bool complete() const;  // everybody answered, and every check was made
};

enum class AuditVerdict : std::uint8_t {
  clean,
  violations,  // at least one finding
  incomplete,  // none, but somebody did not answer or a check could not be made
};
AuditVerdict verdict_of(const AuditReply& reply);
std::string_view to_string(AuditVerdict verdict);  // `clean`

// ---- a master and another one, or itself ----

// A row of `task`, as far as an audit looks at it.
struct AuditRow {
  TaskId id;
  std::int64_t rank = 0;
  std::string group;
  WallTime run_at{};
  Attempt attempt = 0;
  std::int32_t failures = 0, crashes = 0;
  std::int32_t state = 0;  // a TaskState, unless something is very wrong
  std::string worker;
  Incarnation worker_incarnation;
  Epoch epoch = 0;
  std::optional<WallTime> cancel_requested_at;
};

struct AuditPartRequest {
  bool held = false;           // ask the workers what they hold, and say what this master owns
  std::vector<AuditRow> rows;  // of its shards: does it know them? At most kMaxAuditRows
};
inline constexpr std::size_t kMaxAuditRows = 5'000;
struct AuditSuspicion {
  std::string check, subject;
  std::string fact;  // what must be the same at the second look; tokens, owners, epochs: never an age
  std::string text, advice;
};
inline constexpr std::size_t kMaxAuditSuspicions = 1'000;  // of one part; and of a whole audit, more or less
struct AuditPartReply {
  Incarnation incarnation;
  std::vector<ShardEpoch> shards;  // that it believes to own
  std::vector<AuditSuspicion> suspicions;
  std::uint64_t attempts = 0;  // that workers were asked for
  std::uint64_t held = 0;      // that they hold
  std::uint64_t workers = 0;   // that answered
  std::vector<std::string> not_answered, too_old;
};

// ---- a master and a worker ----

// Sent behind whatever the master has told the worker on this channel; the answer comes behind whatever the
// worker has told the master.
struct HeldRequest {
  std::vector<ShardEpoch> shards;  // whose attempts are asked for: those of the sender
  std::vector<Token> believed;     // to be held here
};
inline constexpr std::size_t kMaxHeldTokens = 10'000;
inline constexpr std::size_t kMaxHeldUnknown = 1'000;
struct HeldReply {
  std::vector<Token> missing;        // believed, and neither queued, running nor finished and unacknowledged
  std::vector<HeldAttempt> unknown;  // held, not believed and not being stopped; of finished ones those that
                                     // have waited for a while. At most kMaxHeldUnknown
  std::vector<ShardEpoch> superseded;  // of the shards asked for, where a higher epoch has been seen
  std::uint64_t held = 0;              // attempts in these shards, finished and unacknowledged ones included
  std::optional<Token> oldest;         // of the unacknowledged results
  Duration oldest_age{0};
};

}  // namespace ringmaster
