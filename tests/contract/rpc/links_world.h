// What the tests of Links stand on: a world that makes nodes and lets time pass, real or simulated, and a
// node that writes down what it hears and holds each callback against the contract. Everything is on one
// thread.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rpc/links.h"

namespace ringmaster {

struct LinksNodeOptions {
  Role role = Role::master;
  std::string node_id;
  Incarnation incarnation{1};
  std::string cluster = "test";
  std::string secret = "a secret";
  std::string store_id;
};

class LinksNode {
 public:
  virtual ~LinksNode() = default;
  virtual Links& links() = 0;
  virtual std::string listen() = 0;  // the address
  // A frozen node does nothing and answers nothing, while its connections stay open.
  virtual void freeze(bool frozen) = 0;
};

class LinksWorld {
 public:
  virtual ~LinksWorld() = default;
  virtual std::unique_ptr<LinksNode> make_node(const LinksNodeOptions& options, LinkHandler& handler) = 0;
  // Where nobody listens.
  virtual std::string dead_address() = 0;
  // Lets everything go on until `done` holds. False: it did not within `limit`.
  virtual bool run_until(const std::function<bool()>& done, Duration limit) = 0;
  // After this long without a byte a peer is dead.
  virtual Duration dead_after() = 0;
};

using LinksWorldFactory = std::unique_ptr<LinksWorld> (*)();

// A node that writes down what it hears, and holds each callback against the contract.
class RecordingNode final : public LinkHandler {
 public:
  struct Event {
    enum class Kind { up, down, dial_failed, message } kind;
    LinkId link = 0;
    PeerInfo peer;
    std::string reason;
    DialError error{};
    std::uint64_t demand = 0;  // of a MasterStatus: the messages of these tests are numbered by it
  };
  using Kind = Event::Kind;

  RecordingNode(LinksWorld& world, const LinksNodeOptions& options)
      : node_(world.make_node(options, *this)) {}

  LinksNode& node() { return *node_; }
  std::string listen() { return node_->listen(); }
  void dial(Role role, const std::string& id, const std::string& address) {
    within_call([&] { node_->links().dial(role, id, address); });
  }
  void undial(Role role, const std::string& id) {
    within_call([&] { node_->links().undial(role, id); });
  }
  bool send(LinkId link, Message message) {
    bool sent = false;
    within_call([&] { sent = node_->links().send(link, std::move(message)); });
    return sent;
  }
  bool send_number(LinkId link, std::uint64_t number) { return send(link, MasterStatus{number}); }
  void call(LinkId link, ApiRequest request, Duration timeout, ApiResponder respond) {
    within_call([&] {
      node_->links().call(link, std::move(request), timeout,
                          [this, respond = std::move(respond)](auto reply) mutable {
                            EXPECT_FALSE(calling_) << "a reply inside a call";
                            respond(std::move(reply));
                          });
    });
  }
  void close(LinkId link, const std::string& reason) {
    within_call([&] { node_->links().close(link, reason); });
  }

  LinkId link() const { return up_.empty() ? 0 : up_.back(); }  // the newest that is up
  std::size_t links_up() const { return up_.size(); }
  std::size_t count(Kind kind) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(events, [&](const Event& e) { return e.kind == kind; }));
  }
  const Event* last(Kind kind) const {
    for (auto e = events.rbegin(); e != events.rend(); ++e) {
      if (e->kind == kind) return &*e;
    }
    return nullptr;
  }
  std::vector<std::uint64_t> numbers() const {
    std::vector<std::uint64_t> result;
    for (const auto& event : events) {
      if (event.kind == Kind::message) result.push_back(event.demand);
    }
    return result;
  }

  std::vector<Event> events;
  std::vector<Message> other_messages;
  std::function<void(LinkId, ApiRequest, ApiResponder)> on_request_do;
  std::function<void(LinkId)> on_up_do;

 private:
  template <class Fn>
  void within_call(Fn fn) {
    const bool outer = std::exchange(calling_, true);
    fn();
    calling_ = outer;
  }
  void on_link_up(LinkId link, const PeerInfo& peer) override {
    EXPECT_FALSE(calling_) << "on_link_up inside a call";
    EXPECT_NE(link, 0u);
    for (const auto& event : events) EXPECT_NE(event.link, link) << "a link id came back";
    events.push_back({Kind::up, link, peer, {}});
    up_.push_back(link);
    if (on_up_do) on_up_do(link);
  }
  void on_link_down(LinkId link, const PeerInfo& peer, const std::string& reason) override {
    EXPECT_FALSE(calling_) << "on_link_down inside a call";
    EXPECT_EQ(std::erase(up_, link), 1u) << "down twice, or never up";
    events.push_back({Kind::down, link, peer, reason});
  }
  void on_dial_failed(Role role, const std::string& id, DialError error, const std::string& reason) override {
    EXPECT_FALSE(calling_) << "on_dial_failed inside a call";
    PeerInfo peer;
    peer.role = role;
    peer.node_id = id;
    events.push_back({Kind::dial_failed, 0, peer, reason, error});
  }
  void on_message(LinkId link, Message message) override {
    EXPECT_FALSE(calling_) << "on_message inside a call";
    EXPECT_TRUE(std::ranges::count(up_, link) == 1) << "a message of a link that is not up";
    if (const auto* status = std::get_if<MasterStatus>(&message)) {
      events.push_back({Kind::message, link, {}, {}, {}, status->demand});
    } else {
      other_messages.push_back(std::move(message));
    }
  }
  void on_request(LinkId link, ApiRequest request, ApiResponder respond) override {
    EXPECT_FALSE(calling_) << "on_request inside a call";
    EXPECT_TRUE(std::ranges::count(up_, link) == 1) << "a request of a link that is not up";
    if (on_request_do) return on_request_do(link, std::move(request), std::move(respond));
    respond(fail(ErrorCode::internal, "this node serves nothing"));
  }

  std::vector<LinkId> up_;
  bool calling_ = false;
  std::unique_ptr<LinksNode> node_;  // last: goes first
};

}  // namespace ringmaster
