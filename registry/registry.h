// Registry: who is alive. ZooKeeper in production (zookeeper_registry.h), memory for standalone and tests.
// It is a hint, never the truth: ownership and results are PostgreSQL's.
//
// All calls and callbacks are on the loop's thread; callbacks never run inside a call.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace ringmaster {

enum class Membership : std::uint8_t { masters, workers };

struct Member {
  std::string id;
  std::string data;             // the JSON of registry/member_json.h
  std::int64_t generation = 0;  // differs between two lives of a node (ZooKeeper: czxid)
  bool operator==(const Member&) const = default;
};

enum class SessionState : std::uint8_t {
  connecting,    // no session yet
  connected,     // the view is current
  disconnected,  // the view is frozen; not a death
  // The session's time is up: our members are gone, or may be. What follows re-joins by itself: a new
  // session, or the same one if the server kept it through an outage of its own.
  expired,
};

class Registry {
 public:
  using Joined = std::move_only_function<void(Result<>)>;
  using MembersChanged = std::move_only_function<void(const std::vector<Member>&)>;
  // Sessions of one Registry count from 1; 0 = none yet.
  using SessionChanged = std::move_only_function<void(SessionState, std::int64_t session_generation)>;

  virtual ~Registry() = default;
  // Makes an ephemeral member, and makes it again after each expiry until leave(). If the id is held by
  // another session it waits for that to end (never deletes it); `joined` is called once, when first
  // registered, or with invalid_argument for a bad id.
  virtual void join(Membership set, std::string id, std::string data, Joined joined) = 0;
  virtual void leave(Membership set, std::string id, Joined left) = 0;
  // The whole sorted list, at once when known and after each change; nothing while disconnected. One watcher
  // a set.
  virtual void watch(Membership set, MembersChanged changed) = 0;
  virtual void on_session(SessionChanged changed) = 0;
  virtual SessionState session() const = 0;
};

}  // namespace ringmaster
