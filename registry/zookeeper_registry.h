// The registry in production: ephemeral nodes of a ZooKeeper ensemble (3.5 or later).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/loop.h"
#include "registry/registry.h"

namespace ringmaster {

struct ZooKeeperOptions {
  std::string hosts;                                    // `host:port,host:port`, may end in `/chroot`
  std::string cluster;                                  // as validate_member_id() allows
  Duration session_timeout = std::chrono::seconds(10);  // asked for; the server may grant another
};

// Errors: invalid_argument with `field`.
Result<> validate(const ZooKeeperOptions& options);

// Guarantees: the interface's, on the given loop's thread. ZooKeeper itself is driven by a private thread,
// because its client blocks in name resolution and when a session is closed; the loop never waits for it. The
// destructor ends the session, so that members vanish at once; it waits for the server for up to 5 seconds.
// Do not destroy it inside one of its own callbacks; the loop must outlive it.
//
// The session is timed here: it is `expired` once it may have ended, even while ZooKeeper cannot be reached.
// If the server turns out to have kept it (an outage of ZooKeeper itself), it is `connected` again under the
// same session generation and its nodes were never gone.
class ZooKeeperRegistry final : public Registry {
 public:
  // Takes valid options only. The session is opened by the first call: a daemon that cannot start has none.
  ZooKeeperRegistry(Loop& loop, ZooKeeperOptions options);
  ~ZooKeeperRegistry() override;
  ZooKeeperRegistry(const ZooKeeperRegistry&) = delete;
  ZooKeeperRegistry& operator=(const ZooKeeperRegistry&) = delete;

  void join(Membership set, std::string id, std::string data, Joined joined) override;
  void leave(Membership set, std::string id, Joined left) override;
  void watch(Membership set, MembersChanged changed) override;
  void on_session(SessionChanged changed) override;
  SessionState session() const override { return state_; }

 private:
  class Thread;
  using Key = std::pair<Membership, std::string>;
  struct Ours {
    std::uint64_t ticket = 0;
    Joined joined;  // empty once called
    Joined left;
    bool leaving = false;
  };
  struct Watch {
    std::uint64_t ticket = 0;
    std::shared_ptr<MembersChanged> changed;  // shared: it may replace itself while it runs
  };

  void answer(Joined respond, Result<> result);
  void hear_session(SessionState state, std::int64_t generation);
  void hear_joined(const Key& key, std::uint64_t ticket);
  void hear_left(const Key& key, std::uint64_t ticket);
  void hear_members(Membership set, std::uint64_t ticket, const std::vector<Member>& members);

  Loop& loop_;
  SessionState state_ = SessionState::connecting;
  std::uint64_t last_ticket_ = 0;
  std::map<Key, Ours> ours_;
  std::map<Membership, Watch> watches_;
  std::shared_ptr<SessionChanged> session_changed_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::unique_ptr<Thread> thread_;
};

}  // namespace ringmaster
