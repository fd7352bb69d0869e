// SupervisorProcess: what runs inside the supervisor. Starts attempts, watches, stops and reaps them, keeps
// their output, and outlives the worker daemon just long enough to kill all of them.
//
// An attempt is reported finished once its process group is empty and reaped and no stray of it is found. At
// end of file on the worker's socket everything is killed and verified. A frozen daemon changes nothing:
// time-outs and leases are kept here. One thread, epoll, no Asio. Nothing it waits for is unbounded but the
// attempts themselves.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <sys/resource.h>
#include <sys/types.h>

#include "worker/attempt_cgroups.h"
#include "worker/output_log.h"
#include "worker/progress_lines.h"
#include "worker/supervisor_child.h"
#include "worker/supervisor_guard.h"
#include "worker/supervisor_protocol.h"
#include "worker/supervisor_strays.h"

namespace ringmaster {

class SupervisorProcess {
 public:
  // `socket`: to the daemon. `mark`: of all attempts of this supervisor, see supervisor_strays.h. `cgroups`
  // must outlive it, and `kill_by`, which it keeps for its guard.
  // The caller has blocked all signals, with default dispositions, and is a subreaper.
  SupervisorProcess(int socket, std::string mark, rlimit open_files, AttemptCgroups& cgroups,
                    const SharedTime& kill_by);
  ~SupervisorProcess();
  SupervisorProcess(const SupervisorProcess&) = delete;
  SupervisorProcess& operator=(const SupervisorProcess&) = delete;

  // Until the daemon is gone and every descendant dead. False: some outlived SIGKILL by half a minute.
  bool run();
  // After run(): how the attempts ended that the daemon did not live to hear of, as records of a spool.
  std::string last_words();

 private:
  // How long after SIGKILL a process is still waited for.
  static constexpr auto kVerifyLimit = std::chrono::seconds(30);

  enum class Phase : std::uint8_t {
    running,
    terminating,  // SIGTERM is sent; at the deadline comes SIGKILL
    killed,       // SIGKILL is sent
    ending,       // the leader is reaped; waits for the rest
  };
  struct RunningAttempt {
    RunningAttempt(const StartOrder& order, pid_t group_id)
        : id(order.id),
          group(group_id),
          output(order.log_path, order.log_limit),
          kill_grace(order.kill_grace),
          lease_shard(order.lease_shard),
          token(order.token),
          success_exit_codes(order.success_exit_codes),
          timeout(order.timeout),
          limits(order.limits),
          secrets(secret_values(order)),
          other_user(order.identity.has_value()) {}

    std::uint64_t id;
    pid_t group;
    OutputLog output;
    Duration kill_grace;
    std::int16_t lease_shard;  // -1: none, or its end has been dealt with
    const Token token;         // these three for its last words
    const std::vector<std::int32_t> success_exit_codes;
    const Duration timeout;
    const AttemptLimits limits;
    const std::vector<std::string> secrets;  // values, to be kept out of what it leaves
    const bool other_user;
    std::unique_ptr<AttemptCgroup> cgroup;  // null: it has none
    std::unique_ptr<PendingStart> pending;  // it is not known yet whether it executes its program
    std::optional<StartFailure> failure;    // it did not
    int pipe = -1;                          // reading end of its output; -1: at end of file
    int progress = -1;                      // and of its progress
    ProgressLines progress_lines;
    MonoTime progress_at{};       // when the next report may leave
    bool progress_waits = false;  // it stands in progress_due_
    Phase phase = Phase::running;
    FinishCause cause = FinishCause::exited;
    bool group_gone = false;
    int wait_status = 0;
    ResourceUsage usage;
    WallTime started_at{}, finished_at{};
    MonoTime ended_at{};                  // its leader
    MonoTime due = MonoTime::max();       // time-out, SIGKILL or the end of patience, by phase
    MonoTime deadline = MonoTime::max();  // where it stands in deadlines_
    MonoTime kill_by = MonoTime::max();   // and in last_kills_
  };

  // What an event of epoll is about: an attempt's id and which of its descriptors.
  enum class Source : std::uint64_t { output, progress, start };
  static constexpr std::uint64_t tag_of(std::uint64_t id, Source source) {
    return (id << 2U) | static_cast<std::uint64_t>(source);
  }

  void wait();
  int wait_ms() const;
  void watch(int descriptor, std::uint64_t tag, std::uint32_t events);
  void serve(RunningAttempt& attempt, Source source);

  void receive();
  void obey(StartOrder& order);
  void obey(const KillOrder& order);
  void obey(const LeaseOrder& order);
  void obey(const GoodbyeOrder&) { said_goodbye_ = true; }
  bool daemon_is_gone() const;
  void start_some();
  void start(const StartOrder& order);
  ChildStart start_program(const StartOrder& order, int output, int progress, const AttemptCgroup* cgroup);
  void began(const StartOrder& order, ChildStart child, int output, int progress);
  void learn_start(RunningAttempt& attempt);
  void refuse(const StartOrder& order, FinishCause cause, std::string message, bool permanent);
  void refuse_without_lease(const StartOrder& order);

  void read_output(RunningAttempt& attempt, int rounds);
  void read_progress(RunningAttempt& attempt);
  void report_progress();
  void stop(RunningAttempt& attempt, FinishCause cause);
  void end_lease(RunningAttempt& attempt);
  void release_lease(RunningAttempt& attempt);
  MonoTime next_kill() const;
  void terminate(RunningAttempt& attempt, MonoTime kill_at);
  void kill(RunningAttempt& attempt);
  void fire_deadlines();
  MonoTime lease_end(const RunningAttempt& attempt) const;
  void set_due(RunningAttempt& attempt, MonoTime at);
  void set_deadline(RunningAttempt& attempt, MonoTime at);
  void signal_group(const RunningAttempt& attempt, int number);

  bool reap();  // false: there is no child any more
  void leader_exited(RunningAttempt& attempt, int status, const rusage& usage);
  void settle_ending();
  std::vector<pid_t> find_strays();
  bool kill_strays_of(const RunningAttempt& attempt, const std::vector<pid_t>& strays);
  void finish(RunningAttempt& attempt, bool survived);
  FinishedEvent last_event(RunningAttempt& attempt, bool survived);
  bool kill_everything();

  void send(const SupervisorEvent& event);
  bool flush_is_due() const;
  void flush();

  int socket_;
  std::string mark_;
  rlimit open_files_;
  AttemptCgroups& cgroups_;
  const SharedTime& kill_by_;
  int epoll_ = -1, child_signal_ = -1, null_input_ = -1;
  bool worker_gone_ = false;
  bool said_goodbye_ = false;
  bool children_changed_ = false;
  bool urgent_ = false;   // more than starts waits in out_
  bool sending_ = false;  // waits for room in the socket
  SupervisorFrames frames_;
  MonoTime unsent_since_{};
  std::string out_;
  std::string buffer_;
  std::deque<StartOrder> starts_;
  std::unordered_map<std::uint64_t, std::unique_ptr<RunningAttempt>> attempts_;
  std::unordered_map<pid_t, RunningAttempt*> leaders_;  // not yet reaped
  std::vector<std::uint64_t> ending_;
  // Not later than what time does to an attempt next: its lease may have grown since.
  std::set<std::pair<MonoTime, std::uint64_t>> deadlines_;
  std::set<std::pair<MonoTime, std::uint64_t>> progress_due_;
  std::array<MonoTime, kShardCount> leases_{};               // their ends, by shard
  std::array<std::uint32_t, kShardCount> leased_{};          // attempts that live under them
  std::set<std::pair<MonoTime, std::uint64_t>> last_kills_;  // of attempts that their lease's end stops
  ChildList children_;
};

}  // namespace ringmaster
