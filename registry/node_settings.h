// The settings that every daemon has, because each is a member of a cluster: who it is, where it is reached,
// where it registers. Pure, but for the host's name and the secret file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/daemon_log.h"
#include "base/ids.h"
#include "base/settings.h"
#include "registry/zookeeper_registry.h"

namespace ringmaster {

struct NodeSettings {
  std::string node_id;
  std::string cluster;
  std::string listen;
  std::string advertise;  // empty: the address that was bound
  std::string zookeeper;
  Duration session_timeout{0};
  std::string secret;
  LogLevel log_level = LogLevel::info;
  LogFormat log_format = LogFormat::text;

  ZooKeeperOptions registry() const {
    return {.hosts = zookeeper, .cluster = cluster, .session_timeout = session_timeout};
  }
};

// `what` is `master` or `worker`, for descriptions; `listen` the default address.
std::vector<Setting> declare_node_settings(std::string_view what, std::string_view listen);
// Errors: invalid_argument with `field` and what is allowed.
Result<> read_node_settings(const Settings& settings, NodeSettings& read);

// Whoever reaches such a port can run commands on every worker: loopback, or a secret.
Result<> check_exposure(std::string_view key, const std::string& address, const std::string& secret);

// Of a life that begins: random, from the system's source.
Incarnation new_incarnation();

}  // namespace ringmaster
