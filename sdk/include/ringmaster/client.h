// Client: submits tasks to a Ringmaster cluster and learns what becomes of them.
//
// Guarantees: an answered submission is committed and ends in one terminal state. With several addresses the
// client goes on to the next master when one cannot be reached or dies; a call that surely was not carried
// out, or that reads or cancels, is repeated there within its deadline; submissions and waits also when a
// master is unavailable for the moment. A submission whose fate is unknown is repeated only if each of its
// tasks has an idempotency key, so that it cannot double; else the caller gets unknown_outcome.
// Threads: safe from any; calls block, but not one another. It owns one thread. Lifetime: no call may run
// while it is destroyed or moved from. Not from a coroutine handler: a blocked loop serves nobody.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ringmaster/export.h"
#include "ringmaster/result.h"
#include "ringmaster/task.h"

namespace ringmaster::sdk {

struct ClientOptions {
  std::vector<std::string> addresses = {};  // `host:port` of masters (RPC, not HTTP), tried in this order
  std::string cluster = "default";
  std::string secret_file = {};                 // with the cluster's secret, mode 600; empty: none
  Duration timeout = std::chrono::seconds(10);  // of connect, and of a call beyond its own wait
};

class RINGMASTER_SDK Client {
 public:
  // Returns once a master has answered. Errors: invalid_argument, unavailable (each address with its reason),
  // unauthenticated.
  static Result<Client> connect(ClientOptions options);
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  // Errors: invalid_argument and key_reused with `field`, unavailable, resource_exhausted, unknown_outcome,
  // deadline_exceeded.
  Result<TaskId> submit(NewTask task);
  template <Payload T>
  Result<TaskId> submit(std::string kind, const T& payload) {
    return submit(NewTask::of(std::move(kind), payload));
  }
  // All or none: 1 to 10,000 tasks of at most 4 MiB together; ids in their order.
  Result<std::vector<TaskId>> submit_batch(std::vector<NewTask> tasks);

  // Errors of these: not_found, unavailable, deadline_exceeded.
  Result<TaskView> get(TaskId id);
  // Returns when the task has ended, or with the task as it is when `timeout` has passed: look at its state.
  Result<TaskView> wait(TaskId id, Duration timeout);
  // The same for many, in their order, at most 10,000; all that have not ended share the time.
  Result<std::vector<TaskState>> wait_all(std::span<const TaskId> ids, Duration timeout);

  // Answered when the cancel is committed: from then on no further attempt starts. What runs is asked to
  // stop; wait() tells how it ended. The state afterwards. Errors: not_found, already_exists (it has ended).
  Result<TaskState> cancel(TaskId id);
  // Out of quarantine: it may run again. Errors: not_found, already_exists (it is not quarantined).
  Result<TaskState> release(TaskId id);

 private:
  class Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringmaster::sdk
