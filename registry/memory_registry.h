// The registry in memory: for the standalone mode, for tests and for the simulator.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/loop.h"
#include "registry/registry.h"

namespace ringmaster {

class MemoryRegistry;

// The "server" that the sessions of one cluster share, and the place where tests break things.
// Guarantees: deterministic (no clock, thread or random number of its own; sessions are served in the order
// of their creation); a client's messages keep their order, whatever their delays. Loops of all clients must
// run on one thread. It outlives its clients.
class MemoryRegistryHub {
 public:
  using ClientId = std::uint64_t;  // one MemoryRegistry; stays the same over its sessions
  // How long one message of this client travels; asked once for each message, either way. None: no time.
  using Delay = std::function<Duration(ClientId)>;

  void set_delay(Delay delay) { delay_ = std::move(delay); }

  // Ends the client's session: its members vanish at once. It hears of that now, or when it is reconnected.
  // Also ends what a client left behind that was destroyed while disconnected (a crash).
  void expire(ClientId client);
  // Cuts the client off: messages under way are lost, those to it and those from it.
  void disconnect(ClientId client);
  void reconnect(ClientId client);
  void disconnect_all();
  void reconnect_all();
  // What an operator's tool can do: deletes the node, whoever made it. False if there is none.
  bool remove(Membership set, const std::string& id);
  // Deletes the node, if any, and makes it again, in one step, as nobody's.
  void replace(Membership set, const std::string& id, std::string data);

  std::vector<Member> members(Membership set) const;

 private:
  friend class MemoryRegistry;
  using Key = std::pair<Membership, std::string>;
  using SessionId = std::int64_t;  // 0 = none

  struct Node {
    std::string data;
    std::int64_t generation = 0;
    SessionId owner = 0;
  };
  struct Client {
    MemoryRegistry* registry = nullptr;  // null: destroyed while disconnected, its session lives on
    SessionId session = 0;
    bool linked = true;
    std::uint64_t link = 1;  // number of the connection; a message of an older one is lost
  };

  ClientId attach(MemoryRegistry* registry);
  std::uint64_t link_of(ClientId client) const;  // 0 while disconnected
  bool has_session(ClientId client) const { return clients_.at(client).session != 0; }
  void detach(ClientId client);
  SessionId open_session(ClientId client);
  // True if the node is this session's afterwards, be it an older one; false if another session holds the id.
  bool create(SessionId session, const Key& key, const std::string& data);
  void remove_own(SessionId session, const Key& key);
  void end_session(SessionId session);
  void tell_changed(const std::set<Membership>& sets);
  Duration delay_of(ClientId client) const { return delay_ ? delay_(client) : Duration{0}; }

  std::map<ClientId, Client> clients_;
  std::map<Key, Node> nodes_;
  Delay delay_;
  ClientId last_client_ = 0;
  SessionId last_session_ = 0;
  std::int64_t last_generation_ = 0;
};

// A session with a hub. Destroyed while connected, its members vanish at once; while disconnected, they stay
// until the hub expires them. Lives on the thread of its loop; do not destroy it inside one of its own
// callbacks.
class MemoryRegistry final : public Registry {
 public:
  MemoryRegistry(Loop& loop, MemoryRegistryHub& hub);
  ~MemoryRegistry() override;
  MemoryRegistry(const MemoryRegistry&) = delete;
  MemoryRegistry& operator=(const MemoryRegistry&) = delete;

  void join(Membership set, std::string id, std::string data, Joined joined) override;
  void leave(Membership set, std::string id, Joined left) override;
  void watch(Membership set, MembersChanged changed) override;
  void on_session(SessionChanged changed) override;
  SessionState session() const override { return state_; }

  MemoryRegistryHub::ClientId client_id() const { return client_; }

 private:
  friend class MemoryRegistryHub;
  using Key = MemoryRegistryHub::Key;

  struct Ours {
    std::string data;
    Joined joined;  // empty once called
    Joined left;
    bool leaving = false;
  };
  struct Watch {
    std::shared_ptr<MembersChanged> changed;  // shared: it may replace itself while it runs
    std::optional<std::vector<Member>> shown;
  };

  // From the hub; each takes effect only when its message arrives.
  void hear_link(bool up);
  void hear_expired();
  void hear_changed(Membership set);

  void deliver(Callback fn);   // in order, after the message's delay
  void exchange(Callback fn);  // the same, but lost if the link breaks meanwhile
  void answer(Joined respond, Result<> result);
  void enter(SessionState state);
  void begin_session();
  void resume();
  void settle(const Key& key);
  void show(Membership set);

  Loop& loop_;
  MemoryRegistryHub& hub_;
  MemoryRegistryHub::ClientId client_;
  MemoryRegistryHub::SessionId session_ = 0;
  std::int64_t session_generation_ = 0;
  SessionState state_ = SessionState::connecting;
  std::map<Key, Ours> ours_;
  std::map<Membership, Watch> watches_;
  std::set<Membership> change_pending_;  // a notice is under way
  std::shared_ptr<SessionChanged> session_changed_;
  std::deque<Callback> inbox_;
  MonoTime last_delivery_{};
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace ringmaster
