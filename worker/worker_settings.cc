#include "worker/worker_settings.h"

#include <algorithm>
#include <string_view>
#include <thread>

#include <unistd.h>

#include "base/name.h"
#include "worker/account.h"
#include "worker/attempt_cgroups.h"
#include "worker/attempt_limits.h"
#include "worker/secret_store.h"

namespace ringmaster {
namespace {

constexpr std::int64_t kMaxSlots = 100'000;
constexpr std::size_t kMaxGroups = 64;
constexpr std::int64_t kLeastLogSize = 4096;
constexpr std::int64_t kMostMemory = std::int64_t{1} << 50;
constexpr std::int64_t kMostProcesses = 4 * 1024 * 1024;  // the kernel's own bound
constexpr Duration kLeastLogRetention = std::chrono::minutes(1);

std::string core_count() {
  return std::to_string(std::max(1U, std::thread::hardware_concurrency()));
}

Result<> check_groups(const std::vector<std::string>& groups) {
  if (groups.empty() || groups.size() > kMaxGroups) {
    return fail(ErrorCode::invalid_argument, "groups: 1 to 64 names are allowed", "groups");
  }
  for (const std::string& group : groups) {
    if (is_name(group)) continue;
    return fail(ErrorCode::invalid_argument,
                "groups: `" + group + "` is not allowed: 1 to 64 letters, digits, `.`, `_` and `-`",
                "groups");
  }
  return {};
}

// A name that is wrong would otherwise show at the first task that needs it.
Result<> check_users(const WorkerSettings& read) {
  const auto check = [](const std::string& name, const std::string& field) -> Result<> {
    const auto account = look_up_account(name);
    if (!account && account.error().code == ErrorCode::invalid_argument)
      return fail(ErrorCode::invalid_argument, field + ": there is no user " + name + " on this host", field);
    if (account && account->identity.uid != ::geteuid() && ::geteuid() != 0)
      return fail(ErrorCode::invalid_argument,
                  field + ": the worker must run as root to run attempts as user " + name, field);
    const auto missing = missing_capabilities(effective_capabilities());
    if (account && account->identity.uid != ::geteuid() && !missing.empty())
      return fail(ErrorCode::invalid_argument,
                  field + ": to run attempts as user " + name + " the worker needs " + missing, field);
    return {};
  };
  for (const std::string& name : read.allowed_users) {
    if (auto known = check(name, "allowed_users"); !known) return known;
  }
  return read.default_user.empty() ? Result<>() : check(read.default_user, "default_user");
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
      {"log_max_size", size, "10MiB", "the newest output of an attempt: a file, and one before it",
       kLeastLogSize, kMostMemory},
      live({"log_total_size", size, "10GiB",
            "output of all attempts, approximately: what runs is kept, the rest is looked at each minute, "
            "the oldest goes first; 0 sets no bound",
            0, kMostMemory}),
      {"allowed_users", list, "", "users that a task may run as (`run_as`); the worker must be root"},
      {"default_user", text, "", "user of tasks without `run_as`; else the worker's own"},
      {"secrets_dir", text, "", "directory of the secrets that tasks may use, one file each"},
      {"cgroup_root", text, "off", "cgroups for attempts: off, auto (the worker's own), or a path"},
      {"max_memory", size, "", "memory of one attempt at most; 0 sets no bound", 0, kMostMemory},
      {"max_processes", integer, "", "processes of one attempt at most; 0 sets no bound", 0, kMostProcesses},
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
  read.allowed_users = settings.get_list("allowed_users");
  read.default_user = settings.get_string("default_user");
  read.log_max_size = settings.get_size("log_max_size");
  read.log_total_size = settings.get_size("log_total_size");
  read.cgroup_root = settings.get_string("cgroup_root");
  read.secrets_dir = settings.get_string("secrets_dir");
  read.max_memory = settings.get_size("max_memory");
  read.max_processes = settings.get_int("max_processes");
  read.report_redials = static_cast<int>(settings.get_int("report_redials"));

  if (auto valid = check_groups(read.groups); !valid) return std::unexpected(valid.error());
  if (read.log_retention < kLeastLogRetention)
    return fail(ErrorCode::invalid_argument,
                "log_retention: at least 1m, or the output of what runs would go too", "log_retention");
  if (read.data_dir.empty())
    return fail(ErrorCode::invalid_argument, "data_dir: a directory is needed", "data_dir");
  if (read.max_memory > 0 && read.max_memory < kLeastMemory)
    return fail(ErrorCode::invalid_argument, "max_memory: at least 4MiB, or 0 for no bound", "max_memory");
  if (auto known = check_users(read); !known) return std::unexpected(known.error());
  if (read.max_processes > 0 && read.cgroup_root == "off" && read.default_user.empty() && ::geteuid() == 0)
    return fail(ErrorCode::invalid_argument,
                "max_processes: the kernel holds root to none; set cgroup_root or default_user too",
                "max_processes");
  if (auto found = find_cgroup_roots(read.cgroup_root); !found) return std::unexpected(found.error());
  if (auto trusted = SecretStore(read.secrets_dir).check(); !trusted) return std::unexpected(trusted.error());
  return read;
}

}  // namespace ringmaster
