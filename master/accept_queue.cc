#include "master/accept_queue.h"

#include <algorithm>

#include <glog/logging.h>

#include "base/failpoint.h"

namespace ringmaster {

namespace {
constexpr std::size_t kMaxWaiting = 100'000;  // tasks
constexpr std::size_t kMaxWaitingBytes = 256 << 20;
constexpr std::size_t kBatchTasks = 1'000;  // a batch takes whole requests until it has this many
constexpr std::size_t kBatchBytes = 8 << 20;
constexpr std::size_t kMaxInFlight = 2;
constexpr Duration kPause = std::chrono::milliseconds(200);  // before the database is asked again
constexpr std::int64_t kIdBlock = 16'384;

std::size_t size_of(const NewTask& task) {
  return 200 + task.spec.size() + task.labels.size() + task.routing_key.size() + task.idempotency_key.size();
}
}  // namespace

AcceptQueue::AcceptQueue(Loop& loop, TaskStore& store, SchedulerCore& core, Hooks hooks)
    : loop_(loop), store_(store), core_(core), hooks_(std::move(hooks)), retry_(loop) {}

void AcceptQueue::submit(SubmitRequest submission, ApiResponder respond) {
  const std::vector<NewTask>& tasks = submission.tasks;
  if (shut_) return respond(std::unexpected(*shut_));
  if (core_.shards().count() == 0) {
    return respond(
        fail(ErrorCode::unavailable, "this master owns no shard yet: try again, or another master"));
  }
  std::size_t bytes = 0;
  for (const NewTask& task : tasks) bytes += size_of(task);
  if (waiting_tasks_ + tasks.size() > kMaxWaiting || waiting_bytes_ + bytes > kMaxWaitingBytes) {
    return respond(
        fail(ErrorCode::resource_exhausted, "too many submissions are waiting for the database: slow down"));
  }
  waiting_tasks_ += tasks.size();
  waiting_bytes_ += bytes;
  const bool keyed = !tasks.empty() && !tasks.front().idempotency_key.empty();
  waiting_.push_back({std::move(submission), bytes, keyed, std::move(respond)});
  send();
}

void AcceptQueue::resume() {
  paused_ = false;
  send();
}

void AcceptQueue::shut(const Error& reason) {
  shut_ = reason;
  refuse_waiting(reason);
}

// A responder may submit again at once: that counts anew.
void AcceptQueue::refuse_waiting(const Error& reason) {
  waiting_tasks_ = waiting_bytes_ = 0;
  for (Request& request : std::exchange(waiting_, {})) request.respond(std::unexpected(reason));
}

// True: there are ids for `count` tasks now. False: a block is on its way, and send() is called when it has
// come.
bool AcceptQueue::need_ids(std::size_t count) {
  if (next_sequence_ == last_sequence_ && spare_) {
    next_sequence_ = spare_->first_sequence;
    last_sequence_ = spare_->first_sequence + spare_->count;
    spare_.reset();
  }
  const auto left = static_cast<std::size_t>(last_sequence_ - next_sequence_);
  if (!spare_ && !fetching_ids_ && (left < kIdBlock / 2 || left < count)) {
    fetching_ids_ = true;
    store_.next_ids(kIdBlock, [this, alive = std::weak_ptr<int>(alive_)](Result<IdBlock> block) {
      if (alive.expired()) return;
      fetching_ids_ = false;
      if (block) {
        spare_ = *block;
      } else if (block.error().code == ErrorCode::fenced) {
        hooks_.fenced(block.error());
      } else {
        // Without ids nobody can be answered: say so now rather than let submitters wait in silence.
        refuse_waiting({ErrorCode::unavailable, "the database cannot be reached: try again", {}});
      }
      send();
    });
  }
  if (left >= count) return true;
  if (spare_) {  // the rest of this block is given up: ids need not be dense
    next_sequence_ = last_sequence_;
    return need_ids(count);
  }
  return false;
}

void AcceptQueue::send() {
  while (!paused_ && !shut_ && in_flight_ < kMaxInFlight && !waiting_.empty() && core_.shards().count() > 0) {
    auto batch = std::make_shared<Batch>();
    std::size_t tasks = 0, bytes = 0, take = 0;
    const bool keyed = waiting_.front().keyed;
    while (take < waiting_.size() && waiting_[take].keyed == keyed && tasks < kBatchTasks &&
           bytes < kBatchBytes) {
      const Request& request = waiting_[take++];
      tasks += request.submission.tasks.size();
      bytes += request.bytes;
    }
    if (!need_ids(tasks)) return;
    const Now now = hooks_.now();
    for (std::size_t i = 0; i < take; ++i) {
      Request request = std::move(waiting_.front());
      waiting_.pop_front();
      std::vector<NewTask> submitted = std::move(request.submission.tasks);
      waiting_tasks_ -= submitted.size();
      waiting_bytes_ -= request.bytes;
      batch->counts.push_back(submitted.size());
      for (NewTask& task : submitted) {
        const TaskId id = make_task_id(next_sequence_++, core_.shards().next_for_new_task());
        batch->rows.push_back(core_.make_row(std::move(task), id, now));
      }
      batch->requests.push_back(std::move(request));
    }
    send_batch(std::move(batch));
  }
}

void AcceptQueue::send_batch(std::shared_ptr<Batch> batch) {
  ++in_flight_;
  core_.begin_accept(batch->rows.front().id, batch->rows.back().id);
  RINGMASTER_FAILPOINT("accept.unsent");
  if (batch->requests.front().keyed) {
    store_.accept_keyed(batch->rows, [this, alive = std::weak_ptr<int>(alive_),
                                      batch](Result<std::vector<AcceptFate>> answer) {
      if (!alive.expired()) on_keyed_answer(batch, std::move(answer));
    });
  } else {
    store_.accept(batch->rows, [this, alive = std::weak_ptr<int>(alive_), batch](Result<> answer) {
      if (!alive.expired()) on_answer(batch, answer);
    });
  }
  RINGMASTER_FAILPOINT("accept.sent");
}

void AcceptQueue::on_answer(std::shared_ptr<Batch> batch, const Result<>& answer_of_store) {
  if (!answer_of_store && answer_of_store.error().code == ErrorCode::unknown_outcome)
    return settle_unknown(batch);
  --in_flight_;
  const TaskId first = batch->rows.front().id;
  if (!answer_of_store && answer_of_store.error().code == ErrorCode::internal && batch->requests.size() > 1) {
    core_.end_accept(first);
    return split(*batch);
  }
  answer(*batch, answer_of_store);
  core_.end_accept(first);
  if (!answer_of_store && answer_of_store.error().code == ErrorCode::fenced)
    hooks_.fenced(answer_of_store.error());
  send();
}

// It may be sent again as often as it takes; it is in the database once.
void AcceptQueue::on_keyed_answer(std::shared_ptr<Batch> batch, Result<std::vector<AcceptFate>> answer) {
  if (answer) {
    batch->fates = std::move(*answer);
    return on_answer(batch, {});
  }
  const Error& error = answer.error();
  if (batch->unknown && error.code == ErrorCode::fenced) return give_up_unknown(batch, error);
  batch->unknown |= error.code == ErrorCode::unknown_outcome;
  if (!batch->unknown || error.code == ErrorCode::internal) return on_answer(batch, std::unexpected(error));
  loop_.after(kPause, [this, alive = std::weak_ptr<int>(alive_), batch] {
    if (alive.expired()) return;
    --in_flight_;
    send_batch(batch);
  });
}

// One request is at fault: each goes alone now, so that only that one is refused.
void AcceptQueue::split(Batch& batch) {
  auto row = std::make_move_iterator(batch.rows.begin());
  for (std::size_t i = 0; i < batch.requests.size(); ++i) {
    auto single = std::make_shared<Batch>();
    const auto end = row + static_cast<std::ptrdiff_t>(batch.counts[i]);
    single->rows.assign(row, end);
    single->counts.push_back(batch.counts[i]);
    single->unknown = batch.unknown;
    single->requests.push_back(std::move(batch.requests[i]));
    row = end;
    send_batch(std::move(single));
  }
}

void AcceptQueue::answer(Batch& batch, const Result<>& outcome) {
  if (!outcome) {
    Error error = outcome.error();
    if (error.code == ErrorCode::fenced) {
      error = {ErrorCode::unavailable, "this master is being replaced: try again, or another master", {}};
    }
    for (Request& request : batch.requests) request.respond(std::unexpected(error));
    return;
  }
  RINGMASTER_FAILPOINT("accept.committed");
  std::size_t first = 0;
  std::vector<Result<ApiReply>> replies;
  for (std::size_t i = 0; i < batch.counts.size(); ++i) {
    replies.push_back(reply_to(batch, first, batch.counts[i], batch.requests[i].submission.each));
    first += batch.counts[i];
  }
  std::vector<TaskRow> inserted;
  for (std::size_t i = 0; i < batch.rows.size(); ++i) {
    if (!batch.fates.empty() && batch.fates[i].id != batch.rows[i].id) continue;
    batch.rows[i].task.idempotency_key.clear();
    inserted.push_back(std::move(batch.rows[i]));
  }
  hooks_.accepted(std::move(inserted));
  for (std::size_t i = 0; i < batch.requests.size(); ++i) batch.requests[i].respond(std::move(replies[i]));
}

Result<ApiReply> AcceptQueue::reply_to(const Batch& batch, std::size_t first, std::size_t count, bool each) {
  SubmitReply reply;
  for (std::size_t i = 0; i < count; ++i) {
    const TaskRow& row = batch.rows[first + i];
    if (batch.fates.empty()) {
      reply.ids.push_back(row.id);
      continue;
    }
    const AcceptFate& fate = batch.fates[first + i];
    reply.ids.push_back(fate.same_payload ? fate.id : TaskId{});
    if (fate.same_payload) continue;
    Error reused{ErrorCode::key_reused,
                 "idempotency key \"" + row.task.idempotency_key + "\" belongs to " + to_string(fate.id) +
                     ", which was submitted with other fields",
                 "idempotency_key"};
    if (each) {
      reply.refused.push_back({i, std::move(reused)});
      continue;
    }
    if (count > 1) {
      reused.message += "; what else is in this request has been accepted";
      reused.field = "tasks[" + std::to_string(i) + "]." + reused.field;
    }
    return std::unexpected(std::move(reused));
  }
  return ApiReply{std::move(reply)};
}

// Fenced before the outcome could be read: it may well be in the database, so nobody may be told otherwise.
void AcceptQueue::give_up_unknown(std::shared_ptr<Batch> batch, const Error& fenced) {
  --in_flight_;
  answer(*batch, fail(ErrorCode::unknown_outcome,
                      "this master was replaced before it knew the outcome: look before you repeat"));
  core_.end_accept(batch->rows.front().id);
  hooks_.fenced(fenced);
}

// The statement can no longer apply later: what is in the store now is its outcome, whole or nothing.
void AcceptQueue::settle_unknown(std::shared_ptr<Batch> batch) {
  std::vector<TaskId> probe{batch->rows.front().id};
  store_.lookup(std::move(probe),
                [this, alive = std::weak_ptr<int>(alive_), batch](Result<std::vector<Lookup>> found) {
                  if (alive.expired()) return;
                  if (!found) {
                    if (found.error().code == ErrorCode::fenced) return give_up_unknown(batch, found.error());
                    loop_.after(kPause, [this, alive, batch] {
                      if (!alive.expired()) settle_unknown(batch);
                    });
                    return;
                  }
                  const Lookup& first = found->front();
                  if (first.row || first.end) return on_answer(batch, {});
                  --in_flight_;
                  send_batch(batch);
                });
}

}  // namespace ringmaster
