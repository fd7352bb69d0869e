#include "master/master_settings.h"

namespace ringmaster {

std::vector<Setting> declare_master_settings() {
  using enum SettingType;
  std::vector<Setting> all = declare_node_settings("master", "127.0.0.1:7420");
  const std::vector<Setting> own = {
      {"http_listen", address, "127.0.0.1:7480", "where the HTTP API is served; port 0 picks one"},
      {"database", text, "", "PostgreSQL: a connection string or URI"},
      {"connections", integer, "4", "connections to PostgreSQL", 1, 64},
      live({"worker_timeout", duration, "10s",
            "how long a registered worker may be out of reach before it is lost"}),
      live({"max_crashes", integer, "3", "workers that die while they run a task, before it is quarantined",
            1, 100}),
      live({"retention", duration, "30d", "how long ended tasks are kept"}),
      {"lane_window", integer, "20000", "waiting tasks of one group kept in memory", 100, 10'000'000},
      {"waiting_window", integer, "200000", "waiting tasks of all groups kept in memory", 1'000, 100'000'000},
      live({"stop_timeout", duration, "20s", "how long an orderly stop may take"}),
      {"audit_interval", duration, "1m", "between two audits, which one master makes for all; 0s makes none"},
  };
  all.insert(all.end(), own.begin(), own.end());
  return all;
}

Result<MasterSettings> read_master_settings(const Settings& settings) {
  MasterSettings read;
  if (auto node = read_node_settings(settings, read); !node) return std::unexpected(node.error());
  read.http_listen = settings.get_string("http_listen");
  read.database = settings.get_string("database");
  read.connections = static_cast<std::uint32_t>(settings.get_int("connections"));
  read.worker_timeout = settings.get_duration("worker_timeout");
  read.max_crashes = static_cast<std::int32_t>(settings.get_int("max_crashes"));
  read.retention = settings.get_duration("retention");
  read.lane_window = static_cast<std::uint32_t>(settings.get_int("lane_window"));
  read.waiting_window = static_cast<std::uint32_t>(settings.get_int("waiting_window"));
  read.stop_timeout = settings.get_duration("stop_timeout");
  read.audit_interval = settings.get_duration("audit_interval");
  if (read.worker_timeout < std::chrono::seconds(1))
    return fail(ErrorCode::invalid_argument, "worker_timeout: at least 1s", "worker_timeout");
  if (read.retention < std::chrono::hours(1))
    return fail(ErrorCode::invalid_argument, "retention: at least 1h", "retention");
  if (read.audit_interval != Duration{0} && read.audit_interval < std::chrono::seconds(1))
    return fail(ErrorCode::invalid_argument, "audit_interval: at least 1s, or 0s", "audit_interval");
  if (read.database.empty()) {
    return fail(
        ErrorCode::invalid_argument,
        "database: a connection string is needed, such as `postgresql://ringmaster@127.0.0.1/ringmaster`",
        "database");
  }
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
