#include "tests/fault/chaos/fault_injector.h"

#include <algorithm>
#include <fstream>

namespace ringmaster {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using enum FaultKind;

constexpr seconds kLongestStop{60};  // drain_timeout, and what a crowded machine adds
constexpr milliseconds kAskEvery{200};
// Of a master that could not give its shards back in time: somebody takes them over. Of a worker whose
// supervisor is gone.
constexpr int kUnfinished = 1;

struct Skip : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::string at(milliseconds now) {
  return "at " + std::to_string(now.count() / 1000) + "." + std::to_string(now.count() / 100 % 10) + " s";
}

}  // namespace

std::vector<pid_t> supervisors_of(pid_t worker) {
  std::vector<pid_t> found;
  const std::string process = std::to_string(worker);
  std::ifstream children("/proc/" + process + "/task/" + process + "/children");
  for (pid_t child = 0; children >> child;) {
    std::string name;
    std::getline(std::ifstream("/proc/" + std::to_string(child) + "/comm"), name);
    if (name == "ring-supervisor") found.push_back(child);
  }
  return found;
}

FaultInjector::FaultInjector(Cluster& cluster, BridgedNetwork& network, const PlanOptions& shape,
                             StartDaemon start)
    : cluster_(cluster),
      network_(network),
      registry_nodes_(shape.registry.size()),
      start_(std::move(start)),
      daemons_(shape.masters) {
  daemons_.insert(daemons_.end(), shape.workers.begin(), shape.workers.end());
}

void FaultInjector::step(Milliseconds now) {
  for (Active& active : active_) {
    if (!active.ending && active.fault.at + active.fault.length <= now) {
      active.ending = true;
      undo(active);
    }
  }
  std::erase_if(active_, [&](Active& active) {
    if (!active.ending || !over(active, now)) return false;
    done_[active.index].ended = now;
    return true;
  });
  while (next_ < planned_.size() && planned_[next_].at <= now) begin(planned_[next_++], now);
  watch(now);
}

void FaultInjector::heal(Milliseconds now) {
  next_ = planned_.size();
  for (Active& active : active_) active.fault.length = std::min(active.fault.length, now - active.fault.at);
  step(now);
}

void FaultInjector::begin(const Fault& fault, Milliseconds now) {
  Active active{.index = done_.size(), .fault = fault};
  active.fault.at = now;
  done_.push_back({.fault = fault, .begun = now, .ended = now});
  try {
    if (is_of_daemon(fault.kind)) {
      do_to_daemon(active);
    } else if (is_of_database(fault.kind)) {
      do_to_database(active);
    } else if (is_of_registry(fault.kind)) {
      do_to_registry(active);
    } else {
      do_to_network(fault);
    }
    done_.back().fault = active.fault;
    active_.push_back(std::move(active));
  } catch (const std::exception& why) {
    done_.back().skipped = why.what();
  }
}

void FaultInjector::do_to_daemon(Active& active) {
  const std::string& node = active.fault.node;
  if (down_.contains(node)) throw Skip("it was down");
  ChildProcess& process = cluster_.process(node);
  if (active.fault.kind == freeze) return hold(active, {process.pid()});
  if (active.fault.kind == freeze_all) {
    std::vector<pid_t> processes = supervisors_of(process.pid());
    processes.push_back(process.pid());
    return hold(active, processes);
  }
  down_.insert(node);
  process.signal(active.fault.kind == kill ? SIGKILL : SIGTERM);
  if (active.fault.kind == kill) process.wait(seconds(10));
}

void FaultInjector::do_to_network(const Fault& fault) {
  if (fault.kind == cut) network_.cut(fault.node, fault.other);
  if (fault.kind == cut_one_way) network_.cut_one_way(fault.node, fault.other);
  if (fault.kind == isolate) network_.isolate(fault.node);
  if (fault.kind == reset) network_.reset_connections(fault.node);
  if (fault.kind == slow) network_.disturb(fault.node, fault.delay, fault.loses);
}

void FaultInjector::do_to_database(Active& active) {
  PostgresServer& server = cluster_.postgres();
  const Fault& fault = active.fault;
  if (!server.ready()) throw Skip("PostgreSQL was not ready");
  if (fault.kind == crash_database) server.stop(SIGQUIT);
  if (fault.kind == crash_backend) {
    ::kill(some_backend(fault.chance), SIGKILL);
    active.asked_again = fault.at + seconds(1);  // it answers until it has noticed
  }
  if (fault.kind == freeze_backend) hold(active, {some_backend(fault.chance)});
  if (fault.kind == freeze_database) server.freeze_all();
  if (fault.kind == end_backends) {
    cluster_.query(
        "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity WHERE "
        "backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY hashint4(pid # " +
        std::to_string(fault.chance) + ") LIMIT " + std::to_string(1 + fault.chance % 6) + ") x");
  }
}

void FaultInjector::do_to_registry(Active& active) {
  Fault& fault = active.fault;
  if (fault.kind != lose_quorum) fault.node = "zk" + std::to_string(registry_node(fault.node));
  if (fault.kind == freeze_registry) {
    cluster_.zookeeper_server(registry_node(fault.node)).freeze();
    return;
  }
  cluster_.zookeeper_server(registry_node(fault.node)).stop(SIGKILL);
  if (!fault.other.empty()) cluster_.zookeeper_server(registry_node(fault.other)).stop(SIGKILL);
}

void FaultInjector::undo(Active& active) {
  const Fault& fault = active.fault;
  for (auto process = active.frozen.rbegin(); process != active.frozen.rend(); ++process)
    ::kill(*process, SIGCONT);
  if (fault.kind == kill) {
    start_(fault.node);
    down_.erase(fault.node);
  }
  if (fault.kind == cut) network_.mend(fault.node, fault.other);
  if (fault.kind == cut_one_way) network_.mend_one_way(fault.node, fault.other);
  if (fault.kind == isolate) network_.rejoin(fault.node);
  if (fault.kind == slow) network_.disturb(fault.node, milliseconds(0), 0);
  if (fault.kind == crash_database) cluster_.postgres().launch();
  if (fault.kind == freeze_database) cluster_.postgres().thaw_all();
  if (fault.kind == freeze_registry) cluster_.zookeeper_server(registry_node(fault.node)).thaw();
  if (fault.kind == kill_registry || fault.kind == lose_quorum) {
    cluster_.zookeeper_server(registry_node(fault.node)).launch();
    if (!fault.other.empty()) cluster_.zookeeper_server(registry_node(fault.other)).launch();
  }
}

bool FaultInjector::over(Active& active, Milliseconds now) {
  const Fault& fault = active.fault;
  if (fault.kind == stop) return stopped(active, now);
  const bool database = is_of_database(fault.kind);
  if (!database && !is_of_registry(fault.kind)) return true;
  if (now < active.asked_again) return false;
  active.asked_again = now + kAskEvery;
  return database ? cluster_.postgres().ready()
                  : cluster_.zookeeper_server(registry_node(fault.node)).ready();
}

bool FaultInjector::stopped(const Active& active, Milliseconds now) {
  const std::string& node = active.fault.node;
  const auto code = cluster_.process(node).wait(milliseconds(0));
  if (!code && now < active.fault.at + kLongestStop) return false;
  if (!code) surprises_.push_back(node + " had not ended a minute after SIGTERM " + at(active.fault.at));
  if (code && *code != 0 && *code != kUnfinished) {
    surprises_.push_back(node + " ended with " + std::to_string(*code) + " after SIGTERM " +
                         at(active.fault.at));
  }
  start_(node);
  down_.erase(node);
  return true;
}

void FaultInjector::watch(Milliseconds now) {
  for (const std::string& node : daemons_) {
    if (down_.contains(node)) continue;
    const auto code = cluster_.process(node).wait(milliseconds(0));
    if (!code) continue;
    if (*code != kUnfinished || !lost_its_supervisor(node))
      surprises_.push_back(node + " ended by itself with " + std::to_string(*code) + " " + at(now));
    start_(node);
  }
}

// Its guard kills a supervisor that is frozen when a lease ends, and the daemon ends for that.
bool FaultInjector::lost_its_supervisor(const std::string& node) const {
  return std::ranges::any_of(
      done_, [&](const DoneFault& done) { return done.fault.kind == freeze_all && done.fault.node == node; });
}

void FaultInjector::hold(Active& active, const std::vector<pid_t>& processes) {
  for (const pid_t process : processes) {
    ::kill(process, SIGSTOP);
    active.frozen.push_back(process);
  }
}

std::size_t FaultInjector::registry_node(const std::string& name) const {
  if (!name.ends_with("er")) return std::stoul(name.substr(2));
  const std::string wanted = name == "zk-leader" ? "Mode: leader" : "Mode: follower";
  for (std::size_t i = 1; i <= registry_nodes_; ++i) {
    const std::string answer = cluster_.zookeeper_server(i).four_letter_word("srvr");
    if (answer.contains(wanted) || (registry_nodes_ == 1 && answer.contains("Mode:"))) return i;
  }
  throw Skip("there was no " + name);
}

pid_t FaultInjector::some_backend(unsigned chance) {
  const std::string pid = cluster_.query(
      "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() "
      "ORDER BY hashint4(pid # " +
      std::to_string(chance) + ") LIMIT 1");
  if (pid.empty()) throw Skip("there was no backend");
  return std::stoi(pid);
}

}  // namespace ringmaster
