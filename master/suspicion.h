// Suspicion: which masters a master takes for dead, by the registry's list, by connections that are refused
// and by the shard table. It may be wrong about a living one: that one is fenced, nothing is lost, and it
// comes back. Pure; one thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "sql/task_store.h"

namespace ringmaster {

class Suspicion {
 public:
  // An owner of shards that is to be taken over from, and why.
  struct Dead {
    std::string node;
    Incarnation incarnation;
    bool refuses = false;
  };

  // `dead_after`: an owner may be missing from the registry for so long.
  explicit Suspicion(Duration dead_after) : dead_after_(dead_after) {}

  // The registry's list of masters.
  void on_list(std::map<std::string, Incarnation> shown);
  // At first hand: nobody listens at this master's address; a channel to it is up. True: ring() has changed.
  bool on_refused(const std::string& node, MonoTime now);
  bool on_reached(const std::string& node);
  void on_taken_over(const Dead& dead, MonoTime now);
  // Somebody holds its rows, a master perhaps that died amid this very take-over: others go first next time.
  void on_blocked(const Dead& dead) { blocked_ = dead.incarnation; }

  bool shows(const std::string& node) const { return shown_.contains(node); }
  // Who should own shards: the registry's masters, without those that we know better to be dead.
  std::vector<std::string> ring() const;
  // One owner that is dead; not the one that is blocked, if there is another. `list_is_current`: false while
  // the registry is out of reach; its last list says nothing of who came since.
  std::optional<Dead> judge(const std::vector<ShardRow>& shards, Incarnation self, bool list_is_current,
                            MonoTime now);

 private:
  struct Refusals {
    MonoTime first, last;
    bool proved = false;  // twice, far enough apart
  };
  std::optional<Dead> choose(const std::vector<Dead>& dead) const;
  bool refuses(const std::string& node) const;
  bool taken_over_lately(const std::string& node, MonoTime now) const;

  const Duration dead_after_;
  std::map<std::string, Incarnation> shown_;
  std::map<std::string, MonoTime> missing_since_;  // owners that the registry does not show
  std::map<std::string, Incarnation> buried_;      // taken over, though the registry may still show them
  std::map<std::string, Refusals> refusals_;
  Incarnation blocked_;                       // the take-over that failed last
  std::map<std::string, MonoTime> quick_at_;  // the last take-over on refusals alone
};

}  // namespace ringmaster
