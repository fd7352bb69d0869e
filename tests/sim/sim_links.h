// Links of the simulated cluster. They keep the contract of rpc/links.h and break everything that it does not
// promise: messages are late, channels die with frames in flight (some of which still arrive), dials fail,
// the network splits. Messages travel through the real codec.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "rpc/links.h"
#include "tests/sim/manual_loop.h"

namespace ringmaster {

class SimLinks;

struct NetworkFaults {
  Duration min_delay = std::chrono::microseconds(50);
  Duration max_delay = std::chrono::milliseconds(2);
  double slow = 0;                                         // share of messages that take up to `slow_delay`
  Duration slow_delay = std::chrono::milliseconds(2'500);  // less than a peer needs to be taken for dead
  double reset = 0;                                        // chance for each message that its channel breaks
  bool keep_replaced = false;  // planted: an older channel's unread frames still arrive (H9)
  double repeat = 0;           // planted: chance that a dispatch is delivered again much later
};

class SimNetwork {
 public:
  explicit SimNetwork(ManualLoop& loop) : loop_(loop) {}

  NetworkFaults faults;
  // For a trace: told of each message as it is read by its receiver.
  std::function<void(const std::string& from, const std::string& to, const Message&)> observer;

  // Cuts or heals one direction between two addresses. Cut channels die after the dead-peer time-out.
  void cut(const std::string& from, const std::string& to);
  void heal(const std::string& from, const std::string& to);
  void heal_all();
  bool is_cut(const std::string& from, const std::string& to) const { return cuts_.contains({from, to}); }
  // Breaks every channel between two addresses.
  void reset(const std::string& a, const std::string& b);
  // Messages of one direction wait in a buffer of the channels that are up now, and nobody takes those for
  // dead. release() lets them travel on; what came of their channel meanwhile decides whether they are read.
  void hold(const std::string& from, const std::string& to);
  void release(const std::string& from, const std::string& to);
  // How many wait so.
  std::size_t held(const std::string& from, const std::string& to) const;

 private:
  friend class SimLinks;
  struct Channel;
  struct End {
    SimLinks* owner = nullptr;  // null: its process is gone
    PeerInfo peer;              // whom this end talks to
    std::string address;        // of this end's process
    LinkId link = 0;
    bool up = false;
    std::deque<Message> stalled;  // behind a cut, in order
    MonoTime last_arrival{};
  };
  struct Channel {
    End ends[2];
    bool broken = false;
  };
  struct Hold {
    std::shared_ptr<Channel> channel;
    int to = 0;  // the receiver's end
    std::deque<Message> messages;
    bool is(const std::string& from, const std::string& receiver) const;
  };

  Duration delay();
  double chance();
  void connect(SimLinks& from, const std::string& node_id, Role role, const std::string& address);
  void transmit(const std::shared_ptr<Channel>& channel, int to, Message message);
  void arrive(const std::shared_ptr<Channel>& channel, int to, Message message);
  void break_channel(const std::shared_ptr<Channel>& channel, const std::string& reason);
  bool keep(const std::shared_ptr<Channel>& channel, int to, Message& message);
  void watch_cut(const std::shared_ptr<Channel>& channel);
  std::vector<std::shared_ptr<Channel>> channels_between(const std::string& a, const std::string& b);

  ManualLoop& loop_;
  std::map<std::string, SimLinks*> listeners_;  // by address
  std::vector<std::weak_ptr<Channel>> channels_;
  std::set<std::pair<std::string, std::string>> cuts_;
  std::deque<Hold> holds_;
  LinkId last_link_ = 0;
};

class SimLinks final : public Links {
 public:
  SimLinks(SimNetwork& network, Loop& node_loop, LinkHandler& handler, Role role, std::string node_id,
           std::string address, Incarnation incarnation);
  ~SimLinks() override;  // the process dies: peers see a reset, or refusals

  void dial(Role role, const std::string& node_id, const std::string& address) override;
  void undial(Role role, const std::string& node_id) override;
  bool send(LinkId link, Message message) override;
  void call(LinkId link, ApiRequest request, Duration timeout, ApiResponder respond) override;
  void close(LinkId link, const std::string& reason) override;

 private:
  friend class SimNetwork;
  using PeerKey = std::pair<Role, std::string>;
  struct Dial {
    std::string address;
    std::unique_ptr<Timer> timer;
    Duration backoff{};
  };
  void try_dial(const PeerKey& key);
  void dial_failed(const PeerKey& key, DialError error, const std::string& reason);
  void attach(std::shared_ptr<SimNetwork::Channel> channel, int end);
  void down(LinkId link, const std::string& reason);
  void finish_call(std::uint64_t call, Result<ApiReply> reply);

  SimNetwork& network_;
  Loop& loop_;
  LinkHandler& handler_;
  const Role role_;
  const std::string node_id_, address_;
  const Incarnation incarnation_;
  std::map<PeerKey, Dial> dials_;
  std::map<LinkId, std::pair<std::shared_ptr<SimNetwork::Channel>, int>> links_;
  std::map<PeerKey, LinkId> by_peer_;
  std::vector<std::pair<std::weak_ptr<SimNetwork::Channel>, int>> ends_;  // all that may still know us
  struct Call {
    LinkId link = 0;
    ApiResponder respond;
    std::unique_ptr<Timer> timer;
  };
  std::map<std::uint64_t, Call> calls_;
  std::uint64_t last_call_ = 0;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace ringmaster
