// FaultInjector: does the faults of a plan to a cluster when their time comes, and heals them. What it starts
// again has the flags that it was told. One thread, which it never holds up for long.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <sys/types.h>

#include "tests/fault/chaos/chaos_record.h"
#include "tests/servers/bridged_network.h"
#include "tests/servers/cluster.h"

namespace ringmaster {

class FaultInjector {
 public:
  using Milliseconds = std::chrono::milliseconds;
  // Starts a master or worker of this name.
  using StartDaemon = std::function<void(const std::string& node)>;

  FaultInjector(Cluster& cluster, BridgedNetwork& network, const PlanOptions& shape, StartDaemon start);

  void plan(std::vector<Fault> faults) { planned_ = std::move(faults); }
  // Begins and ends what is due, and looks after daemons that ended by themselves.
  void step(Milliseconds now);
  // Ends everything at once, whatever the plan says; call step() until all_healed().
  void heal(Milliseconds now);
  bool all_healed() const { return active_.empty() && next_ == planned_.size(); }

  const std::vector<DoneFault>& done() const { return done_; }
  // What no fault explains, such as a daemon that ended by itself.
  const std::vector<std::string>& surprises() const { return surprises_; }

 private:
  struct Active {
    std::size_t index = 0;  // in done_
    Fault fault;
    bool ending = false;  // healed, and waited for
    std::vector<pid_t> frozen;
    Milliseconds asked_again{0};  // of what is polled seldom
  };

  void begin(const Fault& fault, Milliseconds now);
  void do_to_daemon(Active& active);
  void do_to_network(const Fault& fault);
  void do_to_database(Active& active);
  void do_to_registry(Active& active);
  void undo(Active& active);
  // Undone, and what it hit is back.
  bool over(Active& active, Milliseconds now);
  bool stopped(const Active& active, Milliseconds now);
  void watch(Milliseconds now);
  bool lost_its_supervisor(const std::string& node) const;
  void hold(Active& active, const std::vector<pid_t>& processes);
  std::size_t registry_node(const std::string& name) const;
  pid_t some_backend(unsigned chance);

  Cluster& cluster_;
  BridgedNetwork& network_;
  const std::size_t registry_nodes_;
  const StartDaemon start_;
  std::vector<Fault> planned_;
  std::size_t next_ = 0;
  std::vector<Active> active_;
  std::vector<std::string> daemons_;
  std::set<std::string> down_;  // of them, those that must not run now
  std::vector<DoneFault> done_;
  std::vector<std::string> surprises_;
};

// The process that runs a worker's attempts; its guard is another.
std::vector<pid_t> supervisors_of(pid_t worker);

}  // namespace ringmaster
