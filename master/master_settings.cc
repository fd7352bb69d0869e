#include "master/master_settings.h"

#include <array>

#include <unistd.h>

#include "base/address.h"
#include "base/secret_file.h"
#include "registry/member_id.h"

namespace ringmaster {

namespace {

std::string host_name() {
  std::array<char, 256> name{};
  const bool ok = ::gethostname(name.data(), name.size() - 1) == 0;
  return ok && validate_member_id(name.data()) ? name.data() : "master";
}

// Whoever reaches these ports can run commands on every worker.
Result<> check_exposure(const char* key, const std::string& address, const std::string& secret) {
  if (is_loopback(address) || !secret.empty()) return {};
  return fail(ErrorCode::invalid_argument,
              std::string(key) + ": " + address +
                  " can be reached from other machines: give secret_file too, or listen on 127.0.0.1",
              key);
}

}  // namespace

std::vector<Setting> declare_master_settings() {
  using enum SettingType;
  return {
      {"node_id", text, host_name(), "this master's name, unique in its cluster"},
      {"cluster", text, "default", "the cluster that it belongs to"},
      {"listen", address, "127.0.0.1:7420", "where clients, masters and workers reach it; port 0 picks one"},
      {"advertise", address, "", "what other nodes dial, if not the address it listens on"},
      {"http_listen", address, "127.0.0.1:7480", "where the HTTP API is served; port 0 picks one"},
      {"database", text, "", "PostgreSQL: a connection string or URI"},
      {"zookeeper", text, "127.0.0.1:2181", "host:port,host:port of the ZooKeeper ensemble"},
      {"session_timeout", duration, "10s", "how long ZooKeeper keeps a silent master"},
      {"secret_file", text, "", "file with the cluster's secret, mode 600"},
      {"connections", integer, "4", "connections to PostgreSQL", 1, 64},
      {"worker_timeout", duration, "10s",
       "how long a registered worker may be out of reach before it is lost"},
      {"retention", duration, "30d", "how long ended tasks are kept"},
      {"lane_window", integer, "20000", "waiting tasks of one group kept in memory", 100, 10'000'000},
      {"stop_timeout", duration, "20s", "how long an orderly stop may take"},
      {"log_level", text, "info", "debug, info, warning or error"},
  };
}

Result<MasterSettings> read_master_settings(const Settings& settings) {
  MasterSettings read;
  read.node_id = settings.get_string("node_id");
  read.cluster = settings.get_string("cluster");
  read.listen = settings.get_string("listen");
  read.advertise = settings.get_string("advertise");
  read.http_listen = settings.get_string("http_listen");
  read.database = settings.get_string("database");
  read.zookeeper = settings.get_string("zookeeper");
  read.session_timeout = settings.get_duration("session_timeout");
  read.connections = static_cast<std::uint32_t>(settings.get_int("connections"));
  read.worker_timeout = settings.get_duration("worker_timeout");
  read.retention = settings.get_duration("retention");
  read.lane_window = static_cast<std::uint32_t>(settings.get_int("lane_window"));
  read.stop_timeout = settings.get_duration("stop_timeout");
  if (auto valid = validate_member_id(read.node_id, "node_id"); !valid) return std::unexpected(valid.error());
  if (auto valid = validate_member_id(read.cluster, "cluster"); !valid) return std::unexpected(valid.error());
  if (read.database.empty()) {
    return fail(
        ErrorCode::invalid_argument,
        "database: a connection string is needed, such as `postgresql://ringmaster@127.0.0.1/ringmaster`",
        "database");
  }
  const auto level = parse_log_level(settings.get_string("log_level"));
  if (!level) {
    return fail(ErrorCode::invalid_argument, "log_level: debug, info, warning or error are allowed",
                "log_level");
  }
  read.log_level = *level;
  if (const std::string& path = settings.get_string("secret_file"); !path.empty()) {
    auto secret = read_secret_file(path);
    if (!secret) return std::unexpected(secret.error());
    read.secret = *std::move(secret);
  }
  if (auto safe = check_exposure("listen", read.listen, read.secret); !safe)
    return std::unexpected(safe.error());
  // HTTP knows no secret yet: it stays on this machine, behind a proxy that authenticates if need be.
  if (auto safe = check_exposure("http_listen", read.http_listen, {}); !safe) {
    return fail(ErrorCode::invalid_argument,
                "http_listen: " + read.http_listen +
                    " can be reached from other machines, and the HTTP API has no authentication: listen on "
                    "127.0.0.1 "
                    "and put an authenticating proxy before it",
                "http_listen");
  }
  return read;
}

}  // namespace ringmaster
