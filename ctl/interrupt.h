// Interrupt: SIGINT, SIGTERM and SIGHUP, while a command waits, as something to be waited for: the command
// can say what goes on before it ends. While one lives (at most one does) the first signal is noted; a second
// one kills. Signals that were ignored before (nohup, a job in the background) stay ignored. One thread.
#pragma once

#include <array>
#include <cstddef>

#include <signal.h>

#include "base/time.h"

namespace ringmaster {

class Interrupt {
 public:
  Interrupt();
  ~Interrupt();  // what the signals did before
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  int signal() const;          // 0: none came
  int fd() const;              // readable once one has come
  bool sleep(Duration) const;  // false: one came first

 private:
  static constexpr std::array kSignals{SIGINT, SIGTERM, SIGHUP};
  std::array<struct sigaction, kSignals.size()> before_{};
};

}  // namespace ringmaster
