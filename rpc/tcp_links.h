// TcpLinks: the real Links, over TCP. Dials peers and keeps them dialled, accepts others, and carries
// messages, requests and replies on channels that have proved the cluster secret.
//
// Guarantees: those of links.h. Beyond them:
//  - an older channel of a peer goes down, unread, before the first byte is answered on the newer one;
//  - two nodes that dial each other at the same time end with one channel: the one with the smaller (role,
//  node id)
//    holds back its answer until its own try has ended;
//  - whoever has not proved the secret costs one buffer of 8 KiB, for handshake_timeout at most; of more than
//    max_unproved such connections the oldest is dropped.
// On the loop's thread. Destruction is silent: no callback runs afterwards. Not to be destroyed inside a
// callback.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/asio_loop.h"
#include "base/result.h"
#include "rpc/channel.h"
#include "rpc/dialler.h"
#include "rpc/links.h"
#include "rpc/opening.h"
#include "rpc/pending_calls.h"
#include "rpc/tcp_stream.h"

namespace ringmaster {

struct LinksOptions {
  std::string cluster = "default";
  std::string secret;  // empty: only where nobody else can connect, so listen() then refuses all but loopback
  Role role = Role::client;
  std::string node_id;  // unique in the cluster for its role; a client makes up its own
  Incarnation incarnation;
  std::string version = RINGMASTER_VERSION;
  std::string store_id;  // see set_store_id

  Duration heartbeat_interval = std::chrono::seconds(1);
  Duration dead_after = std::chrono::seconds(3);
  Duration connect_timeout = std::chrono::seconds(3);
  Duration handshake_timeout = std::chrono::seconds(5);
  Duration close_timeout = std::chrono::seconds(1);
  Duration user_timeout = std::chrono::seconds(10);  // TCP_USER_TIMEOUT
  Duration backoff_initial = std::chrono::milliseconds(50);
  Duration backoff_max = std::chrono::seconds(5);
  std::size_t max_unproved = 256;
  std::size_t max_open_requests = 10'000;    // of one link; more are answered resource_exhausted
  std::size_t high_water = 8 * 1024 * 1024;  // of bytes that wait to be written: see Channel
  std::size_t low_water = 2 * 1024 * 1024;
  std::size_t hard_bound = 64 * 1024 * 1024;
};

// Since the start. For metrics.
struct LinksCounters {
  std::uint64_t unknown_messages = 0;    // one-way, of a type that we do not know: dropped
  std::uint64_t unwanted_replies = 0;    // after their deadline, or never asked for
  std::uint64_t refused_handshakes = 0;  // of peers that connected to us
  std::uint64_t dropped_unproved = 0;    // above max_unproved
  std::uint64_t messages_in = 0, messages_out = 0;
};

class TcpLinks final : public Links, private Dialler::Owner {
 public:
  TcpLinks(AsioLoop& loop, LinksOptions options, LinkHandler& handler);
  ~TcpLinks() override;

  // "host:port"; port 0 picks one. Errors: invalid_argument, unavailable (cannot listen there).
  Result<> listen(const std::string& address);
  // With the port that was picked; empty before listen().
  std::string bound_address() const;
  // For handshakes from now on. Two ends that both know a store_id must know the same one.
  void set_store_id(const std::string& store_id);
  // Listens and dials no more, says goodbye on every link, and flushes them within close_timeout;
  // on_link_down comes for each. Then runs `done`.
  void shutdown(Callback done = {});

  void dial(Role role, const std::string& node_id, const std::string& address) override;
  // Stops trying. A link that is up stays up: close() ends it.
  void undial(Role role, const std::string& node_id) override;
  bool send(LinkId link, Message message) override;
  void call(LinkId link, ApiRequest request, Duration timeout, ApiResponder respond) override;
  void close(LinkId link, const std::string& reason) override;

  const LinksCounters& counters() const { return counters_; }

 private:
  using Peer = std::pair<Role, std::string>;
  struct Link;
  class Answer;
  struct Held {
    Opening::Opened opened;
    std::unique_ptr<Timer> bound;
  };

  Identity identity() const override;
  const std::string& secret() const override { return options_.secret; }
  void on_dialled(const Handshake::Target& target, Opening::Opened opened) override;
  void on_failed(const Handshake::Target& target, DialError error, const std::string& reason) override;

  void on_accept(std::unique_ptr<Stream> stream);
  void on_accepted(Opening::Opened opened);
  bool must_wait_for_own_try(const Peer& peer) const;
  void adopt(Opening::Opened opened, bool dialled_by_us, bool dialled_unnamed);
  void adopt_held(const Peer& peer);
  void take_down(LinkId id, const std::string& reason);
  // The diallers that this link satisfies: by its peer's name, and perhaps one that did not know the name.
  std::vector<Dialler*> diallers_of(const Peer& peer, bool unnamed) const;
  void end_gracefully(Link& link, const std::string& reason);
  void drained(Channel* channel);

  void on_frame(Link& link, const Frame& frame);
  void on_request_frame(Link& link, const Frame& frame);
  void answer(LinkId id, const FrameHeader& request, const Result<ApiReply>& reply);

  AsioLoop& loop_;
  LinksOptions options_;
  LinkHandler& handler_;
  LinksCounters counters_;
  std::unique_ptr<TcpListener> listener_;
  std::list<std::shared_ptr<Opening>> unproved_;  // oldest first
  std::map<Peer, Held> held_;                     // proved, waiting for our own try
  std::map<Peer, std::unique_ptr<Dialler>> diallers_;
  LinkId last_link_ = 0;
  std::map<LinkId, std::unique_ptr<Link>> links_;
  std::map<Peer, LinkId> by_peer_;
  std::map<Channel*, std::shared_ptr<Channel>> draining_;
  PendingCalls calls_;
  bool shut_down_ = false;
  Callback shutdown_done_;
  std::shared_ptr<TcpLinks*> alive_;  // what may outlive us holds it weakly
};

}  // namespace ringmaster
