// What the tests of bad days share: a cluster, raw connections to its ports, and the processor time of a
// process.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "tests/servers/cluster.h"

namespace ringmaster {

// A TCP connection that sends what it is told, and gives up after some seconds. -1 in fd(): not connected.
class RawConnection {
 public:
  explicit RawConnection(const std::string& address);  // 127.0.0.1:port
  ~RawConnection();
  RawConnection(RawConnection&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;
  RawConnection& operator=(RawConnection&&) = delete;

  bool connected() const { return fd_ >= 0; }
  bool send(const std::string& bytes) const;
  std::string read_to_end() const;  // until the peer ends it, or nothing comes for 10 s

 private:
  int fd_ = -1;
};

struct HttpText {
  int status = 0;
  std::string body;
  std::string detail() const;  // of a problem
};

class BadDay : public ::testing::Test {
 protected:
  // One request on a connection of its own.
  HttpText http(const std::string& master, const std::string& method, const std::string& target,
                const std::string& body = {});
  // The id of the task that was submitted, with this body.
  std::string submit(const std::string& master, const std::string& body);
  std::string http_address(const std::string& master) const;
  std::string rpc_address(const std::string& node) const;

  // Waits until the log of a daemon has this text.
  ::testing::AssertionResult says(const std::string& node, const std::string& text,
                                  std::chrono::seconds within = std::chrono::seconds(20)) const;
  // Waits until a task has ended; its state and, for an attempt that did not succeed, why.
  std::string ended(const std::string& master, const std::string& task);
  // The reasons of :explain, each on a line, once they contain `text`; or the last ones.
  std::string explained(const std::string& master, const std::string& task, const std::string& text);
  // How much of one processor a process takes, from 0 to 1, measured over a second.
  static double load_of(pid_t pid);

  // A further daemon, whose log is that of `name`, with settings of its own or as the cluster's have them.
  std::unique_ptr<ChildProcess> start(const std::string& name, std::vector<std::string> argv) const;
  std::vector<std::string> master_argv(std::vector<std::string> flags = {}) const;
  std::vector<std::string> worker_argv(std::vector<std::string> flags = {}) const;
  // Runs one that ends by itself: `exit code, what it said last` without times and places.
  std::string outcome_of(std::vector<std::string> argv);

  Cluster cluster_;

 private:
  int runs_ = 0;
};

}  // namespace ringmaster
