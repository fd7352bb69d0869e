// Strays: processes of attempts that left their process group or lost their supervisor. Each attempt's
// environment carries a mark, which every process it starts inherits: `RINGMASTER_RUN=<data
// directory>/<supervisor>/<order>/`, so that a prefix names one attempt, one supervisor's attempts, or all
// that ever ran for a data directory. A process that clears its environment hides from this, though not from
// the end of its supervisor. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/time.h"

namespace ringmaster {

// A descriptor of the process that `pid` names now; -1: there is none. The caller closes it.
int open_process(pid_t pid);

enum class MarkFate : std::uint8_t {
  other,    // carries another mark or none, for good
  killed,   // carried it, and has SIGKILL now
  exiting,  // runs no program any more; tells nothing, and may still leave children
  unclear,  // just executes another program: ask again
  cleared,  // its environment is empty or taken away, or for some microseconds seems so while it executes
            // another program
};
// SIGKILLs `pid` if its environment carries a mark with this prefix.
MarkFate kill_if_marked(pid_t pid, std::string_view mark);

// SIGKILLs all processes with that mark until none of them runs any more; false: some were when `limit` had
// passed.
bool kill_all_marked(std::string_view mark, Duration limit);

// The caller's children, adopted ones included. Keeps its file open: a look costs one read.
class ChildList {
 public:
  ChildList();  // for the calling thread
  ~ChildList();
  ChildList(const ChildList&) = delete;
  ChildList& operator=(const ChildList&) = delete;

  // Empty too if the kernel does not tell.
  const std::vector<pid_t>& read();

 private:
  int file_ = -1;
  std::string text_;
  std::vector<pid_t> pids_;
};

}  // namespace ringmaster
