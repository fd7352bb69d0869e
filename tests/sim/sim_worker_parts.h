// The simulated worker's disk and processes.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.h"
#include "tests/sim/witness.h"
#include "worker/runner.h"
#include "worker/spool.h"

namespace ringmaster {

// What is on a worker's disk, and what else outlives its daemon.
struct SimDisk {
  Spool::Contents contents;
  std::vector<ResultReport> last_words;  // of attempts that died with their daemon
  // Attempts of an earlier life still die until then. The next one waits for its predecessor's supervisor: it
  // must not start before.
  MonoTime busy_until{};
  std::vector<ShardEpoch> told;  // the highest that its daemons were ever told, whatever they forget
  bool forgets_results = false;  // planted: the spool is forgotten in a crash
  bool forgets_epochs = false;   // planted
};

class SimSpool final : public Spool {
 public:
  SimSpool(Loop& loop, SimDisk& disk, Witness& witness) : loop_(loop), disk_(disk), witness_(witness) {}

  Contents load() override;
  Result<> bind(const std::string& store_id) override;
  Result<> append(const std::vector<ResultReport>& results) override;
  Result<> note_epochs(const std::vector<ShardEpoch>& epochs) override;
  void sync(Synced done) override;
  void forget(const std::vector<Token>& tokens) override;

 private:
  Loop& loop_;
  SimDisk& disk_;
  Witness& witness_;
};

// Attempts that take random time, or what their spec says ({"sleep":"20s"}: then they succeed), and the
// supervisor over them. That lives on `supervisor`'s loop: it stops
// attempts, and keeps their leases, while the daemon is frozen, which hears of it on its own loop afterwards.
// When the daemon dies, the supervisor takes a while to kill them, in the time of `world`, which `disk` and
// `witness` outlive, and leaves word of some. By itself an attempt ends in the daemon's time only: a freeze
// makes it long, which is the harder case.
class SimRunner final : public Runner {
 public:
  SimRunner(Loop& daemon, Loop& supervisor, Loop& world, Witness& witness, SimDisk& disk, std::string worker,
            Incarnation incarnation);
  ~SimRunner() override;

  void set_handler(RunnerHandler& handler) override { handler_ = &handler; }
  void start(Dispatch attempt) override;
  void kill(Token token) override;
  void extend_lease(ShardId shard, MonoTime until) override;
  void lose_supervisor();  // every attempt dies; none starts any more

  bool enforces_leases = true;  // false: planted
  double fail_share = 0.1;      // of attempts that exit with 1
  Duration longest = std::chrono::milliseconds(300);
  Duration longest_lease_kill = std::chrono::milliseconds(200);  // from the end of a lease to a death
  // From the daemon's death to its attempts'.
  Duration shortest_orphan_life{0}, longest_orphan_life = std::chrono::milliseconds(300);
  double last_words_share = 0;  // of those, are told of to the next life

 private:
  struct Running {
    Token token;
    WallTime started_at;
    bool leased = false;
    bool stopping = false;
    std::unique_ptr<Timer> end;         // by itself; on the daemon's loop
    std::unique_ptr<Timer> supervised;  // its lease's end as known when it was set, then its death
  };

  Duration up_to(Duration most);
  void watch_lease(Running& running);
  void stop_for_lease(Running& running);
  void stop(Running& running, Duration takes, Outcome outcome);
  void die(Token token, Outcome outcome);
  void lose(Token token, WallTime started_at, bool ran);

  Loop& daemon_;
  Loop& supervisor_;
  Loop& world_;
  Witness& witness_;
  SimDisk& disk_;
  const std::string worker_;
  const Incarnation incarnation_;
  RunnerHandler* handler_ = nullptr;
  bool supervisor_lost_ = false;
  std::map<TaskId, Running> running_;
  std::map<ShardId, MonoTime> leases_;  // their ends
};

}  // namespace ringmaster
