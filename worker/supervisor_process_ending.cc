// How attempts end: reaping, proof that nothing of them is left, and the end of all.
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "worker/process_result.h"
#include "worker/secret_store.h"
#include "worker/spool_record.h"
#include "worker/supervisor_process.h"

namespace ringmaster {
namespace {

constexpr auto kClearedDelay = std::chrono::milliseconds(20);
constexpr int kLastReads = 16;  // what a pipe can still hold: 1 MiB at most

Duration to_duration(const timeval& time) {
  return std::chrono::seconds(time.tv_sec) + Duration(time.tv_usec);
}

}  // namespace

bool SupervisorProcess::reap() {
  children_changed_ = false;
  while (true) {
    siginfo_t info{};
    // Look before reaping: while the leader is a zombie, its number cannot pass to another process or group.
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0) return errno != ECHILD;
    if (info.si_pid == 0) return true;
    const auto leader = leaders_.find(info.si_pid);
    if (leader != leaders_.end()) signal_group(*leader->second, SIGKILL);
    int status = 0;
    rusage usage{};
    ::wait4(info.si_pid, &status, 0, &usage);
    if (leader == leaders_.end()) continue;  // an orphan that was adopted
    RunningAttempt& attempt = *leader->second;
    leaders_.erase(leader);
    leader_exited(attempt, status, usage);
  }
}

void SupervisorProcess::leader_exited(RunningAttempt& attempt, int status, const rusage& usage) {
  learn_start(attempt);
  if (attempt.cgroup) attempt.cgroup->kill();  // what it has left behind
  attempt.phase = Phase::ending;
  release_lease(attempt);
  attempt.finished_at = read_wall_clock();
  attempt.wait_status = status;
  attempt.usage = {to_duration(usage.ru_utime).count(), to_duration(usage.ru_stime).count(), usage.ru_maxrss};
  attempt.ended_at = read_mono_clock();
  set_due(attempt, attempt.ended_at + kVerifyLimit);
  ending_.push_back(attempt.id);
}

void SupervisorProcess::settle_ending() {
  if (ending_.empty()) return;
  for (const auto id : ending_) {
    RunningAttempt& attempt = *attempts_.at(id);
    // Once seen empty it is never signalled again: its number may belong to another group soon.
    if (!attempt.group_gone) attempt.group_gone = ::kill(-attempt.group, SIGKILL) != 0 && errno == ESRCH;
  }
  const auto strays = find_strays();
  for (const auto id : std::vector(ending_)) {
    RunningAttempt& attempt = *attempts_.at(id);
    const bool left = attempt.cgroup && !attempt.cgroup->empty();
    if (left) attempt.cgroup->kill();
    // Nobody leaves a cgroup of root's: that it is empty is proof. Who runs as the worker itself may have
    // left.
    const bool proven = attempt.cgroup && attempt.cgroup->tells() && !left && attempt.other_user;
    const bool clear = proven || kill_strays_of(attempt, strays);
    if (clear && attempt.group_gone && !left) finish(attempt, false);
  }
}

// Children that are nobody's leader: orphans whose parent died. Those in the group of a running attempt are
// its own background processes.
std::vector<pid_t> SupervisorProcess::find_strays() {
  std::vector<pid_t> strays;
  const auto& children = children_.read();
  if (children.size() <= leaders_.size()) return strays;
  for (const pid_t child : children) {
    if (!leaders_.contains(child) && !leaders_.contains(::getpgid(child))) strays.push_back(child);
  }
  return strays;
}

// True: none of them is its. One that is exiting or between two programs does not tell, but will in a moment.
bool SupervisorProcess::kill_strays_of(const RunningAttempt& attempt, const std::vector<pid_t>& strays) {
  bool clear = true;
  for (const pid_t stray : strays) {
    const auto fate = kill_if_marked(stray, mark_ + std::to_string(attempt.id) + "/");
    const bool believed = fate == MarkFate::cleared && read_mono_clock() >= attempt.ended_at + kClearedDelay;
    clear = clear && (fate == MarkFate::other || believed);
  }
  return clear;
}

void SupervisorProcess::finish(RunningAttempt& attempt, bool survived) {
  send(last_event(attempt, survived));
  set_deadline(attempt, MonoTime::max());
  if (attempt.progress_waits)
    std::erase_if(progress_due_, [&](const auto& due) { return due.second == attempt.id; });
  std::erase(ending_, attempt.id);
  if (attempt.phase != Phase::ending) leaders_.erase(attempt.group);
  attempts_.erase(attempt.id);
}

FinishedEvent SupervisorProcess::last_event(RunningAttempt& attempt, bool survived) {
  read_output(attempt, kLastReads);  // a stray may hold the pipe open: its end is not waited for
  for (int* const file : {&attempt.pipe, &attempt.progress}) {
    if (*file >= 0) ::close(std::exchange(*file, -1));
  }
  FinishedEvent event;
  event.id = attempt.id;
  event.cause = attempt.cause;
  event.survived = survived;
  event.wait_status = attempt.wait_status;
  event.log_error = attempt.output.error();
  event.started_at = attempt.started_at;
  event.finished_at = survived ? read_wall_clock() : attempt.finished_at;
  event.usage = attempt.usage;
  event.output_tail = attempt.output.take_tail(attempt.secrets);
  if (attempt.cgroup && attempt.cgroup->ran_out_of_memory())
    event.exceeded_memory = attempt.limits.memory_bytes;
  if (!attempt.failure || event.cause != FinishCause::exited) return event;
  event.cause = FinishCause::not_started;
  event.permanent = attempt.failure->permanent;
  event.message = attempt.failure->message;
  redact(event.message, attempt.secrets);
  return event;
}

bool SupervisorProcess::kill_everything() {
  reap();  // who has ended by itself did so
  for (const auto& [id, attempt] : attempts_) {
    if (attempt->phase == Phase::running)
      attempt->cause = said_goodbye_ ? FinishCause::killed : FinishCause::daemon_died;
    if (!attempt->group_gone) signal_group(*attempt, SIGKILL);
  }
  kill_by_.set(kEverythingKilled);
  sigset_t child;
  ::sigemptyset(&child);
  ::sigaddset(&child, SIGCHLD);
  const MonoTime end = read_mono_clock() + kVerifyLimit;
  while (read_mono_clock() < end) {
    cgroups_.kill();
    // A subreaper: whoever escaped its group becomes a child of ours when its own parent dies.
    for (const pid_t pid : children_.read()) ::kill(pid, SIGKILL);
    if (!reap()) return true;
    const timespec pause{0, 10'000'000};
    ::sigtimedwait(&child, nullptr, &pause);
  }
  return false;
}

// Of those whose first process was reaped.
std::string SupervisorProcess::last_words() {
  std::string words;
  for (const auto& [id, attempt] : attempts_) {
    if (attempt->phase != Phase::ending) continue;
    spool::append(words,
                  ResultReport{attempt->token, result_of(last_event(*attempt, false),
                                                         attempt->success_exit_codes, attempt->timeout)});
  }
  return words;
}

}  // namespace ringmaster
