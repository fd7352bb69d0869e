// FaultPlan: which faults a chaos does to a cluster, and when, from one seed. Every fault ends within a
// bounded time, no two of them pull at the same thing, and storms of overlapping ones alternate with calms in
// which the cluster can show that it recovers. Pure: the same options make the same plan.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace ringmaster {

enum class FaultKind {
  // Of a daemon.
  kill,        // SIGKILL; started again at the end
  stop,        // SIGTERM; started again when it has ended, not before the end
  freeze,      // SIGSTOP of the daemon
  freeze_all,  // of a worker and its supervisor
  // Of the network.
  cut,          // between two nodes
  cut_one_way,  // what `node` sends to `other` is lost
  isolate,      // from all others
  reset,        // every connection of the node, at once
  slow,         // its frames are late, and some are lost
  // Of PostgreSQL.
  crash_database,   // all of it, by SIGQUIT
  crash_backend,    // SIGKILL of one backend: PostgreSQL ends all others and recovers
  end_backends,     // pg_terminate_backend of some
  freeze_backend,   // one, perhaps with the locks that it holds
  freeze_database,  // all of it
  // Of ZooKeeper.
  kill_registry,
  freeze_registry,
  lose_quorum,  // two of three killed
};
std::string_view to_string(FaultKind kind);
bool is_of_daemon(FaultKind kind);
bool is_of_database(FaultKind kind);
bool is_of_registry(FaultKind kind);

struct Fault {
  FaultKind kind = FaultKind::kill;
  // zk-leader and zk-follower are whoever is that when the fault begins.
  std::string node, other;
  std::chrono::milliseconds at{0}, length{0};
  std::chrono::milliseconds delay{0};  // slow
  unsigned loses = 0;                  // slow: one frame in so many
  unsigned chance = 0;                 // for what only the cluster knows, such as its backends

  std::chrono::milliseconds end() const { return at + length; }
};

// `cut m1 and w2`, for people.
std::string title_of(const Fault& fault);

inline constexpr std::chrono::seconds kLongestFault{15};
// Of a few, in plans with time for it: longer than a lease.
inline constexpr std::chrono::seconds kLongFault{50};
inline constexpr std::chrono::seconds kPlanWithLongFaults{100};
inline constexpr std::size_t kMostFaultsAtOnce = 4;

struct PlanOptions {
  std::uint64_t seed = 1;
  std::chrono::milliseconds length{60'000};
  std::vector<std::string> masters = {"m1", "m2", "m3"};
  std::vector<std::string> workers = {"w1", "w2", "w3", "w4"};
  std::vector<std::string> registry = {"zk1", "zk2", "zk3"};
  bool lines = true;  // masters and workers have lines that can be slow
};

// By time; all of them have ended at `length`.
std::vector<Fault> make_plan(const PlanOptions& options);

}  // namespace ringmaster
