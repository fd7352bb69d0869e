#include "worker/supervisor_process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/lease.h"

namespace ringmaster {
namespace {

// Masters wait so long after the end of a lease; the rest is for the kernel to reap what was killed.
static_assert(kLeaseKillGrace + std::chrono::seconds(3) <= LeaseTimes{}.kill);

constexpr std::uint64_t kSocketTag = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t kSignalTag = kSocketTag - 1;
constexpr std::size_t kReadBytes = 64 * 1024;
constexpr int kStartDelayMs =
    1;  // a start alone does not wake the daemon: a short attempt's end takes it along
constexpr int kEndingCheckMs = 5;
constexpr int kLongestWaitMs = 1000;  // epoll's clock stands still while the machine sleeps, deadlines don't

}  // namespace

SupervisorProcess::SupervisorProcess(int socket, std::string mark, rlimit open_files, AttemptCgroups& cgroups,
                                     const SharedTime& kill_by)
    : socket_(socket),
      mark_(std::move(mark)),
      open_files_(open_files),
      cgroups_(cgroups),
      kill_by_(kill_by),
      buffer_(kReadBytes, '\0') {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  null_input_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  sigset_t child;
  ::sigemptyset(&child);
  ::sigaddset(&child, SIGCHLD);
  child_signal_ = ::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  if (epoll_ < 0 || null_input_ < 0 || child_signal_ < 0) {
    worker_gone_ = true;  // useless: end at once, which the daemon notices
    return;
  }
  watch(socket_, kSocketTag, EPOLLIN);
  watch(child_signal_, kSignalTag, EPOLLIN);
}

SupervisorProcess::~SupervisorProcess() {
  for (const int file : {epoll_, child_signal_, null_input_}) {
    if (file >= 0) ::close(file);
  }
  for (const auto& [id, attempt] : attempts_) {
    for (const int file : {attempt->pipe, attempt->progress}) {
      if (file >= 0) ::close(file);
    }
  }
}

bool SupervisorProcess::run() {
  send(ReadyEvent{});
  flush();
  while (!worker_gone_) {
    wait();
    if (worker_gone_) break;
    if (children_changed_) reap();
    fire_deadlines();
    report_progress();
    start_some();
    settle_ending();
    kill_by_.set(next_kill());
    if (flush_is_due()) flush();
  }
  return kill_everything();
}

// ---- waiting ----------------------------------------------------------------------------------------------

void SupervisorProcess::wait() {
  std::array<epoll_event, 64> events;
  const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait_ms());
  for (int i = 0; i < count; ++i) {
    const auto& event = events[static_cast<std::size_t>(i)];
    if (event.data.u64 == kSignalTag) {
      signalfd_siginfo info;
      while (::read(child_signal_, &info, sizeof info) == sizeof info) {
      }
      children_changed_ = true;
    } else if (event.data.u64 == kSocketTag) {
      if ((event.events & EPOLLOUT) != 0) flush();
      if ((event.events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) receive();
    } else if (const auto found = attempts_.find(event.data.u64 >> 2U); found != attempts_.end()) {
      serve(*found->second, static_cast<Source>(event.data.u64 & 3U));
    }
  }
}

void SupervisorProcess::serve(RunningAttempt& attempt, Source source) {
  switch (source) {
    case Source::output:
      return read_output(attempt, 1);
    case Source::progress:
      return read_progress(attempt);
    case Source::start:
      return learn_start(attempt);
  }
}

int SupervisorProcess::wait_ms() const {
  if (!starts_.empty() || children_changed_) return 0;
  if (!out_.empty() && !sending_) return kStartDelayMs;
  if (!ending_.empty()) return kEndingCheckMs;
  if (deadlines_.empty() && progress_due_.empty()) return -1;
  auto next = MonoTime::max();
  if (!deadlines_.empty()) next = deadlines_.begin()->first;
  if (!progress_due_.empty()) next = std::min(next, progress_due_.begin()->first);
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - read_mono_clock());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, kLongestWaitMs));
}

void SupervisorProcess::watch(int descriptor, std::uint64_t tag, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = tag;
  if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &event) != 0) {
    ::epoll_ctl(epoll_, EPOLL_CTL_MOD, descriptor, &event);
  }
}

// ---- orders -----------------------------------------------------------------------------------------------

void SupervisorProcess::receive() {
  const ssize_t count = ::recv(socket_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) {
    worker_gone_ = true;
    return;
  }
  frames_.feed(std::string_view(buffer_).substr(0, static_cast<std::size_t>(count)));
  while (true) {
    const auto body = frames_.next();
    if (body && !*body) return;
    auto order = body ? decode_order(**body) : std::unexpected(body.error());
    if (!order) {
      worker_gone_ = true;  // nothing that follows could be understood
      return;
    }
    std::visit([this](auto& o) { obey(o); }, *order);
  }
}

void SupervisorProcess::obey(StartOrder& order) {
  starts_.push_back(std::move(order));
}

void SupervisorProcess::obey(const KillOrder& order) {
  if (const auto found = attempts_.find(order.id); found != attempts_.end()) {
    stop(*found->second, FinishCause::killed);
    return;
  }
  const auto waiting = std::ranges::find(starts_, order.id, &StartOrder::id);
  if (waiting == starts_.end()) return;  // it has finished
  refuse(*waiting, FinishCause::killed, "stopped on request before it started", false);
  starts_.erase(waiting);
}

void SupervisorProcess::obey(const LeaseOrder& order) {
  MonoTime& end = leases_[order.shard];
  if (end <= read_mono_clock()) {
    // Attempts of a lease that has passed may have been given up already; the new one is not theirs.
    reap();  // but who ended in time did so
    fire_deadlines();
    std::erase_if(starts_, [&](const StartOrder& waiting) {
      if (waiting.lease_shard != order.shard) return false;
      refuse_without_lease(waiting);
      return true;
    });
  }
  end = std::max(end, order.until);
}

// ---- running ----------------------------------------------------------------------------------------------

void SupervisorProcess::read_output(RunningAttempt& attempt, int rounds) {
  for (int i = 0; i < rounds && attempt.pipe >= 0; ++i) {
    const ssize_t count = ::read(attempt.pipe, buffer_.data(), buffer_.size());
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0) {
      ::close(attempt.pipe);
      attempt.pipe = -1;
      return;
    }
    attempt.output.append(std::string_view(buffer_).substr(0, static_cast<std::size_t>(count)));
  }
}

// A chunk a turn, as with output: who floods its own progress delays nobody else's.
void SupervisorProcess::read_progress(RunningAttempt& attempt) {
  const ssize_t count = ::read(attempt.progress, buffer_.data(), buffer_.size());
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) {
    ::close(attempt.progress);
    attempt.progress = -1;
    return;
  }
  attempt.progress_lines.feed(std::string_view(buffer_).substr(0, static_cast<std::size_t>(count)));
  if (!attempt.progress_lines.has_news() || std::exchange(attempt.progress_waits, true)) return;
  progress_due_.emplace(attempt.progress_at, attempt.id);
}

// A daemon that does not read gets none: only so much may wait for it.
void SupervisorProcess::report_progress() {
  const MonoTime now = read_mono_clock();
  while (!progress_due_.empty() && progress_due_.begin()->first <= now) {
    const auto id = progress_due_.begin()->second;
    progress_due_.erase(progress_due_.begin());
    RunningAttempt& attempt = *attempts_.at(id);
    attempt.progress_at = now + kProgressPause;
    if (sending_ || attempt.pending) {
      progress_due_.emplace(attempt.progress_at, id);
      continue;
    }
    attempt.progress_waits = false;
    send(ProgressEvent{id, *attempt.progress_lines.take(attempt.secrets)});
  }
}

void SupervisorProcess::stop(RunningAttempt& attempt, FinishCause cause) {
  if (attempt.phase == Phase::ending) return;             // it ended by itself before
  if (attempt.cause == FinishCause::lease_ended) return;  // which no request changes any more
  attempt.cause = cause;
  if (attempt.phase == Phase::running) terminate(attempt, read_mono_clock() + attempt.kill_grace);
}

// Counted from the lease's end, as masters do: who notices it late does not add to their wait.
void SupervisorProcess::end_lease(RunningAttempt& attempt) {
  const MonoTime kill_at = lease_end(attempt) + std::min(attempt.kill_grace, kLeaseKillGrace);
  release_lease(attempt);
  attempt.kill_by = kill_at;
  last_kills_.emplace(kill_at, attempt.id);
  if (attempt.phase == Phase::running) {
    attempt.cause = FinishCause::lease_ended;
    terminate(attempt, kill_at);
  } else {
    set_due(attempt, std::min(attempt.due, kill_at));  // it has its SIGTERM; a long grace is cut short
  }
}

// Its death is no longer the lease's business.
void SupervisorProcess::release_lease(RunningAttempt& attempt) {
  if (attempt.lease_shard >= 0) --leased_[static_cast<ShardId>(attempt.lease_shard)];
  attempt.lease_shard = -1;
  last_kills_.erase({attempt.kill_by, attempt.id});
}

// By when the next SIGKILL is due, if no lease is renewed from now on.
MonoTime SupervisorProcess::next_kill() const {
  MonoTime next = last_kills_.empty() ? MonoTime::max() : last_kills_.begin()->first;
  for (std::size_t shard = 0; shard < leased_.size(); ++shard) {
    if (leased_[shard] > 0) next = std::min(next, leases_[shard] + kLeaseKillGrace);
  }
  return next;
}

void SupervisorProcess::terminate(RunningAttempt& attempt, MonoTime kill_at) {
  if (attempt.kill_grace <= Duration::zero()) return kill(attempt);
  attempt.phase = Phase::terminating;
  signal_group(attempt, SIGTERM);
  signal_group(attempt, SIGCONT);  // a stopped process would sit on its SIGTERM
  set_due(attempt, kill_at);
}

void SupervisorProcess::kill(RunningAttempt& attempt) {
  attempt.phase = Phase::killed;
  signal_group(attempt, SIGKILL);
  if (attempt.cgroup) attempt.cgroup->kill();
  release_lease(attempt);
  set_due(attempt, read_mono_clock() + kVerifyLimit);
}

void SupervisorProcess::fire_deadlines() {
  const MonoTime now = read_mono_clock();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    RunningAttempt& attempt = *attempts_.at(deadlines_.begin()->second);
    const MonoTime end = lease_end(attempt);
    if (end <= now && end <= attempt.due) {
      end_lease(attempt);
      continue;
    }
    if (attempt.due > now) {
      set_due(attempt, attempt.due);  // its lease has grown
      continue;
    }
    switch (attempt.phase) {
      case Phase::running:
        stop(attempt, FinishCause::timed_out);
        break;
      case Phase::terminating:
        kill(attempt);
        break;
      case Phase::killed:
      case Phase::ending:
        // Stuck in the kernel: with SIGKILL pending it never runs another instruction of its program.
        finish(attempt, true);
        break;
    }
  }
}

// When its lease stops it, or cuts its grace short.
MonoTime SupervisorProcess::lease_end(const RunningAttempt& attempt) const {
  const bool counts = attempt.phase == Phase::running || attempt.phase == Phase::terminating;
  if (!counts || attempt.lease_shard < 0) return MonoTime::max();
  return leases_[static_cast<ShardId>(attempt.lease_shard)];
}

void SupervisorProcess::set_due(RunningAttempt& attempt, MonoTime at) {
  attempt.due = at;
  set_deadline(attempt, std::min(at, lease_end(attempt)));
}

void SupervisorProcess::set_deadline(RunningAttempt& attempt, MonoTime at) {
  deadlines_.erase({attempt.deadline, attempt.id});
  attempt.deadline = at;
  if (at != MonoTime::max()) deadlines_.emplace(at, attempt.id);
}

void SupervisorProcess::signal_group(const RunningAttempt& attempt, int number) {
  ::kill(-attempt.group, number);
}

// ---- events -----------------------------------------------------------------------------------------------

void SupervisorProcess::send(const SupervisorEvent& event) {
  if (out_.empty()) unsent_since_ = read_mono_clock();
  if (!std::holds_alternative<StartedEvent>(event)) urgent_ = true;
  encode(event, out_);
}

bool SupervisorProcess::flush_is_due() const {
  if (out_.empty() || sending_) return false;
  return urgent_ || read_mono_clock() - unsent_since_ >= std::chrono::milliseconds(kStartDelayMs);
}

void SupervisorProcess::flush() {
  std::size_t sent = 0;
  while (sent < out_.size()) {
    const ssize_t count =
        ::send(socket_, out_.data() + sent, out_.size() - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      // A frozen daemon: it has only so many attempts, so what waits here is bounded.
      if (errno != EAGAIN) worker_gone_ = true;
      break;
    }
    sent += static_cast<std::size_t>(count);
  }
  out_.erase(0, sent);
  urgent_ = false;
  const bool blocked = !out_.empty() && !worker_gone_;
  if (blocked != std::exchange(sending_, blocked)) {
    watch(socket_, kSocketTag, blocked ? EPOLLIN | EPOLLOUT : EPOLLIN);
  }
}

}  // namespace ringmaster
