// PendingCalls: requests that wait for their reply, each answered exactly once: by its reply, its deadline or
// the end of its link. One timer for all. On the loop's thread; answers run on it, and never inside add().
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "base/api.h"
#include "base/ids.h"
#include "base/loop.h"

namespace ringmaster {

class PendingCalls {
 public:
  explicit PendingCalls(Loop& loop) : loop_(loop), timer_(loop) {}

  // Returns the correlation id, never 0 and never used again. `position` is where the request ends in its
  // channel's stream, so that fail_link can tell what was never handed over.
  std::uint64_t next_id() { return ++last_id_; }
  void add(std::uint64_t id, LinkId link, std::uint64_t position, Duration timeout, ApiResponder respond);
  // False: nobody waits for this (any more), or it was asked on another link.
  bool answer(LinkId link, std::uint64_t id, Result<ApiReply> reply);
  // The link has gone, after `sent` bytes of its stream were handed over.
  void fail_link(LinkId link, std::uint64_t sent, const std::string& reason);
  std::size_t size() const { return calls_.size(); }

 private:
  using Key = std::pair<LinkId, std::uint64_t>;
  struct Call {
    MonoTime deadline;
    std::uint64_t position = 0;
    ApiResponder respond;
  };
  void arm();
  void expire();

  Loop& loop_;
  std::uint64_t last_id_ = 0;
  std::map<Key, Call> calls_;
  std::set<std::pair<MonoTime, Key>> deadlines_;
  MonoTime armed_for_{};
  Timer timer_;
};

}  // namespace ringmaster
