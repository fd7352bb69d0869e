// ZooKeeperMembership: what we want of ZooKeeper (our members, the lists we watch), brought about over any
// number of connections and sessions.
//
// Every event leads to reading again; nothing is concluded from what an event says. Private to this folder;
// lives on the thread of its loop, and reports there.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/asio_loop.h"
#include "registry/registry.h"
#include "registry/zookeeper_client.h"
#include "registry/zookeeper_member_list.h"

namespace ringmaster {

struct ZooKeeperOptions;

class ZooKeeperMembership {
 public:
  using Key = std::pair<Membership, std::string>;
  // The ticket is that of the call which asked.
  struct Reports {
    std::move_only_function<void(SessionState, std::int64_t)> session;
    std::move_only_function<void(const Key&, std::uint64_t)> joined;
    std::move_only_function<void(const Key&, std::uint64_t)> left;
    std::move_only_function<void(Membership, std::uint64_t, const std::vector<Member>&)> members;
  };

  ZooKeeperMembership(AsioLoop& loop, const ZooKeeperOptions& options, Reports reports);

  void join(const Key& key, std::string data, std::uint64_t ticket);
  void leave(const Key& key, std::uint64_t ticket);
  void watch(Membership set, std::uint64_t ticket);

 private:
  using Code = ZooKeeperReply::Code;

  // One of our own nodes. At most one request for it is under way.
  struct Ours {
    std::string data;
    std::uint64_t ticket = 0;
    bool leaving = false;
    bool reported = false;
    bool waiting = false;  // for another session's node to go
    bool busy = false;
    bool again = false;      // something happened meanwhile
    std::uint64_t step = 0;  // number of the request; a retry of an older one is void
  };
  struct Watch {
    std::uint64_t ticket = 0;
    std::unique_ptr<ZooKeeperMemberList> list;
  };

  void open();
  void on_connected();
  void on_disconnected();
  void on_expired();
  void on_changed(const std::string& path);
  void on_time_up();
  void on_silence();
  void enter(SessionState state);
  void enter_connected_when_current();

  void settle(const Key& key);
  void settle_as_found(const Key& key, const ZooKeeperReply& reply);
  void create(const Key& key);
  void remove(const Key& key);
  void step_done(const Key& key);
  void step_failed(const Key& key, std::string_view what, const ZooKeeperReply& reply);
  void report_joined(const Key& key);
  void report_left(const Key& key);

  void make_parents(std::move_only_function<void(ZooKeeperReply)> made);
  std::string path_of(const Key& key) const;

  AsioLoop& loop_;
  const std::string hosts_;
  const std::string cluster_path_;
  const Duration wanted_timeout_;
  Reports reports_;
  SessionState state_ = SessionState::connecting;
  std::int64_t session_id_ = 0;
  std::int64_t session_generation_ = 0;
  std::map<Key, Ours> ours_;
  std::uint64_t last_step_ = 0;
  std::map<Membership, Watch> watches_;
  Timer time_up_;
  Timer silent_;  // while there is no session
  Timer reopen_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::unique_ptr<ZooKeeperClient> client_;  // last: its replies name the members above
};

}  // namespace ringmaster
