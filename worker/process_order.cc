#include "worker/process_order.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <unistd.h>

#include "worker/attempt_logs.h"
#include "worker/secret_store.h"
#include "worker/supervisor_child.h"

namespace ringmaster {
namespace {

constexpr std::size_t kMaxSecretsBytes = 128 * 1024;  // of one attempt together

using Variables = std::vector<std::pair<std::string, std::string>>;

bool has(const Variables& variables, std::string_view name) {
  return std::ranges::any_of(variables, [&](const auto& own) { return own.first == name; });
}

// Later ones replace earlier ones of the same name.
void set(Variables& variables, const std::string& name, std::string value) {
  const auto found = std::ranges::find(variables, name, &Variables::value_type::first);
  if (found == variables.end()) {
    variables.emplace_back(name, std::move(value));
  } else {
    found->second = std::move(value);
  }
}

std::vector<std::string> environment_of(const Dispatch& attempt, const ProcessSpec& spec,
                                        const ProcessRules& rules, const std::optional<Account>& account) {
  Variables all;
  for (const auto& entry : rules.environment) {
    const auto equals = entry.find('=');
    set(all, entry.substr(0, equals), entry.substr(equals + 1));
  }
  if (account) {
    set(all, "HOME", account->home.empty() ? "/" : account->home);
    set(all, "USER", account->name);
    set(all, "LOGNAME", account->name);
  }
  for (const auto& [name, value] : spec.env) set(all, name, value);
  std::erase_if(all, [&](const auto& entry) { return has(spec.secrets, entry.first); });
  const auto& token = attempt.token;
  const auto number = std::to_string(token.attempt);
  set(all, "RINGMASTER_TASK_ID", to_string(token.task));
  set(all, "RINGMASTER_ATTEMPT", number);
  set(all, "RINGMASTER_FENCE", std::to_string(token.epoch) + "." + number);
  set(all, "RINGMASTER_PROGRESS_FD", std::to_string(kProgressDescriptor));
  if (!attempt.traceparent.empty() && !has(spec.env, "TRACEPARENT") && !has(spec.secrets, "TRACEPARENT"))
    set(all, "TRACEPARENT", attempt.traceparent);
  std::vector<std::string> entries;
  for (const auto& [name, value] : all) entries.push_back(name + "=" + value);
  return entries;
}

Result<std::vector<std::string>> read_secrets(const ProcessSpec& spec, const std::string& directory) {
  const SecretStore store(directory);
  std::vector<std::string> entries;
  std::size_t bytes = 0;
  for (const auto& [name, secret] : spec.secrets) {
    const auto field = "spec.secrets." + name;
    const auto value = store.read(secret);
    if (!value) return fail(value.error().code, field + ": " + value.error().message, field);
    if (value->contains('\0'))
      return fail(ErrorCode::invalid_argument,
                  field + ": secret " + secret + " has a NUL character, which no variable can hold", field);
    bytes += value->size();
    entries.push_back(name + "=" + *value);
  }
  if (bytes > kMaxSecretsBytes)
    return fail(ErrorCode::invalid_argument, "spec.secrets: more than 128 KiB together", "spec.secrets");
  return entries;
}

}  // namespace

Result<StartOrder> make_start_order(const Dispatch& attempt, ProcessSpec spec, const ProcessRules& rules,
                                    const Accounts& accounts, const std::string& log_dir) {
  const auto account = accounts.choose(spec.run_as);
  if (!account) return std::unexpected(account.error());
  if (auto held = hold_to(rules.most, spec.limits); !held) return std::unexpected(held.error());
  auto secrets = read_secrets(spec, rules.secrets_dir);
  if (!secrets) return std::unexpected(secrets.error());
  StartOrder start;
  start.env = environment_of(attempt, spec, rules, *account);
  start.secret_env = *std::move(secrets);
  start.argv = std::move(spec.argv);
  start.cwd = std::move(spec.cwd);
  if (*account && (*account)->identity.uid != ::geteuid()) start.identity = (*account)->identity;
  start.limits = spec.limits;
  start.stdin_text = std::move(spec.stdin_text);
  start.log_path = log_path(log_dir, attempt.token.task, attempt.token.attempt);
  start.log_limit = rules.log_limit;
  start.timeout = attempt.timeout;
  start.kill_grace = spec.kill_grace;
  start.token = attempt.token;
  start.success_exit_codes = std::move(spec.success_exit_codes);
  if (attempt.on_worker_lost == OnWorkerLost::rerun_after_lease)
    start.lease_shard = static_cast<std::int16_t>(attempt.token.task.shard());
  return start;
}

}  // namespace ringmaster
