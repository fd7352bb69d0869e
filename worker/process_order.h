// What the supervisor is told to start for one attempt of kind `process`: the spec, held to this worker's
// rules, with the user and the secrets that it names looked up.
//
// An attempt's environment is the minimal one, HOME, USER and LOGNAME of its user if it has one, the spec's
// `env`, its secrets, then RINGMASTER_TASK_ID, RINGMASTER_ATTEMPT, RINGMASTER_FENCE (`epoch.attempt`, which
// grows with each attempt of a task) and RINGMASTER_PROGRESS_FD; TRACEPARENT if the task has one. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/messages.h"
#include "worker/account.h"
#include "worker/attempt_limits.h"
#include "worker/process_spec.h"
#include "worker/supervisor_protocol.h"

namespace ringmaster {

struct ProcessRules {
  std::uint64_t log_limit = 10 * 1024 * 1024;  // bytes of output in a file, see output_log.h
  std::vector<std::string> environment = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                          "HOME=/", "LANG=C.UTF-8"};
  RunAsRules run_as;
  AttemptLimits most;       // of one attempt
  std::string secrets_dir;  // see secret_store.h
};

// Without an id. `accounts` are those of the rules. Errors: invalid_argument: it can never run on this
// worker; unavailable.
Result<StartOrder> make_start_order(const Dispatch& attempt, ProcessSpec spec, const ProcessRules& rules,
                                    const Accounts& accounts, const std::string& log_dir);

}  // namespace ringmaster
