#include "registry/node_settings.h"

#include <array>
#include <limits>
#include <random>

#include <unistd.h>

#include "base/address.h"
#include "base/secret_file.h"
#include "registry/member_id.h"

namespace ringmaster {
namespace {

std::string host_name(std::string_view otherwise) {
  std::array<char, 256> name{};
  const bool ok = ::gethostname(name.data(), name.size() - 1) == 0;
  return ok && validate_member_id(name.data()) ? name.data() : std::string(otherwise);
}

bool is_wildcard(const std::string& address) {
  const auto parsed = parse_address(address);
  return parsed && (parsed->host == "0.0.0.0" || parsed->host == "::");
}

}  // namespace

std::vector<Setting> declare_node_settings(std::string_view what, std::string_view listen) {
  using enum SettingType;
  const std::string a(what);
  return {
      {"node_id", text, host_name(what), "this " + a + "'s name, unique in its cluster"},
      {"cluster", text, "default", "the cluster that it belongs to"},
      {"listen", address, std::string(listen), "where other nodes and clients reach it; port 0 picks one"},
      {"advertise", address, "", "what they dial, if not the address it listens on"},
      {"zookeeper", text, "127.0.0.1:2181", "host:port,host:port of the ZooKeeper ensemble"},
      {"session_timeout", duration, "10s", "how long ZooKeeper keeps a silent " + a},
      {"secret_file", text, "", "file with the cluster's secret, mode 600"},
      live({"log_level", text, "info", "debug, info, warning or error"}),
      {"log_format", text, "text", "text, or json: one object a line"},
  };
}

Result<> check_exposure(std::string_view key, const std::string& address, const std::string& secret) {
  if (is_loopback(address) || !secret.empty()) return {};
  return fail(ErrorCode::invalid_argument,
              std::string(key) + ": " + address +
                  " can be reached from other machines: give secret_file too, or listen on 127.0.0.1",
              std::string(key));
}

Result<> read_node_settings(const Settings& settings, NodeSettings& read) {
  read.node_id = settings.get_string("node_id");
  read.cluster = settings.get_string("cluster");
  read.listen = settings.get_string("listen");
  read.advertise = settings.get_string("advertise");
  read.zookeeper = settings.get_string("zookeeper");
  read.session_timeout = settings.get_duration("session_timeout");
  if (auto valid = validate_member_id(read.node_id, "node_id"); !valid) return valid;
  if (auto valid = validate_member_id(read.cluster, "cluster"); !valid) return valid;
  const auto level = parse_log_level(settings.get_string("log_level"));
  if (!level) {
    return fail(ErrorCode::invalid_argument, "log_level: debug, info, warning or error are allowed",
                "log_level");
  }
  read.log_level = *level;
  const std::string& format = settings.get_string("log_format");
  if (format != "text" && format != "json")
    return fail(ErrorCode::invalid_argument, "log_format: text or json is allowed", "log_format");
  read.log_format = format == "json" ? LogFormat::json : LogFormat::text;
  if (const std::string& path = settings.get_string("secret_file"); !path.empty()) {
    auto secret = read_secret_file(path);
    if (!secret) return std::unexpected(secret.error());
    read.secret = *std::move(secret);
  }
  if (auto safe = check_exposure("listen", read.listen, read.secret); !safe) return safe;
  if (read.advertise.empty() && is_wildcard(read.listen)) {
    return fail(ErrorCode::invalid_argument,
                "advertise: nobody can dial " + read.listen + ": give the address that others can dial",
                "advertise");
  }
  return validate(read.registry());
}

Incarnation new_incarnation() {
  std::random_device device;
  std::uniform_int_distribution<std::int64_t> any(1, std::numeric_limits<std::int64_t>::max());
  return Incarnation{any(device)};
}

}  // namespace ringmaster
