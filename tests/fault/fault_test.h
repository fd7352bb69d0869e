// FaultTest: a cluster whose every process lives in a network namespace of its own, under a mixed load; a
// fault is done to it, is healed, and then everything that is known is held against the promises.
//
// RINGMASTER_FAULTS=full asks for the long form: full_or(long, short).
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "tests/fault/cluster_evidence.h"
#include "tests/fault/mixed_load.h"
#include "tests/servers/bridged_network.h"
#include "tests/servers/cluster.h"

namespace ringmaster {

bool full_faults();
template <class T>
T full_or(T full, T brief) {
  return full_faults() ? full : brief;
}

// Under a sanitizer daemons are several times slower and larger: what a test says of speed and memory is not
// meant for them.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr int kSlower = 10;
#else
inline constexpr int kSlower = 1;
#endif

class FaultTest : public ::testing::Test {
 protected:
  struct Shape {
    int masters = 3, workers = 3;
    std::size_t registry_nodes = 1;
    std::vector<std::string> master_flags = {}, worker_flags = {"--slots", "32"};
    std::vector<std::string> lines = {};  // nodes with a line of their own, which can be disturbed
    LoadOptions load = {};
    std::map<std::string, Cluster::Environment> environments = {};  // of m1, w1, pg …
  };

  void SetUp() override;
  void TearDown() override;

  // m1…, w1…, all of them joined; then the load, and some progress.
  void start() { start(Shape()); }
  void start(Shape shape);
  // The same without a load.
  void start_daemons(Shape shape);
  // In steps of their own: its servers, its daemons, its load.
  void start_servers(Shape shape);
  void start_daemons();
  void start_load();
  // Another load, without waiting for progress.
  void begin_load(std::unique_ptr<Client> client);
  Cluster& cluster() { return *cluster_; }
  BridgedNetwork& network() { return *network_; }
  MixedLoad& load() { return *load_; }
  const std::string& witness() const { return shape_.load.witness; }

  void kill(const std::string& node) { cluster_->stop_worker(node, SIGKILL); }
  // With the flags of the others.
  ChildProcess& start_master(const std::string& id, Cluster::Environment environment = {});
  ChildProcess& start_worker(const std::string& id, Cluster::Environment environment = {});

  // Process tasks with a witness, which run for `length` and have begun when this returns.
  std::vector<TaskId> begin_tasks(int count, std::chrono::milliseconds length, OnWorkerLost policy);
  // How often each of them began, and that it succeeded at its first attempt: it never noticed a thing.
  void expect_undisturbed(const std::vector<TaskId>& tasks);
  // A master's life was taken over within `within`; says how long it took.
  void expect_replaced(const std::string& incarnation, std::chrono::milliseconds within);
  // The supervisor of a worker's attempts.
  static pid_t supervisor_of(pid_t worker);

  // Tasks that have ended.
  std::int64_t ended();
  // So many more have ended, within 60 s.
  void expect_progress(int tasks = 500);
  std::string living_incarnation(const std::string& master);
  // No shard is this life's, or nobody's, any more; in milliseconds from now, or -1 after 60 s.
  std::int64_t wait_until_replaced(const std::string& incarnation);

  // Stops the load, waits until nothing is open any more, and holds the evidence against the promises. Says
  // how much there was.
  enum class Workers { none_was_lost, some_were_lost };
  void expect_promises_kept(Workers workers);
  // The same for tasks that the test has submitted itself.
  void expect_promises_kept(const AcceptedTasks& accepted, Workers workers);
  Evidence evidence(AcceptedTasks accepted, Workers workers);

 private:
  Shape shape_;
  int loads_ = 0;
  std::unique_ptr<BridgedNetwork> network_;
  std::unique_ptr<Cluster> cluster_;
  std::unique_ptr<MixedLoad> load_;
};

}  // namespace ringmaster
