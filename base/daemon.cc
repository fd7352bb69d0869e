#include "base/daemon.h"

#include <csignal>
#include <utility>

#include <glog/logging.h>
#include <sys/resource.h>

#include "base/failpoint.h"

namespace ringmaster {

DaemonFrame::DaemonFrame() {
#if RINGMASTER_FAILPOINTS
  if (!failpoints().text().empty())
    LOG(ERROR) << "FAILPOINTS ARE ARMED, this daemon will harm itself: " << failpoints().text();
#endif
  // As many descriptors as we may have: a soft limit of 1,024 is for programs that use select().
  rlimit open_files{};
  if (::getrlimit(RLIMIT_NOFILE, &open_files) != 0) return;
  open_files.rlim_cur = open_files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &open_files);
}

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
