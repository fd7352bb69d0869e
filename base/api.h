// The requests that clients make of a master (and masters of one another, when they forward). Each has one
// reply. HTTP and the binary RPC are two spellings of this.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/audit.h"
#include "base/result.h"
#include "base/task.h"
#include "base/transition.h"

namespace ringmaster {

struct SubmitRequest {
  std::vector<NewTask> tasks;  // 1..10,000 and at most 4 MiB in all
  // True: an outcome for each task; one at fault keeps none of the others back. False: all of them or none.
  bool each = false;
};
struct SubmitReply {
  std::vector<TaskId> ids;  // in request order, 0 for a refused one; sent only after the commit
  struct Refusal {
    std::size_t index = 0;
    Error error;
  };
  std::vector<Refusal> refused;  // by index; only if `each` was asked for
};

struct GetRequest {
  TaskId id;
  Duration wait{
      0};  // > 0: answer when the task is terminal or this has passed (at most 60 s), whichever is first
  bool forwarded = false;  // came from a master: answer it here, never forward again
};
struct GetReply {
  TaskView view;
};

// Waits until all of these are terminal, or `wait` has passed; answers the state of each. For `--wait` on
// many tasks.
struct WaitRequest {
  std::vector<TaskId> ids;  // at most 10,000
  Duration wait{0};
  bool forwarded = false;
};
struct WaitReply {
  struct Item {
    TaskId id;
    bool found = false;
    TaskState state = TaskState::ready;
    std::int32_t exit_code = 0;
    std::string worker;
  };
  std::vector<Item> items;  // in request order
};

struct ListRequest {
  std::string ns, group, kind;    // empty: any
  std::vector<TaskState> states;  // empty: any
  std::string labels;             // JSON object: tasks with all of these; empty: any
  std::optional<WallTime> created_from, created_before;
  std::optional<TaskId> after;  // keyset: ids greater than this
  std::uint32_t limit = 100;    // 1..1000
};
struct ListReply {
  std::vector<TaskView> views;  // ascending id; specs and output tails are included
  std::optional<TaskId> next;   // pass as `after`; absent at the end
};

// Cancels a task, or releases it from quarantine. Answered when that is committed; errors: not_found (no such
// task), already_exists (it has ended, or is not quarantined).
struct ControlRequest {
  TaskId id;
  ControlAction action = ControlAction::cancel;
  bool forwarded = false;
};
struct ControlReply {
  TaskState state = TaskState::ready;  // afterwards
};

// Why a task is where it is: what it waits for, who was asked and why they did not take it.
struct ExplainRequest {
  TaskId id;
  bool forwarded = false;
};
struct ExplainReply {
  TaskState state = TaskState::ready;
  struct Reason {
    std::string code;  // snake_case, for programs: `no_worker`, `no_credit`, `backoff` …
    std::string text;  // for people
  };
  std::vector<Reason> reasons;  // the most important first
};

// A piece of what an attempt has written, from the worker that runs or ran it. Errors: not_found (no such
// task or attempt, or it has not started), unavailable (its worker is out of reach).
struct LogRequest {
  TaskId id;
  Attempt attempt = 0;  // 0: the current or last one
  std::uint64_t offset = 0;
  std::uint32_t limit = 256 * 1024;  // bytes, 1 to 1 MiB
  bool forwarded = false;
};
inline constexpr std::uint32_t kMaxLogBytes = 1024 * 1024;
struct LogReply {
  Attempt attempt = 0;
  std::string worker;
  std::string bytes;
  std::uint64_t next = 0;  // the offset behind them
  bool over = false;       // the attempt has ended, and there is nothing behind them
};

// The groups that have workers or work, as all masters together see them.
struct GroupsRequest {
  bool forwarded = false;
};
struct GroupsReply {
  struct Group {
    std::string name;
    std::uint32_t workers = 0, slots = 0;  // registered
    std::uint64_t waiting_in_memory = 0, dispatched = 0;
    bool more_in_store = false;
  };
  std::vector<Group> groups;              // by name
  std::vector<std::string> not_answered;  // masters whose part is missing
};

struct WorkersRequest {};
struct WorkerView {
  std::string id, address, version;
  Incarnation incarnation;
  std::vector<std::string> groups;
  std::uint32_t slots = 0;
  bool registered = false, connected = false, draining = false;
  std::uint32_t credit_limit = 0, outstanding = 0;     // as this master sees it
  std::uint32_t queued = 0, running = 0, spooled = 0;  // as the worker last said
  WallTime started_at{};
};
struct WorkersReply {
  std::vector<WorkerView> workers;  // by id
};

struct MastersRequest {};
struct MasterView {
  std::string id, rpc_address, http_address, version;
  Incarnation incarnation;
  bool self = false;
  std::uint32_t shards = 0;
  WallTime started_at{};
};
struct MastersReply {
  std::vector<MasterView> masters;  // by id
};

struct ClusterRequest {};
struct ClusterReply {
  std::string cluster, store_id, answered_by;
  std::uint32_t shards_owned = 0, shards_unowned = 0;
  std::uint32_t masters = 0, workers = 0;
  struct Lane {
    std::string group;
    std::uint64_t waiting_in_memory = 0, dispatched = 0;
    bool more_in_store = false;
    std::uint32_t workers = 0;
  };
  std::vector<Lane> lanes;                                 // of the answering master's shards
  std::uint64_t accepted = 0, completed = 0, retried = 0;  // since this master started
  bool store_up = false, registry_up = false;
};

using ApiRequest = std::variant<SubmitRequest, GetRequest, WaitRequest, ListRequest, WorkersRequest,
                                MastersRequest, ClusterRequest, ControlRequest, ExplainRequest, LogRequest,
                                GroupsRequest, AuditRequest, AuditPartRequest, HeldRequest>;
using ApiReply =
    std::variant<SubmitReply, GetReply, WaitReply, ListReply, WorkersReply, MastersReply, ClusterReply,
                 ControlReply, ExplainReply, LogReply, GroupsReply, AuditReply, AuditPartReply, HeldReply>;

// Answered exactly once, on the loop's thread. A reply's alternative matches the request's.
using ApiResponder = std::move_only_function<void(Result<ApiReply>)>;

class ApiService {
 public:
  virtual ~ApiService() = default;
  virtual void call(ApiRequest request, ApiResponder respond) = 0;
};

// Checks what a client sent, before anything else looks at it. Errors: invalid_argument with `field` and what
// is allowed.
Result<> validate(const NewTask& task);
Result<> validate(const SubmitRequest& request);  // with `each`, only what concerns all of it

}  // namespace ringmaster
