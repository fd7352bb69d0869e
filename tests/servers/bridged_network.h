// BridgedNetwork: nodes in network namespaces of their own, joined by a bridge where packets can be lost one
// way, both ways, at random or late. The calling thread, and whatever it starts without a place, stays at the
// bridge and reaches all nodes. Nothing else on the machine sees it; it is gone with its last process. Needs
// root: else made() is false. One thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/servers/network_namespace.h"
#include "tests/servers/place.h"

namespace ringmaster {

class DelayLine;

class BridgedNetwork {
 public:
  BridgedNetwork();
  ~BridgedNetwork();
  BridgedNetwork(const BridgedNetwork&) = delete;
  BridgedNetwork& operator=(const BridgedNetwork&) = delete;

  bool made() const { return made_; }

  // The node of this name, made when it is first asked for.
  Place place(const std::string& name);
  // The same with a line of its own that can be disturbed.
  Place place_with_line(const std::string& name);

  void cut_one_way(const std::string& from, const std::string& to);
  void cut(const std::string& one, const std::string& other);
  void isolate(const std::string& name);  // from all other nodes; whoever is at the bridge still reaches it
  void mend_one_way(const std::string& from, const std::string& to);  // what was cut just so
  void mend(const std::string& one, const std::string& other);
  void rejoin(const std::string& name);  // what was isolated
  void heal();                           // all of the above

  // From now on what this node sends or gets comes `delay` later, and one frame in `loses` never (0: none).
  void disturb(const std::string& name, std::chrono::milliseconds delay, unsigned loses);
  // Ends every TCP connection of the node by a reset; how many there were.
  std::size_t reset_connections(const std::string& name);

 private:
  struct Node {
    int number = 0;
    int network = -1;
    std::unique_ptr<DelayLine> line;
  };

  Node& make_node(const std::string& name);
  Place place_of(const Node& node) const;
  std::string address_of(const std::string& name) const;
  void run(const std::string& what, std::vector<std::string> argv, const Place& at = {}) const;

  NetworkNamespace bridge_;
  bool made_ = false;
  std::string directory_;
  std::map<std::string, Node> nodes_;
};

}  // namespace ringmaster
