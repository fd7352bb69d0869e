// Runner: carries out attempts. Real ones (process_runner.h, http_runner.h, noop_runner.h) and the
// simulator's implement it. All calls and callbacks are on the loop's thread; callbacks never run inside a
// call.
#pragma once

#include "base/messages.h"
#include "base/task.h"

namespace ringmaster {

class RunnerHandler {
 public:
  virtual ~RunnerHandler() = default;
  virtual void on_attempt_started(Token token, WallTime started_at) = 0;
  // How far it says that it is; the last one counts. At most a few times a second for each attempt.
  virtual void on_attempt_progress(Token /*token*/, Progress /*progress*/) {}
  // Once for each start(); without on_attempt_started before when it could not start. Its process group is
  // dead and reaped by then.
  virtual void on_attempt_finished(Token token, AttemptResult result) = 0;
};

class Runner {
 public:
  virtual ~Runner() = default;
  virtual void set_handler(RunnerHandler& handler) = 0;  // before the first start
  // `attempt` becomes a running attempt; a bad spec or an unknown kind ends it as failed and permanent.
  virtual void start(Dispatch attempt) = 0;
  // Stops it: SIGTERM to the group, SIGKILL after the grace period; it finishes as `cancelled` once dead.
  // Unknown tokens are ignored.
  virtual void kill(Token token) = 0;
  // Attempts of this shard whose policy is rerun_after_lease are stopped when `until` (boot clock) has
  // passed, a frozen daemon's too, and finish as `lost`. It only grows; said before the first of them starts.
  virtual void extend_lease(ShardId shard, MonoTime until) = 0;
};

}  // namespace ringmaster
