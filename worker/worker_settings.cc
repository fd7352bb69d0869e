#include "worker/worker_settings.h"

#include <algorithm>
#include <string_view>
#include <thread>

namespace ringmaster {
namespace {

constexpr std::int64_t kMaxSlots = 100'000;
constexpr std::size_t kMaxGroups = 64;
constexpr std::size_t kMaxGroupName = 64;
constexpr Duration kLeastLogRetention = std::chrono::minutes(1);

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

}  // namespace

std::vector<Setting> declare_worker_settings() {
  using enum SettingType;
  std::vector<Setting> all = declare_node_settings("worker", "127.0.0.1:7430");
  const std::vector<Setting> own = {
      {"groups", list, "default", "the groups whose tasks it runs"},
      {"slots", integer, core_count(), "attempts that run at the same time", 1, kMaxSlots},
      {"prefetch", integer, "2", "attempts granted to masters for each slot", 1, 100},
      {"weight", integer, "1", "its share of the hash ring", 1, 1000},
      {"data_dir", text, "ringworker-data", "spool and logs; must survive a restart, never shared"},
      live({"drain_timeout", duration, "30s", "how long running attempts may take to end at a stop"}),
      live({"log_retention", duration, "7d", "how long the output of attempts is kept on this worker"}),
      {"report_redials", integer, "3", "tries to reach a task's master before others get its result", 0, 100},
  };
  all.insert(all.end(), own.begin(), own.end());
  return all;
}

Result<WorkerSettings> read_worker_settings(const Settings& settings) {
  const auto number = [&](std::string_view name) {
    return static_cast<std::uint32_t>(settings.get_int(name));
  };
  WorkerSettings read;
  if (auto node = read_node_settings(settings, read); !node) return std::unexpected(node.error());
  read.groups = settings.get_list("groups");
  read.slots = number("slots");
  read.prefetch = number("prefetch");
  read.weight = number("weight");
  read.data_dir = settings.get_string("data_dir");
  read.drain_timeout = settings.get_duration("drain_timeout");
  read.log_retention = settings.get_duration("log_retention");
  read.report_redials = static_cast<int>(settings.get_int("report_redials"));

  if (auto valid = check_groups(read.groups); !valid) return std::unexpected(valid.error());
  if (read.log_retention < kLeastLogRetention)
    return fail(ErrorCode::invalid_argument,
                "log_retention: at least 1m, or the output of what runs would go too", "log_retention");
  if (read.data_dir.empty())
    return fail(ErrorCode::invalid_argument, "data_dir: a directory is needed", "data_dir");
  return read;
}

}  // namespace ringmaster
