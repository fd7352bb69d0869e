// Spool: the worker's journal of results that no master has acknowledged yet. file_spool.h is the real one.
// What append() wrote survives a killed daemon at once, and a power loss after sync().
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/messages.h"
#include "base/result.h"

namespace ringmaster {

class Spool {
 public:
  struct Contents {
    std::string store_id;               // empty: never bound
    std::vector<ResultReport> results;  // unacknowledged, oldest first
    std::vector<ShardEpoch> epochs;     // the highest seen
  };
  using Synced = std::move_only_function<void(Result<>)>;

  virtual ~Spool() = default;
  // What was there at the start. Called once, first.
  virtual Contents load() = 0;
  virtual Result<> bind(const std::string& store_id) = 0;  // durable on return
  // Errors: unavailable (disk full, I/O error): nothing of it may be reported then.
  virtual Result<> append(const std::vector<ResultReport>& results) = 0;
  virtual Result<> note_epochs(const std::vector<ShardEpoch>& epochs) = 0;
  // Calls back on the loop's thread once everything appended so far is on the platter. The spool also syncs
  // by itself what is older than 50 ms and not forgotten.
  virtual void sync(Synced done) = 0;
  virtual void forget(const std::vector<Token>& tokens) = 0;  // acknowledged: need not survive any more
};

}  // namespace ringmaster
