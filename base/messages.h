// What nodes say to each other, as plain values. rpc/ gives each a stable number and a protobuf form; the
// simulator carries them through the same codec. One-way: nothing here waits for an answer, order on one
// channel is kept.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/task.h"

namespace ringmaster {

struct ShardEpoch {
  ShardId shard = 0;
  Epoch epoch = 0;
  bool operator==(const ShardEpoch&) const = default;
};

// ---- master to worker
// -------------------------------------------------------------------------------------------

// First message on every channel, and again whenever the master's shards change: "I own these".
// The worker answers each with an Inventory for exactly these shards, and refuses lower epochs from then on.
struct Announce {
  std::uint64_t sequence = 0;
  std::vector<ShardEpoch> shards;
};

struct Dispatch {
  Token token;
  std::string ns, group, kind, spec;
  Duration timeout{0};
  OnWorkerLost on_worker_lost = OnWorkerLost::rerun;
  std::string traceparent;
};
struct DispatchBatch {
  Incarnation worker;  // the life that these are meant for; another one refuses them
  std::vector<Dispatch> items;
};

// Fate of reported results. recorded: committed, forget it. stale: a higher token or terminal state is
// committed, forget it too (the master kept it as late).
enum class ResultFate : std::uint8_t { recorded = 0, stale = 1 };
struct ResultAck {
  Token token;
  ResultFate fate = ResultFate::recorded;
};
struct ResultAckBatch {
  std::vector<ResultAck> items;
};

// Stop these attempts: death is verified before the result (cancelled) is reported.
struct KillBatch {
  std::vector<Token> items;
};

// Sent each second, and at once when demand changes between none and some.
struct MasterStatus {
  std::uint64_t demand = 0;  // tasks ready for this worker's groups and not yet sent anywhere
};

// The owner of these shards has proved itself: leases of their attempts run from when the worker sent the
// status that this answers. What the sender announced earlier and has handed over since is not among them.
struct LeaseGrant {
  MonoTime status_sent_at{};
  std::vector<ShardId> shards;
};

// ---- worker to master
// -------------------------------------------------------------------------------------------

enum class HeldState : std::uint8_t { queued = 0, running = 1, finished = 2 };
struct HeldAttempt {
  Token token;
  HeldState state = HeldState::queued;
  std::optional<WallTime> started_at;
};
// Answer to Announce `sequence`. Finished ones follow as ResultBatch on the same channel.
struct Inventory {
  std::uint64_t sequence = 0;
  bool last = true;                    // false: more parts of the same sequence follow
  std::vector<ShardEpoch> superseded;  // announced shards for which the worker has seen a higher epoch
  std::vector<HeldAttempt> held;
};

enum class AckVerdict : std::uint8_t {
  accepted = 0,
  busy = 1,        // no room: not held, send it elsewhere
  fenced = 2,      // a higher epoch is known for its shard: not held
  wrong_life = 3,  // meant for another incarnation: not held
  returned = 4,    // was accepted, never started, given back (drain): not held any more
};
struct Ack {
  Token token;
  AckVerdict verdict = AckVerdict::accepted;
};
struct AckBatch {
  std::vector<Ack> items;
};

struct ResultReport {
  Token token;
  AttemptResult result;
};
struct ResultBatch {
  // A reported result implies that its attempt was accepted. To a master that does not own the shard: it
  // relays.
  std::vector<ResultReport> items;
};

// Sent each second and at once when the credit limit or draining changes.
struct WorkerStatus {
  std::uint32_t credit_limit = 0;  // attempts that this master may have outstanding here
  bool draining = false;
  std::uint32_t queued = 0, running = 0, spooled = 0;
  MonoTime sent_at{};  // the worker's boot clock: a LeaseGrant gives it back
};

// Attempts that started since the last frame (for `running` marks and live views).
struct Started {
  Token token;
  WallTime started_at{};
};
struct StartedBatch {
  std::vector<Started> items;
};

// The latest word of running attempts about how far they are.
struct ProgressReport {
  Token token;
  Progress progress;
};
struct ProgressBatch {
  std::vector<ProgressReport> items;
};

// ---- master to master
// -------------------------------------------------------------------------------------------

// A worker that cannot reach the owner of these tasks gave them to the sender, which judges nothing.
struct RelayedResults {
  std::string worker;
  std::vector<ResultReport> items;
};
// The owner's answer, to be passed on to that worker.
struct RelayedAcks {
  std::string worker;
  std::vector<ResultAck> items;
};

// A worker's life.
struct WorkerLife {
  std::string id;
  Incarnation incarnation;
};
inline constexpr std::size_t kMaxMissedWorkers = 1'000;
// Sent each second: what helps a master that is cut off from something to tell a death from a cut.
struct PeerStatus {
  bool writes = false;  // the sender has proved within kPeerFresh that it can write to the database
  std::vector<std::string> missed;  // workers out of the sender's reach: does anybody reach them?
  std::vector<WorkerLife> reached;  // the answer to what the receiver missed
};
inline constexpr Duration kPeerFresh = std::chrono::seconds(3);

using Message = std::variant<Announce, DispatchBatch, ResultAckBatch, KillBatch, MasterStatus, Inventory,
                             AckBatch, ResultBatch, WorkerStatus, StartedBatch, LeaseGrant, RelayedResults,
                             RelayedAcks, ProgressBatch, PeerStatus>;

}  // namespace ringmaster
