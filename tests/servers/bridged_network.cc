#include "tests/servers/bridged_network.h"

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include <linux/if_tun.h>

#include "tests/servers/child_process.h"
#include "tests/servers/delay_line.h"

namespace ringmaster {

namespace {

constexpr const char* kSubnet = "10.77.0.";
constexpr auto kRules = R"(
add table bridge faults
add set bridge faults severed { type ipv4_addr . ipv4_addr; }
add set bridge faults lonely { type ipv4_addr; }
add chain bridge faults through { type filter hook forward priority 0; }
add rule bridge faults through ip saddr . ip daddr @severed drop
add rule bridge faults through ip saddr @lonely drop
add rule bridge faults through ip daddr @lonely drop
)";

std::string path_of(int descriptor) {
  return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(descriptor);
}

// In the network of the calling thread.
int open_tap(const std::string& name) {
  const int tap = ::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
  ifreq request{};
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  name.copy(request.ifr_name, IFNAMSIZ - 1);
  if (tap < 0 || ::ioctl(tap, TUNSETIFF, &request) != 0) throw std::runtime_error("no TAP device " + name);
  return tap;
}

// Runs `work` in another network; what it makes stays there.
template <class Work>
auto in_network(int network, Work work) {
  const int here = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (here < 0 || ::setns(network, CLONE_NEWNET) != 0) throw std::runtime_error("cannot change networks");
  const auto made = work();
  ::setns(here, CLONE_NEWNET);
  ::close(here);
  return made;
}

}  // namespace

BridgedNetwork::BridgedNetwork() {
  if (!bridge_.made()) return;
  std::string pattern = (std::filesystem::temp_directory_path() / "ringmaster-network-XXXXXX").string();
  directory_ = ::mkdtemp(pattern.data());
  run("links", {"ip", "link", "add", "br0", "type", "bridge", "forward_delay", "0"});
  run("links", {"ip", "address", "add", std::string(kSubnet) + "254/24", "dev", "br0"});
  run("links", {"ip", "link", "set", "br0", "up"});
  run("rules", {"nft", kRules});
  made_ = true;
}

BridgedNetwork::~BridgedNetwork() {
  for (auto& [name, node] : nodes_) {
    node.line.reset();
    ::close(node.network);
  }
  std::error_code ignored;
  if (!directory_.empty()) std::filesystem::remove_all(directory_, ignored);
}

Place BridgedNetwork::place(const std::string& name) {
  if (const auto found = nodes_.find(name); found != nodes_.end()) return place_of(found->second);
  Node& node = make_node(name);
  const std::string outer = "v" + std::to_string(node.number);
  run("links",
      {"ip", "link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", path_of(node.network)});
  run("links", {"ip", "link", "set", outer, "master", "br0", "up"});
  run("links", {"ip", "address", "add", place_of(node).address + "/24", "dev", "eth0"}, place_of(node));
  run("links", {"ip", "link", "set", "eth0", "up"}, place_of(node));
  return place_of(node);
}

Place BridgedNetwork::place_with_line(const std::string& name) {
  Node& node = make_node(name);
  const std::string outer = "t" + std::to_string(node.number);
  const int inside = in_network(node.network, [] { return open_tap("eth0"); });
  node.line = std::make_unique<DelayLine>(inside, open_tap(outer));
  run("links", {"ip", "link", "set", outer, "master", "br0", "up"});
  run("links", {"ip", "address", "add", place_of(node).address + "/24", "dev", "eth0"}, place_of(node));
  run("links", {"ip", "link", "set", "eth0", "up"}, place_of(node));
  return place_of(node);
}

BridgedNetwork::Node& BridgedNetwork::make_node(const std::string& name) {
  Node& node = nodes_[name];
  if (node.network >= 0) throw std::runtime_error(name + " has a place already");
  node.number = static_cast<int>(nodes_.size());
  const NetworkNamespace made;  // left at once; the descriptor keeps it
  node.network = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  return node;
}

Place BridgedNetwork::place_of(const Node& node) const {
  return {.address = kSubnet + std::to_string(node.number), .network = node.network};
}

std::string BridgedNetwork::address_of(const std::string& name) const {
  return place_of(nodes_.at(name)).address;
}

void BridgedNetwork::cut_one_way(const std::string& from, const std::string& to) {
  run("rules",
      {"nft", "add element bridge faults severed { " + address_of(from) + " . " + address_of(to) + " }"});
}

void BridgedNetwork::cut(const std::string& one, const std::string& other) {
  cut_one_way(one, other);
  cut_one_way(other, one);
}

void BridgedNetwork::isolate(const std::string& name) {
  run("rules", {"nft", "add element bridge faults lonely { " + address_of(name) + " }"});
}

void BridgedNetwork::mend_one_way(const std::string& from, const std::string& to) {
  run("rules",
      {"nft", "delete element bridge faults severed { " + address_of(from) + " . " + address_of(to) + " }"});
}

void BridgedNetwork::mend(const std::string& one, const std::string& other) {
  mend_one_way(one, other);
  mend_one_way(other, one);
}

void BridgedNetwork::rejoin(const std::string& name) {
  run("rules", {"nft", "delete element bridge faults lonely { " + address_of(name) + " }"});
}

void BridgedNetwork::heal() {
  run("rules", {"nft", "flush set bridge faults severed; flush set bridge faults lonely"});
}

void BridgedNetwork::disturb(const std::string& name, std::chrono::milliseconds delay, unsigned loses) {
  Node& node = nodes_.at(name);
  if (!node.line) throw std::runtime_error(name + " has no line of its own");
  node.line->disturb(delay, loses);
}

std::size_t BridgedNetwork::reset_connections(const std::string& name) {
  ChildProcess killed({"ss", "--no-header", "--tcp", "--kill", "state", "established"},
                      {.output = directory_ + "/reset", .place = place_of(nodes_.at(name))});
  if (killed.wait(std::chrono::seconds(10)) != 0) throw std::runtime_error("ss --kill: " + killed.output());
  const std::string lines = killed.output();
  std::filesystem::remove(directory_ + "/reset");
  return static_cast<std::size_t>(std::ranges::count(lines, '\n'));
}

void BridgedNetwork::run(const std::string& what, std::vector<std::string> argv, const Place& at) const {
  const std::string command = argv.front() + " " + argv.back();
  ChildProcess process(std::move(argv), {.output = directory_ + "/" + what, .place = at});
  if (process.wait(std::chrono::seconds(10)) != 0)
    throw std::runtime_error(command + ": " + process.output());
}

}  // namespace ringmaster
