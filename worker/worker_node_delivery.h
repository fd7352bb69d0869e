// Delivery: which masters a worker dials because results wait and their owner's channel is gone. Pure.
//
// Masters dial workers; this is for the direction that has failed. An orphaned shard's last owner is dialled.
// When that is unknown, no longer a member, or was not reached in `redials` tries, the shard is given up:
// every master without a channel is dialled, whoever owns the shard now announces it, and any other one
// relays.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "worker/ledger.h"

namespace ringmaster {

class Delivery {
 public:
  struct Dial {
    std::string master;
    std::string address;
  };
  struct Step {
    std::vector<Dial> dial;
    std::vector<std::string> undial;
    std::array<bool, kShardCount> given_up{};
  };

  explicit Delivery(int redials) : redials_(redials) {}

  // The registry's whole list: node id to RPC address. Masters that left are undialled by the next step.
  void set_masters(std::map<std::string, std::string> masters) { masters_ = std::move(masters); }

  // Call it each second. A shard counts once it is orphaned in two calls running: its channel is gone for
  // over 1 s.
  Step step(const std::vector<Ledger::Orphan>& orphans,
            const std::function<bool(const std::string&)>& has_link);

  // The master's own channel is back. True: it was dialled, undial it.
  bool own_channel_up(const std::string& master);
  void dial_failed(const std::string& master) { ++failures_[master]; }
  void channel_up(const std::string& master) { failures_.erase(master); }

 private:
  int redials_;
  std::map<std::string, int> failures_;  // of dialling, since its last channel
  std::map<std::string, std::string> masters_;
  std::map<std::string, std::string> dialled_;  // with the address used
  std::set<ShardId> orphaned_;                  // at the last step
};

}  // namespace ringmaster
