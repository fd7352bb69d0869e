// AcceptQueue: group commit of submissions. Requests that arrive while a batch is being committed share the
// next one; a request is committed whole or not at all, and answered only when its fate is known. Ids are
// given when a batch is sent, inside shards that are owned at that moment. Lives on the loop's thread.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "base/api.h"
#include "base/loop.h"
#include "master/scheduler_core.h"
#include "sql/task_store.h"

namespace ringmaster {

class AcceptQueue {
 public:
  struct Hooks {
    std::function<Now()> now;
    std::function<void(std::vector<TaskRow>)> accepted;  // committed, before anyone is answered
    std::function<void(const Error&)> fenced;
  };
  AcceptQueue(Loop& loop, TaskStore& store, SchedulerCore& core, Hooks hooks);

  // Answers ids, or an error: resource_exhausted (queue full), unavailable (nothing happened), cancelled.
  // The tasks have passed validate(), and all of them have idempotency keys, or none. With `each`, one whose
  // key belongs to another payload is a refusal in the answer.
  void submit(SubmitRequest submission, ApiResponder respond);
  void pause() { paused_ = true; }
  void resume();
  bool idle() const { return in_flight_ == 0; }
  std::size_t waiting() const { return waiting_tasks_; }
  // Refuses what waits and all that comes: this master leaves.
  void shut(const Error& reason);

 private:
  struct Request {
    SubmitRequest submission;
    std::size_t bytes = 0;
    bool keyed = false;  // its tasks have idempotency keys
    ApiResponder respond;
  };
  struct Batch {
    std::vector<Request> requests;  // their tasks have moved into rows; all of them keyed, or none
    std::vector<std::size_t> counts;
    std::vector<TaskRow> rows;
    std::vector<AcceptFate> fates;  // of the rows; empty: all are inserted
    bool unknown = false;           // keyed: it may be in the database already
  };
  void send();
  void send_batch(std::shared_ptr<Batch> batch);
  void split(Batch& batch);
  bool need_ids(std::size_t count);
  void refuse_waiting(const Error& reason);
  void on_answer(std::shared_ptr<Batch> batch, const Result<>& answer);
  void on_keyed_answer(std::shared_ptr<Batch> batch, Result<std::vector<AcceptFate>> answer);
  void settle_unknown(std::shared_ptr<Batch> batch);
  void give_up_unknown(std::shared_ptr<Batch> batch, const Error& fenced);
  void answer(Batch& batch, const Result<>& outcome);
  static Result<ApiReply> reply_to(const Batch& batch, std::size_t first, std::size_t count, bool each);

  Loop& loop_;
  TaskStore& store_;
  SchedulerCore& core_;
  Hooks hooks_;
  std::deque<Request> waiting_;
  std::size_t waiting_tasks_ = 0, waiting_bytes_ = 0;
  std::size_t in_flight_ = 0;
  bool paused_ = false;
  std::optional<Error> shut_;
  std::int64_t next_sequence_ = 0, last_sequence_ = 0;  // [next, last)
  std::optional<IdBlock> spare_;
  bool fetching_ids_ = false;
  Timer retry_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace ringmaster
