// Aftermath: what is looked at when a chaos is over and all is healed. One line for each thing that must not
// be; what was found right is noted, too.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "tests/fault/chaos/chaos_record.h"
#include "tests/servers/cluster.h"

namespace ringmaster {

class Aftermath {
 public:
  Aftermath(Cluster& cluster, const PlanOptions& shape, ChaosRecord& record)
      : cluster_(cluster), shape_(shape), record_(record) {}

  // Every daemon and server is there, and knows the others.
  void expect_formed();
  // False: something is still open after `limit`; what, and why, is noted.
  bool expect_nothing_open(std::chrono::seconds limit);
  // Shards, fences, spools, processes, memory, and the cluster's own audit.
  void expect_clean();

 private:
  void expect(const std::string& what, std::chrono::seconds limit, const std::string& none_of);
  void expect_spools_empty();
  void expect_no_attempt_left();
  void expect_bounded_memory();
  void expect_clean_audit();
  void explain_some();

  Cluster& cluster_;
  const PlanOptions& shape_;
  ChaosRecord& record_;
};

// Processes of attempts whose witness file is in this directory: `pid command line`.
std::vector<std::string> attempts_of(const std::string& directory);

}  // namespace ringmaster
