// Links: the channels of one node to its peers. Real (TcpLinks) and simulated (tests/sim); shells see only
// this.
//
// Guarantees: messages of one link arrive in order, each at most once, until the link goes down; then nothing
// more of it arrives. A new link of the same peer (role, node id) replaces the older one: the older goes down
// first, and what it still had unread is dropped. on_link_up comes before the first message, on_link_down
// after the last; both come once. Every call and callback is on the loop's thread; no callback runs inside a
// call of Links.
#pragma once

#include <cstdint>
#include <string>

#include "base/api.h"
#include "base/ids.h"
#include "base/messages.h"

namespace ringmaster {

enum class Role : std::uint8_t { master = 1, worker = 2, client = 3 };

struct PeerInfo {
  Role role = Role::client;
  std::string node_id;
  Incarnation incarnation;
  std::string version;
  bool dialled_by_us = false;
  std::string store_id{};  // the database that it belongs to, from its handshake; empty: it knows none yet
};

enum class DialError : std::uint8_t {
  refused,      // connection refused: nobody listens there
  unreachable,  // no answer in time, no route
  rejected,     // the handshake failed: wrong secret, cluster, store, protocol, or node id
};

class LinkHandler {
 public:
  virtual ~LinkHandler() = default;
  virtual void on_link_up(LinkId link, const PeerInfo& peer) = 0;
  virtual void on_link_down(LinkId link, const PeerInfo& peer, const std::string& reason) = 0;
  // One failed try to dial `peer`; more follow with jittered back-off until undial.
  virtual void on_dial_failed(Role role, const std::string& node_id, DialError error,
                              const std::string& reason) = 0;
  virtual void on_message(LinkId link, Message message) = 0;
  // A correlated request. `respond` may be called later; a reply to a link that has gone is dropped.
  virtual void on_request(LinkId link, ApiRequest request, ApiResponder respond) = 0;
};

class Links {
 public:
  virtual ~Links() = default;
  // Keeps a channel to this peer up, redialling until undial. No node id: whoever of this role answers there.
  // A new address for a known peer redials there.
  virtual void dial(Role role, const std::string& node_id, const std::string& address) = 0;
  virtual void undial(Role role, const std::string& node_id) = 0;
  // False: the link is gone (or just closed, because the peer reads too slowly). True says nothing about
  // arrival.
  virtual bool send(LinkId link, Message message) = 0;
  // A request with a deadline; answered exactly once. Errors: unavailable (link gone before it was sent),
  // unknown_outcome (gone afterwards), deadline_exceeded, or the peer's own.
  virtual void call(LinkId link, ApiRequest request, Duration timeout, ApiResponder respond) = 0;
  virtual void close(LinkId link, const std::string& reason) = 0;
};

}  // namespace ringmaster
