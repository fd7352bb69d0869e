// The user that an attempt runs as: which ones the worker's rules let a task name, and what the system knows
// of them. Asks the system's name service, which may be a network away: neither between fork and exec nor for
// each attempt.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/result.h"

namespace ringmaster {

// What a process takes on. All of it: whoever keeps a group of the daemon keeps its files.
struct ProcessIdentity {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // supplementary; gid is among them

  bool operator==(const ProcessIdentity&) const = default;
};

struct Account {
  std::string name, home;
  ProcessIdentity identity;
};

// Errors: invalid_argument (there is no such user), unavailable (nobody can tell now). Any thread.
Result<Account> look_up_account(const std::string& name);

struct RunAsRules {
  std::vector<std::string> allowed_users;  // that a task may name
  std::string default_user;                // of tasks that name none; empty: the daemon's own
};

// The users of the rules, as they were when they were last looked up. One thread at a time.
class Accounts {
 public:
  explicit Accounts(RunAsRules rules);
  // Anew. Whom nobody can tell about now stays as before.
  void look_up();

  // Whom an attempt runs as; none: as the daemon, with nothing changed. `run_as` is empty for a task that
  // names nobody. A task may name the allowed users and the one that it would get anyway. Asks nobody.
  // Errors: invalid_argument: not allowed (whether the user exists is not told), no such user, or the daemon
  // is not root; unavailable.
  Result<std::optional<Account>> choose(const std::string& run_as) const;

 private:
  RunAsRules rules_;
  std::map<std::string, Result<Account>> known_;  // whom a task may name, and the default user
};

// What root needs to run attempts as others, and to find, read and kill their processes: the names of those
// not among these (a bit each, as in capabilities(7)), such as `CAP_KILL, CAP_SYS_PTRACE`; empty: none.
std::string missing_capabilities(std::uint64_t effective);
// Of the calling thread.
std::uint64_t effective_capabilities();

}  // namespace ringmaster
