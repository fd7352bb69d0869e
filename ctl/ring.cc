// The noun `ring`: offline questions about consistent hashing.
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>
#include <unistd.h>

#include "base/hash_ring.h"
#include "base/streampark_ring.h"
#include "ctl/ctl.h"
#include "ctl/exit_code.h"
#include "ctl/json_list.h"
#include "ctl/line_reader.h"
#include "ctl/option_values.h"

namespace ringmaster {
namespace {

constexpr std::uint64_t kMaxPoints = 1U << 28;  // 3 GiB of ring

struct RingFlags {
  std::string mode = "ringmaster";
  std::string servers;
  std::optional<std::uint32_t> virtual_nodes;
};

using OwnerOf = std::function<std::string(const std::string&)>;

Result<OwnerOf> make_ring(const RingFlags& flags) {
  const std::vector<std::string> servers = split_list(flags.servers);
  if (servers.empty()) return fail(ErrorCode::invalid_argument, "name at least one server: a,b,c", "servers");
  const bool streampark = flags.mode == "streampark";
  if (streampark && flags.virtual_nodes && *flags.virtual_nodes != StreamparkRing::kVirtualNodes) {
    return fail(ErrorCode::invalid_argument, "StreamPark's ring always has 131072", "virtual_nodes");
  }
  const std::uint32_t points =
      flags.virtual_nodes.value_or(streampark ? StreamparkRing::kVirtualNodes : HashRing::kVirtualNodes);
  if (servers.size() > kMaxRingServers || points * servers.size() > kMaxPoints) {
    return fail(ErrorCode::invalid_argument, "too many servers, or points in all", "servers");
  }
  if (streampark) {
    auto ring = std::make_shared<StreamparkRing>(servers);
    return [ring](const std::string& key) { return std::string(ring->owner(key)->name); };
  }
  return [ring = HashRing(servers, points)](const std::string& key) { return std::string(*ring.owner(key)); };
}

int owner(Ctl& ctl, const RingFlags& flags) {
  const auto owner_of = make_ring(flags);
  if (!owner_of) return ctl.failed(owner_of.error());
  LineReader keys(STDIN_FILENO);
  JsonList list(ctl);
  while (true) {
    const auto key = keys.next();
    if (!key) return ctl.failed(key.error());
    if (!*key) break;
    const std::string name = (*owner_of)(**key);
    if (ctl.json()) list.add(boost::json::object{{"key", **key}, {"owner", name}});
    if (!ctl.json()) ctl.out() << **key << '\t' << name << '\n';
    if (keys.would_block()) ctl.out() << std::flush;
  }
  if (ctl.json()) list.end();
  return kExitOk;
}

}  // namespace

void add_ring_commands(CLI::App& app, Ctl& ctl) {
  CLI::App* ring = app.add_subcommand("ring", "Ask a hash ring, offline");
  ring->require_subcommand(1);
  CLI::App* owner_app = ring->add_subcommand("owner", "Print key<TAB>owner for each key on stdin");
  auto flags = std::make_shared<RingFlags>();
  one_of(owner_app->add_option("--mode", flags->mode,
                               "streampark: the ring of Apache StreamPark (default: ringmaster)"),
         {"ringmaster", "streampark"});
  owner_app->add_option("--servers", flags->servers, "Names: a,b,c; their order matters for streampark only")
      ->required()
      ->type_name("NAMES");
  owner_app
      ->add_option("--virtual-nodes", flags->virtual_nodes,
                   "Points of each server (default: 4096; streampark: 131072)")
      ->check(positive_number())
      ->type_name("N");
  owner_app->footer("Example:\n  seq 1 5 | ringctl ring owner --servers worker-1,worker-2,worker-3");
  owner_app->callback([&ctl, flags] { ctl.action = [&ctl, flags] { return owner(ctl, *flags); }; });
}

}  // namespace ringmaster
