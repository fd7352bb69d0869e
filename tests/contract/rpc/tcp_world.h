// A world of TcpLinks over loopback: each node has a loop of its own, and one thread turns them all.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "rpc/tcp_links.h"
#include "tests/contract/rpc/links_world.h"

namespace ringmaster {

class TcpWorld final : public LinksWorld {
 public:
  class Node final : public LinksNode {
   public:
    Node(TcpWorld& world, LinksOptions options, LinkHandler& handler)
        : world_(world), links_(loop, std::move(options), handler) {
      world_.nodes_.push_back(this);
    }
    ~Node() override { std::erase(world_.nodes_, this); }
    Links& links() override { return links_; }
    TcpLinks& tcp() { return links_; }
    std::string listen() override {
      const auto listening = links_.listen("127.0.0.1:0");
      EXPECT_TRUE(listening.has_value()) << (listening ? "" : listening.error().message);
      return links_.bound_address();
    }
    void freeze(bool frozen) override { frozen_ = frozen; }
    bool frozen() const { return frozen_; }

    AsioLoop loop;

   private:
    TcpWorld& world_;
    TcpLinks links_;
    bool frozen_ = false;
  };

  std::unique_ptr<LinksNode> make_node(const LinksNodeOptions& options, LinkHandler& handler) override {
    LinksOptions tcp = defaults;
    tcp.cluster = options.cluster;
    tcp.secret = options.secret;
    tcp.role = options.role;
    tcp.node_id = options.node_id;
    tcp.incarnation = options.incarnation;
    tcp.store_id = options.store_id;
    return std::make_unique<Node>(*this, std::move(tcp), handler);
  }

  std::string dead_address() override {
    // A port that was ours a moment ago, and nobody's now.
    AsioLoop loop;
    auto listener = TcpListener::listen(loop, "127.0.0.1:0", std::chrono::seconds(1), [](auto) {});
    return (*listener)->address();
  }

  bool run_until(const std::function<bool()>& done, Duration limit) override {
    const auto end = read_mono_clock() + limit;
    while (!done()) {
      if (read_mono_clock() > end) return false;
      std::size_t ran = 0;
      AsioLoop* awake = nullptr;
      for (Node* node : std::vector(nodes_)) {
        if (node->frozen()) continue;
        ran += node->loop.context().poll();
        awake = &node->loop;
      }
      if (ran == 0 && awake != nullptr) awake->context().run_one_for(std::chrono::microseconds(500));
    }
    return true;
  }

  Duration dead_after() override { return defaults.dead_after; }

  LinksOptions defaults = [] {
    LinksOptions options;
    options.heartbeat_interval = std::chrono::milliseconds(100);
    options.dead_after = std::chrono::milliseconds(400);
    return options;
  }();

 private:
  std::vector<Node*> nodes_;
};

}  // namespace ringmaster
