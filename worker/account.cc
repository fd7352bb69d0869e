#include "worker/account.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace ringmaster {
namespace {

constexpr std::size_t kFirstBuffer = 1024, kLastBuffer = 1024 * 1024;
constexpr int kFirstGroups = 64, kLastGroups = 65'536;  // the kernel's NGROUPS_MAX

std::unexpected<Error> refuse(const std::string& why) {
  return fail(ErrorCode::invalid_argument, "spec.run_as: " + why, "spec.run_as");
}

// Calls one of the getpw…_r functions with a buffer that is long enough. 0, or errno.
template <class Ask>
int ask_with_room(Ask ask, std::vector<char>& room) {
  for (std::size_t size = kFirstBuffer; size <= kLastBuffer; size *= 2) {
    room.resize(size);
    const int error = ask(room.data(), room.size());
    if (error == EINTR) size /= 2;
    if (error != EINTR && error != ERANGE) return error;
  }
  return ERANGE;
}

bool groups_of(const std::string& name, gid_t gid, std::vector<gid_t>& groups) {
  for (int room = kFirstGroups; room <= kLastGroups; room *= 2) {
    int count = room;
    groups.resize(static_cast<std::size_t>(room));
    if (::getgrouplist(name.c_str(), gid, groups.data(), &count) < 0) continue;
    groups.resize(static_cast<std::size_t>(count));
    return true;
  }
  return false;
}

std::string own_name() {
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> room;
  const uid_t own = ::geteuid();
  const auto ask = [&](char* at, std::size_t size) { return ::getpwuid_r(own, &entry, at, size, &found); };
  return ask_with_room(ask, room) == 0 && found != nullptr ? found->pw_name : "";
}

}  // namespace

Result<Account> look_up_account(const std::string& name) {
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> room;
  const auto ask = [&](char* at, std::size_t size) {
    return ::getpwnam_r(name.c_str(), &entry, at, size, &found);
  };
  const int error = ask_with_room(ask, room);
  // getpwnam(3) lists what else may mean "there is none".
  const bool none = error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM;
  if (found == nullptr && none) return refuse("there is no user " + name + " on this worker");
  if (found == nullptr) {
    return fail(ErrorCode::unavailable,
                "spec.run_as: cannot look up user " + name + ": " + std::strerror(error), "spec.run_as");
  }
  Account account{found->pw_name, found->pw_dir, {found->pw_uid, found->pw_gid, {}}};
  if (!groups_of(account.name, account.identity.gid, account.identity.groups))
    return fail(ErrorCode::unavailable, "spec.run_as: cannot list the groups of user " + name, "spec.run_as");
  return account;
}

Accounts::Accounts(RunAsRules rules) : rules_(std::move(rules)) {
  look_up();
}

void Accounts::look_up() {
  auto names = rules_.allowed_users;
  names.push_back(rules_.default_user.empty() ? own_name() : rules_.default_user);
  for (const auto& name : names) {
    if (name.empty()) continue;
    auto found = look_up_account(name);
    const bool told = found || found.error().code == ErrorCode::invalid_argument;
    if (told || !known_.contains(name)) known_.insert_or_assign(name, std::move(found));
  }
}

Result<std::optional<Account>> Accounts::choose(const std::string& run_as) const {
  const std::string& name = run_as.empty() ? rules_.default_user : run_as;
  if (name.empty()) return std::nullopt;
  const auto known = known_.find(name);
  if (known == known_.end())
    return refuse("user " + name + " is not allowed here: allowed_users of this worker does not list it");
  const auto& account = known->second;
  if (!account) return std::unexpected(account.error());
  if (account->identity.uid != ::geteuid() && ::geteuid() != 0)
    return refuse("this worker does not run as root, so it cannot run an attempt as user " + name);
  return *account;
}

std::string missing_capabilities(std::uint64_t effective) {
  std::string missing;
  for (const auto& [bit, name] : {std::pair{CAP_KILL, "CAP_KILL"},
                                  {CAP_SETGID, "CAP_SETGID"},
                                  {CAP_SETUID, "CAP_SETUID"},
                                  {CAP_SYS_PTRACE, "CAP_SYS_PTRACE"}}) {
    if ((effective >> bit & 1U) == 0) missing += (missing.empty() ? "" : ", ") + std::string(name);
  }
  return missing;
}

std::uint64_t effective_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (::syscall(SYS_capget, &header, &data) != 0) return 0;
  return data[0].effective | std::uint64_t{data[1].effective} << 32U;
}

}  // namespace ringmaster
