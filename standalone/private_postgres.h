// PrivatePostgres: a PostgreSQL of the standalone mode's own, in its data directory: initialised once,
// started from the installed binaries, reached through a Unix socket in a directory that nobody else may
// enter.
//
// Guarantees: fsync stays on; it stops when this process dies, however that happens, and a start waits until
// an earlier life's has ended; one that dies is started again. As root it runs as the user postgres,
// otherwise as the caller. start() blocks; the rest is on the loop's thread. Linux.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <sys/types.h>

#include "base/asio_loop.h"
#include "base/result.h"

namespace ringmaster {

struct PrivatePostgresOptions {
  std::string directory;  // absolute; its parent exists
  std::string binaries;   // of PostgreSQL; empty: the newest installed ones are looked for
  Duration start_timeout = std::chrono::seconds(60);
  Duration stop_timeout = std::chrono::seconds(20);
};

class PrivatePostgres {
 public:
  PrivatePostgres(AsioLoop& loop, PrivatePostgresOptions options);
  // Stops it: its clients are gone by then. Blocks, for `stop_timeout` at most; then it is killed, which
  // loses nothing.
  ~PrivatePostgres();
  PrivatePostgres(const PrivatePostgres&) = delete;
  PrivatePostgres& operator=(const PrivatePostgres&) = delete;

  // Blocks until it answers and has the schema of this version. Errors: unavailable, with what to do (no
  // PostgreSQL, no right, no space); those of migrate().
  Result<> start();
  std::string conninfo() const;
  pid_t pid() const { return pid_; }

 private:
  Result<> prepare();
  Result<> initialise();
  Result<> launch();
  Result<> wait_until_ready();
  void watch();
  void relaunch();
  std::string program(const std::string& name) const { return options_.binaries + "/" + name; }
  std::string data() const { return options_.directory + "/data"; }
  std::string sockets() const { return options_.directory + "/socket"; }
  std::string complaint(const std::string& what) const;  // with the end of its log

  AsioLoop& loop_;
  PrivatePostgresOptions options_;
  pid_t pid_ = 0;
  boost::asio::posix::stream_descriptor process_;  // a pidfd: readable once it has ended
  Timer again_;
};

}  // namespace ringmaster
