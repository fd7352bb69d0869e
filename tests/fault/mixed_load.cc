#include "tests/fault/mixed_load.h"

namespace ringmaster {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kFailsEvery = 20;   // of the processes
constexpr int kCancelEvery = 25;  // of the batches
constexpr int kKeyedEvery = 4;
constexpr std::int32_t kExitCodeOfFailure = 3;

bool is_witnessed(const NewTask& task) {
  return task.kind == "process";
}
bool fails(const NewTask& task) {
  return task.labels.contains("fails");
}

}  // namespace

MixedLoad::MixedLoad(std::unique_ptr<Client> client, LoadOptions options)
    : client_(std::move(client)), options_(std::move(options)), thread_([this] { run(); }) {}

void MixedLoad::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
  if (thread_.joinable()) thread_.join();
}

std::size_t MixedLoad::accepted_count() const {
  const std::lock_guard lock(mutex_);
  return accepted_.size();
}

Clock::time_point MixedLoad::last_answer() const {
  const std::lock_guard lock(mutex_);
  return last_answer_;
}

NewTask MixedLoad::process(int index) const {
  const auto turn = static_cast<std::size_t>(batches_ * options_.processes + index);
  const auto length = options_.lengths[turn % options_.lengths.size()];
  constexpr OnWorkerLost kPolicies[] = {OnWorkerLost::rerun, OnWorkerLost::fail, OnWorkerLost::rerun,
                                        OnWorkerLost::rerun_after_lease};
  NewTask task;
  // Another step than that of the lengths: every policy meets every length.
  task.on_worker_lost = kPolicies[(turn + turn / options_.lengths.size()) % std::size(kPolicies)];
  if (!options_.leases && task.on_worker_lost == OnWorkerLost::rerun_after_lease)
    task.on_worker_lost = OnWorkerLost::rerun;
  std::string exit_code;
  if (turn % kFailsEvery == kFailsEvery - 1) {
    task.labels = R"({"fails":"yes"})";
    exit_code = R"(,")" + std::to_string(kExitCodeOfFailure) + R"(")";
    if (task.on_worker_lost == OnWorkerLost::rerun)
      task.retry = {.max_attempts = 2, .backoff = std::chrono::milliseconds(50)};
  }
  task.spec = R"({"argv":[")" BINARY_ROOT R"(/witness_task",")" + options_.witness + R"(",")" +
              std::to_string(length.count()) + R"(")" + exit_code + "]}";
  return task;
}

std::vector<NewTask> MixedLoad::batch() {
  std::vector<NewTask> tasks;
  for (int i = 0; i < options_.noops; ++i) {
    NewTask task;
    task.kind = "noop";
    const auto length = options_.lengths[static_cast<std::size_t>(i) % options_.lengths.size()];
    task.spec = R"({"sleep":")" + std::to_string(length.count() / 8) + R"(ms"})";
    if (i % 10 == 1) task.on_worker_lost = OnWorkerLost::fail;
    if (options_.delays && i % 10 == 2) task.run_at = read_wall_clock() + std::chrono::seconds(1);
    tasks.push_back(std::move(task));
  }
  for (int i = 0; i < options_.processes; ++i) tasks.push_back(process(i));
  if (++batches_ % kKeyedEvery != 0) return tasks;
  int number = 0;
  for (NewTask& task : tasks)
    task.idempotency_key = options_.keys + std::to_string(batches_) + "-" + std::to_string(++number);
  return tasks;
}

void MixedLoad::submit(const std::vector<NewTask>& tasks) {
  const bool keyed = !tasks.front().idempotency_key.empty();
  std::size_t in_doubt = 0;
  for (;;) {
    const auto asked = Clock::now();
    const auto reply = client_->submit({tasks});
    answers_.push_back({asked, Clock::now(), reply ? tasks.size() : 0});
    if (reply) return remember(tasks, reply->ids);
    const bool again = keyed && (reply.error().code == ErrorCode::unknown_outcome ||
                                 reply.error().code == ErrorCode::deadline_exceeded ||
                                 reply.error().code == ErrorCode::unavailable);
    // `unavailable` is the promise that nothing has happened; but an earlier try may have.
    if (keyed || reply.error().code == ErrorCode::unknown_outcome ||
        reply.error().code == ErrorCode::deadline_exceeded)
      in_doubt = tasks.size();
    if (!again || stopped_before(Clock::now() + options_.every)) {
      unknown_ += reply.error().code == ErrorCode::unknown_outcome;
      untold_ += in_doubt;
      return;
    }
  }
}

void MixedLoad::remember(const std::vector<NewTask>& tasks, const std::vector<TaskId>& ids) {
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    accepted_[ids[i]] = {.policy = tasks[i].on_worker_lost,
                         .witnessed = is_witnessed(tasks[i]),
                         .fails = fails(tasks[i]),
                         .max_attempts = tasks[i].retry.max_attempts};
  }
  last_answer_ = Clock::now();
  if (options_.cancels && batches_ % kCancelEvery == 0) to_cancel_ = {ids.front(), ids.back()};
}

void MixedLoad::cancel_some() {
  for (const TaskId id : std::exchange(to_cancel_, {})) {
    const auto reply = client_->control({.id = id, .action = ControlAction::cancel});
    const bool surely_not = !reply && (reply.error().code == ErrorCode::not_found ||
                                       reply.error().code == ErrorCode::already_exists);
    const std::lock_guard lock(mutex_);
    if (!surely_not) accepted_[id].cancelled = true;
  }
}

void MixedLoad::run() {
  auto next = Clock::now();
  do {
    submit(batch());
    cancel_some();
    next = std::max(next + options_.every, Clock::now());
  } while (!stopped_before(next));
}

bool MixedLoad::stopped_before(Clock::time_point next) {
  std::unique_lock lock(mutex_);
  return stopped_.wait_until(lock, next, [this] { return stopping_; });
}

}  // namespace ringmaster
