// Supervisor: the worker daemon's handle on the one small process that runs all its attempts
// (supervisor_process.h).
//
// Guarantees: when the daemon dies, however it dies, the supervisor sees the end of their socket, kills every
// attempt and verifies it. When the supervisor dies, each attempt's first process dies with it, and the
// daemon sees the end. A guard (supervisor_guard.h) ends leases that a supervisor which does not run leaves
// standing. A supervisor does nothing before its predecessor on the same data directory is gone
// and what that left is dead.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "base/messages.h"
#include "base/result.h"
#include "base/time.h"

namespace ringmaster {

class Supervisor {
 public:
  // Forks it. Call it at the start of main(), before there are threads, logging or an Asio context: the
  // supervisor stays as small as the process is now. Makes `data_dir` and its `logs`. Errors: unavailable (no
  // such right, no process, no descriptor), invalid_argument (`cgroup_root`: see find_cgroup_roots()).
  static Result<Supervisor> spawn(const std::string& data_dir, const std::string& cgroup_root = "off");

  // Closes the socket and waits, at most 35 s, until the supervisor has killed everything.
  ~Supervisor();
  Supervisor(Supervisor&& other) noexcept;
  Supervisor& operator=(Supervisor&&) = delete;

  // Blocks until the predecessor's attempts are dead; a worker must not register before.
  // Errors: deadline_exceeded (another worker uses this data directory), unavailable (the supervisor died).
  Result<> wait_ready(Duration limit = std::chrono::seconds(60)) const;

  pid_t pid() const { return pid_; }
  const std::string& log_dir() const { return log_dir_; }  // absolute
  // The daemon's end of the socket; from now on the caller closes it.
  int release_socket() { return std::exchange(socket_, -1); }
  // How attempts ended that were killed with this data directory's last daemon. After wait_ready().
  std::vector<ResultReport> last_words() const;
  void forget_last_words() const;  // they are journalled
  // For a daemon whose supervisor died: SIGKILLs what is left of its attempts and waits until it is gone.
  // False: something was left after `limit`.
  bool kill_leftovers(Duration limit) const;

 private:
  Supervisor(pid_t pid, pid_t guard, int process, int socket, std::string mark, const std::string& directory);

  pid_t pid_, guard_;
  int process_;  // a pidfd
  int socket_;
  std::string mark_;  // of all attempts of this data directory
  std::string log_dir_, last_words_;
};

}  // namespace ringmaster
