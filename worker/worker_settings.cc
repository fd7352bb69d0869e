#include "worker/worker_settings.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>
#include <thread>

#include <unistd.h>

#include "base/address.h"
#include "base/secret_file.h"
#include "registry/member_id.h"

namespace ringmaster {
namespace {

constexpr std::int64_t kMaxSlots = 100'000;
constexpr std::size_t kMaxGroups = 64;
constexpr std::size_t kMaxGroupName = 64;

std::string host_name() {
  std::array<char, 256> name{};
  const bool ok = ::gethostname(name.data(), name.size() - 1) == 0;
  return ok && validate_member_id(name.data()) ? name.data() : "worker";
}

std::string core_count() {
  return std::to_string(std::max(1U, std::thread::hardware_concurrency()));
}

bool is_group_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= kMaxGroupName && std::ranges::all_of(name, allowed);
}

Result<> check_groups(const std::vector<std::string>& groups) {
  if (groups.empty() || groups.size() > kMaxGroups) {
    return fail(ErrorCode::invalid_argument, "groups: 1 to 64 names are allowed", "groups");
  }
  for (const std::string& group : groups) {
    if (is_group_name(group)) continue;
    return fail(ErrorCode::invalid_argument,
                "groups: `" + group + "` is not allowed: 1 to 64 letters, digits, `.`, `_` and `-`",
                "groups");
  }
  return {};
}

bool is_wildcard(const std::string& address) {
  const auto parsed = parse_address(address);
  return parsed && (parsed->host == "0.0.0.0" || parsed->host == "::");
}

Result<> check_addresses(const WorkerSettings& settings) {
  if (!is_loopback(settings.listen) && settings.secret.empty()) {
    return fail(ErrorCode::invalid_argument,
                "listen: " + settings.listen +
                    " can be reached from other machines: give secret_file too, or listen on 127.0.0.1",
                "listen");
  }
  if (settings.advertise.empty() && is_wildcard(settings.listen)) {
    return fail(ErrorCode::invalid_argument,
                "advertise: masters cannot dial " + settings.listen + ": give the address that they can dial",
                "advertise");
  }
  return {};
}

}  // namespace

std::vector<Setting> declare_worker_settings() {
  using enum SettingType;
  return {
      {"node_id", text, host_name(), "this worker's name, unique in its cluster"},
      {"cluster", text, "default", "the cluster that it belongs to"},
      {"listen", address, "127.0.0.1:7430", "where masters reach it; port 0 picks one"},
      {"advertise", address, "", "what masters dial, if not the address it listens on"},
      {"zookeeper", text, "127.0.0.1:2181", "host:port,host:port of the ZooKeeper ensemble"},
      {"session_timeout", duration, "10s", "how long ZooKeeper keeps a silent worker"},
      {"groups", list, "default", "the groups whose tasks it runs"},
      {"slots", integer, core_count(), "attempts that run at the same time", 1, kMaxSlots},
      {"prefetch", integer, "2", "attempts granted to masters for each slot", 1, 100},
      {"weight", integer, "1", "its share of the hash ring", 1, 1000},
      {"data_dir", text, "ringworker-data", "spool and logs; must survive a restart, never shared"},
      {"secret_file", text, "", "file with the cluster's secret, mode 600"},
      {"drain_timeout", duration, "30s", "how long running attempts may take to end at a stop"},
      {"log_level", text, "info", "debug, info, warning or error"},
  };
}

Result<WorkerSettings> read_worker_settings(const Settings& settings) {
  const auto number = [&](std::string_view name) {
    return static_cast<std::uint32_t>(settings.get_int(name));
  };
  WorkerSettings read;
  read.node_id = settings.get_string("node_id");
  read.cluster = settings.get_string("cluster");
  read.listen = settings.get_string("listen");
  read.advertise = settings.get_string("advertise");
  read.zookeeper = settings.get_string("zookeeper");
  read.session_timeout = settings.get_duration("session_timeout");
  read.groups = settings.get_list("groups");
  read.slots = number("slots");
  read.prefetch = number("prefetch");
  read.weight = number("weight");
  read.data_dir = settings.get_string("data_dir");
  read.drain_timeout = settings.get_duration("drain_timeout");

  if (auto valid = validate_member_id(read.node_id, "node_id"); !valid) return std::unexpected(valid.error());
  if (auto valid = validate_member_id(read.cluster, "cluster"); !valid) return std::unexpected(valid.error());
  if (auto valid = check_groups(read.groups); !valid) return std::unexpected(valid.error());
  if (read.data_dir.empty())
    return fail(ErrorCode::invalid_argument, "data_dir: a directory is needed", "data_dir");
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
  if (auto valid = check_addresses(read); !valid) return std::unexpected(valid.error());
  return read;
}

}  // namespace ringmaster
