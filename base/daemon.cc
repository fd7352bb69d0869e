#include "base/daemon.h"

#include <csignal>
#include <utility>

namespace ringmaster {

int DaemonFrame::run(Daemon& daemon, std::function<void()> reload) {
  reload_ = std::move(reload);
  wait_for_signal(daemon);
  loop_.run();
  return exit_code_;
}

void DaemonFrame::wait_for_signal(Daemon& daemon) {
  signals_.async_wait([this, &daemon](const boost::system::error_code& error, int signal) {
    if (error) return;
    signal == SIGHUP ? reload_() : daemon.stop();
    wait_for_signal(daemon);
  });
}

}  // namespace ringmaster
