// Starts one attempt's process: its own process group, its own environment, no inherited descriptor but the
// one for its progress, default signals, its limits and its user.
//
// As the caller's own user the child shares the caller's memory until it executes the program (as in vfork):
// it costs no copy of page tables, and why it could not start comes back exactly, without a pipe. The price
// is that the caller waits until the program is found and loaded; a dead network file system under it holds
// the caller up. As another user the child is a copy, and the caller does not wait: from the moment that it
// has changed, any process of that user may stop it, and a caller that waits would stop with it.
// For single-threaded callers whose signals are all blocked, with default dispositions.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "worker/account.h"
#include "worker/attempt_limits.h"

namespace ringmaster {

inline constexpr int kProgressDescriptor = 3;  // what RINGMASTER_PROGRESS_FD says

struct ChildProgram {
  std::vector<std::string> argv;  // not empty; argv[0] without a slash is looked up in the PATH of `env`
  std::vector<std::string> env;   // `K=V`
  std::string cwd;                // empty: /; entered as its user
  int stdin_fd = -1;
  int output_fd = -1;        // becomes both stdout and stderr
  int progress_fd = -1;      // becomes kProgressDescriptor
  std::vector<int> cgroups;  // cgroup.procs of each cgroup that it enters before all else
  std::vector<ResourceLimit> limits;
  std::optional<ProcessIdentity> identity;  // none: the caller's own
};

// Why a child did not come to execute its program.
struct StartFailure {
  std::string message;
  bool permanent = false;  // another try cannot help: no such file, not executable, …
};

// A child of which nobody knows yet whether it could execute its program.
class PendingStart {
 public:
  PendingStart(int descriptor, std::string program, std::string cwd)
      : descriptor_(descriptor), program_(std::move(program)), cwd_(std::move(cwd)) {}
  ~PendingStart();
  PendingStart(const PendingStart&) = delete;
  PendingStart& operator=(const PendingStart&) = delete;

  int descriptor() const { return descriptor_; }  // readable once it is known
  // Once it is known. None: it executes, or was killed before it came to that.
  std::optional<StartFailure> read() const;

 private:
  int descriptor_;
  std::string program_, cwd_;
};

struct ChildStart {
  pid_t pid = -1;        // also its process group; -1: it did not start, nothing is left of it
  StartFailure failure;  // then
  std::unique_ptr<PendingStart> pending;  // with `identity`, unless it failed
};

// The attempt gets SIGKILL when the caller's thread dies. A program that changes its user on execution loses
// that; with an `identity` none can.
ChildStart start_child(const ChildProgram& program);

}  // namespace ringmaster
