// How attempts start: their pipes, their limits, their process, and what is told of it.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "worker/secret_store.h"
#include "worker/supervisor_process.h"

namespace ringmaster {
namespace {

constexpr int kStartsPerTurn = 16;  // then exits, output and orders get their turn

// A sealed memory file: the program reads `text` to its end, however slowly, and nobody has to feed it.
int make_input(const std::string& text) {
  const int file = ::memfd_create("stdin", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (file < 0) return -1;
  std::size_t written = 0;
  while (written < text.size()) {
    const ssize_t count = ::write(file, text.data() + written, text.size() - written);
    if (count <= 0) {
      ::close(file);
      return -1;
    }
    written += static_cast<std::size_t>(count);
  }
  ::lseek(file, 0, SEEK_SET);
  ::fcntl(file, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
  return file;
}

bool make_pipe(std::array<int, 2>& ends) {
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return false;
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return true;
}

// Of attempts that hold secrets, which a core would hold too. At 0 the kernel still hands one to a program
// that core_pattern names; at 1 it does not, and no file is that short.
rlim_t core_limit() {
  rlimit own{};
  ::getrlimit(RLIMIT_CORE, &own);
  if (own.rlim_max >= 1) return 1;
  const rlimit raised{own.rlim_cur, 1};
  return ::setrlimit(RLIMIT_CORE, &raised) == 0 ? 1 : 0;
}

void close_both(const std::array<int, 2>& ends) {
  for (const int end : ends) {
    if (end >= 0) ::close(end);
  }
}

}  // namespace

// On a crowded machine a start takes long; once the daemon is gone, what runs must die first.
bool SupervisorProcess::daemon_is_gone() const {
  pollfd daemon{socket_, POLLRDHUP, 0};
  return ::poll(&daemon, 1, 0) > 0;
}

void SupervisorProcess::start_some() {
  for (int i = 0; i < kStartsPerTurn && !starts_.empty(); ++i) {
    if (daemon_is_gone()) return starts_.clear();
    start(starts_.front());
    starts_.pop_front();
  }
}

void SupervisorProcess::start(const StartOrder& order) {
  if (order.lease_shard >= 0 && leases_[static_cast<ShardId>(order.lease_shard)] <= read_mono_clock()) {
    return refuse_without_lease(order);
  }
  std::array<int, 2> output{-1, -1}, progress{-1, -1};
  if (order.argv.empty() || !make_pipe(output) || !make_pipe(progress)) {
    const auto why = std::string("cannot make a pipe: ") + std::strerror(errno);
    close_both(output);
    return refuse(order, FinishCause::not_started, why, false);
  }
  if (order.identity) {
    // Its own, or it could not open /dev/stdout and /dev/stderr, as scripts do.
    for (const int end : {output[1], progress[1]}) {
      [[maybe_unused]] const int changed = ::fchown(end, order.identity->uid, order.identity->gid);
    }
  }
  auto cgroup = cgroups_.make(order.id, order.limits);
  auto child = cgroup ? start_program(order, output[1], progress[1], cgroup->get())
                      : ChildStart{-1, {cgroup.error().message, false}, nullptr};
  ::close(std::exchange(output[1], -1));
  ::close(std::exchange(progress[1], -1));
  if (child.pid >= 0) {
    began(order, std::move(child), output[0], progress[0]);
    if (*cgroup) (*cgroup)->close_entries();
    attempts_.at(order.id)->cgroup = *std::move(cgroup);
    return;
  }
  close_both(output);
  close_both(progress);
  refuse(order, FinishCause::not_started, std::move(child.failure.message), child.failure.permanent);
}

ChildStart SupervisorProcess::start_program(const StartOrder& order, int output, int progress,
                                            const AttemptCgroup* cgroup) {
  const bool is_root = (order.identity ? order.identity->uid : ::geteuid()) == 0;
  auto limits = resource_limits(order.limits, cgroup != nullptr ? cgroup->held() : HeldByCgroup{},
                                open_files_, is_root);
  if (!limits) return {-1, {limits.error().message, true}, nullptr};
  if (!order.secret_env.empty()) limits->push_back({RLIMIT_CORE, core_limit(), core_limit()});
  const int input = order.stdin_text ? make_input(*order.stdin_text) : null_input_;
  if (input < 0) return {-1, {"cannot keep its stdin in memory", false}, nullptr};
  ChildProgram program;
  program.argv = order.argv;
  program.env = order.env;
  program.env.insert(program.env.end(), order.secret_env.begin(), order.secret_env.end());
  program.env.push_back(mark_ + std::to_string(order.id) + "/");
  program.cwd = order.cwd;
  program.stdin_fd = input;
  program.output_fd = output;
  program.progress_fd = progress;
  program.limits = *std::move(limits);
  if (cgroup != nullptr) program.cgroups = cgroup->entries();
  program.identity = order.identity;
  auto child = start_child(program);
  if (input != null_input_) ::close(input);
  return child;
}

void SupervisorProcess::began(const StartOrder& order, ChildStart child, int output, int progress) {
  auto attempt = std::make_unique<RunningAttempt>(order, child.pid);
  attempt->pipe = output;
  attempt->progress = progress;
  attempt->pending = std::move(child.pending);
  attempt->started_at = read_wall_clock();
  watch(output, tag_of(attempt->id, Source::output), EPOLLIN);
  watch(progress, tag_of(attempt->id, Source::progress), EPOLLIN);
  const bool has_timeout = order.timeout > Duration::zero();
  set_due(*attempt, has_timeout ? read_mono_clock() + order.timeout : MonoTime::max());
  if (attempt->pending) {
    watch(attempt->pending->descriptor(), tag_of(attempt->id, Source::start), EPOLLIN);
  } else {
    send(StartedEvent{attempt->id, attempt->started_at});
  }
  if (order.lease_shard >= 0) ++leased_[static_cast<ShardId>(order.lease_shard)];
  leaders_[child.pid] = attempt.get();
  attempts_[order.id] = std::move(attempt);
}

// What the child says, or its silence: it executes its program now.
void SupervisorProcess::learn_start(RunningAttempt& attempt) {
  if (!attempt.pending) return;
  attempt.failure = attempt.pending->read();
  attempt.pending.reset();
  if (!attempt.failure) send(StartedEvent{attempt.id, attempt.started_at});
}

void SupervisorProcess::refuse(const StartOrder& order, FinishCause cause, std::string message,
                               bool permanent) {
  FinishedEvent event;
  event.id = order.id;
  event.cause = cause;
  event.message = std::move(message);
  redact(event.message, secret_values(order));
  event.permanent = permanent;
  event.started_at = event.finished_at = read_wall_clock();
  send(event);
}

void SupervisorProcess::refuse_without_lease(const StartOrder& order) {
  refuse(order, FinishCause::lease_ended, "not started: no master had renewed its lease", false);
}

}  // namespace ringmaster
