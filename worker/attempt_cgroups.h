// AttemptCgroups: the cgroups of a worker's attempts, one for each attempt, in the unified hierarchy
// (version 2) and, where the machine keeps its controllers in hierarchies of their own (version 1), in those
// that a limit needs. They hold limits, and no process leaves one by forking, by a new session or with an
// empty environment: what is killed by its cgroup is dead. Lives in the supervisor's only thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "worker/attempt_limits.h"

namespace ringmaster {

// Directories that a worker may make cgroups in; empty: none.
struct CgroupRoots {
  std::string unified;
  std::string memory, cpu, pids;  // of version 1
  bool operator==(const CgroupRoots&) const = default;
};

// Where a process with these two files in /proc/self is: its own cgroups. Pure.
CgroupRoots own_cgroups(std::string_view cgroup, std::string_view mountinfo);

// Of the setting `cgroup_root`: `off`, `auto` (the daemon's own cgroups) or the directory of a cgroup of
// version 2 without processes. Errors: invalid_argument, with what to do.
Result<CgroupRoots> find_cgroup_roots(const std::string& setting);

// SIGKILL to all in this cgroup of version 2. Before Linux 5.14, which has no cgroup.kill, what forks
// meanwhile may escape: to be repeated until it is empty.
void kill_cgroup(const std::string& directory);

// One attempt's. The destructor removes what is empty; the rest stays for AttemptCgroups.
class AttemptCgroup {
 public:
  ~AttemptCgroup();
  AttemptCgroup(const AttemptCgroup&) = delete;
  AttemptCgroup& operator=(const AttemptCgroup&) = delete;

  HeldByCgroup held() const { return held_; }
  // cgroup.procs of each, until close_entries(): for a process that writes `0` there.
  const std::vector<int>& entries() const { return entries_; }
  void close_entries();

  // SIGKILL to all that is in it. Nothing happens without a unified one.
  void kill() const;
  bool empty() const;
  // Whether empty() says anything.
  bool tells() const { return !unified_.empty(); }
  // The kernel has killed a process of it because its memory was used up.
  bool ran_out_of_memory() const;

 private:
  friend class AttemptCgroups;
  AttemptCgroup() = default;

  std::string unified_;
  std::string memory_events_;  // the file that counts such deaths; empty: none
  std::vector<std::string> directories_;
  std::vector<int> entries_;
  HeldByCgroup held_;
};

class AttemptCgroups {
 public:
  // `name`: of this worker on this host. Kills and removes what an earlier life of it left. Without any root
  // there are no cgroups, and nothing fails.
  AttemptCgroups(const CgroupRoots& roots, const std::string& name);
  // All attempts are dead by then.
  ~AttemptCgroups();
  AttemptCgroups(const AttemptCgroups&) = delete;
  AttemptCgroups& operator=(const AttemptCgroups&) = delete;

  // Null: this worker has none for it. Errors: unavailable, with the limit that cannot be set.
  Result<std::unique_ptr<AttemptCgroup>> make(std::uint64_t id, const AttemptLimits& limits);
  // All attempts at once.
  void kill() const;
  // What they do on this machine, for a person: `kill, memory, processes`; `nothing`.
  std::string describe() const;

 private:
  Result<> add(AttemptCgroup& cgroup, const std::string& base, const std::string& name) const;

  CgroupRoots bases_;  // directories of this worker, below the roots
  HeldByCgroup unified_holds_;
};

}  // namespace ringmaster
