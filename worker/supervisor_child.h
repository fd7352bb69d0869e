// Starts one attempt's process: its own process group, its own environment, no inherited descriptor, default
// signals.
//
// The child shares the caller's memory until it executes the program (as in vfork): it costs no copy of page
// tables, and why it could not start comes back exactly, without a pipe. The price is that the caller waits
// until the program is found and loaded; a dead network file system under it holds the caller up. For
// single-threaded callers whose signals are all blocked, with default dispositions.
#pragma once

#include <string>
#include <vector>

#include <sys/resource.h>
#include <sys/types.h>

namespace ringmaster {

struct ChildProgram {
  std::vector<std::string> argv;  // not empty; argv[0] without a slash is looked up in the PATH of `env`
  std::vector<std::string> env;   // `K=V`
  std::string cwd;                // empty: /
  int stdin_fd = -1;
  int output_fd = -1;   // becomes both stdout and stderr
  rlimit open_files{};  // RLIMIT_NOFILE of the attempt
};

struct ChildStart {
  pid_t pid = -1;          // also its process group; -1: it did not start, and nothing is left of it
  std::string message;     // why not
  bool permanent = false;  // another try cannot help: no such file, not executable, …
};

// The attempt gets SIGKILL when the caller's thread dies. A program that changes its user on execution loses
// that.
ChildStart start_child(const ChildProgram& program);

}  // namespace ringmaster
