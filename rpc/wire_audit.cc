#include "rpc/wire_audit.h"

#include "rpc/wire_task.h"

namespace ringmaster {
namespace {

template <class P>
void put_texts(const std::vector<std::string>& from, P& to) {
  for (const std::string& text : from) *to.Add() = text;
}

template <class P>
void put_shards(const std::vector<ShardEpoch>& from, P& to) {
  for (const ShardEpoch& shard : from) {
    auto& form = *to.Add();
    form.set_shard(shard.shard);
    form.set_epoch(shard.epoch);
  }
}
template <class P>
bool take_shards(const P& from, std::vector<ShardEpoch>& to) {
  for (const auto& form : from) {
    if (form.shard() >= kShardCount) return false;
    to.push_back({static_cast<ShardId>(form.shard()), form.epoch()});
  }
  return true;
}

template <class P>
void put_tokens(const std::vector<Token>& from, P& to) {
  to.Reserve(static_cast<int>(from.size()));
  for (const Token& token : from) put_token(token, *to.Add());
}
template <class P>
void take_tokens(const P& from, std::vector<Token>& to) {
  to.reserve(static_cast<std::size_t>(from.size()));
  for (const auto& form : from) to.push_back(take_token(form));
}

void put(const AuditRow& from, wire::AuditRow& to) {
  to.set_id(from.id.value);
  to.set_rank(from.rank);
  to.set_group(from.group);
  to.set_run_at(to_unix_micros(from.run_at));
  to.set_attempt(from.attempt);
  to.set_failures(from.failures);
  to.set_crashes(from.crashes);
  to.set_state(from.state);
  to.set_worker(from.worker);
  to.set_worker_incarnation(from.worker_incarnation.value);
  to.set_epoch(from.epoch);
  if (from.cancel_requested_at) to.set_cancel_requested_at(to_unix_micros(*from.cancel_requested_at));
}
AuditRow take(const wire::AuditRow& from) {
  AuditRow row{TaskId{from.id()}, from.rank(),
               from.group(),      from_unix_micros(from.run_at()),
               from.attempt(),    from.failures(),
               from.crashes(),    from.state(),
               from.worker(),     Incarnation{from.worker_incarnation()},
               from.epoch(),      std::nullopt};
  if (from.has_cancel_requested_at()) row.cancel_requested_at = from_unix_micros(from.cancel_requested_at());
  return row;
}

}  // namespace

void put(const AuditRequest& from, wire::AuditRequest& to) {
  to.set_full(from.full);
}
bool take(const wire::AuditRequest& from, AuditRequest& to) {
  to.full = from.full();
  return true;
}

void put(const AuditReply& from, wire::AuditReply& to) {
  to.set_answered_by(from.answered_by);
  to.set_at(to_unix_micros(from.at));
  to.set_took(from.took.count());
  to.set_full(from.full);
  to.set_rows_read(from.rows_read);
  for (const AuditCheck& check : from.checks) {
    auto& form = *to.add_checks();
    form.set_name(check.name);
    form.set_looked_at(check.looked_at);
    for (const AuditFinding& finding : check.findings) {
      auto& found = *form.add_findings();
      found.set_subject(finding.subject);
      found.set_text(finding.text);
      found.set_advice(finding.advice);
    }
    form.set_more(check.more);
    form.set_not_made(check.not_made);
  }
  put_texts(from.not_answered, *to.mutable_not_answered());
  put_texts(from.too_old, *to.mutable_too_old());
}
bool take(const wire::AuditReply& from, AuditReply& to) {
  to.answered_by = from.answered_by();
  to.at = from_unix_micros(from.at());
  to.took = Duration(from.took());
  to.full = from.full();
  to.rows_read = from.rows_read();
  for (const auto& form : from.checks()) {
    AuditCheck& check = to.checks.emplace_back();
    check.name = form.name();
    check.looked_at = form.looked_at();
    for (const auto& found : form.findings())
      check.findings.push_back({found.subject(), found.text(), found.advice()});
    check.more = form.more();
    check.not_made = form.not_made();
  }
  to.not_answered.assign(from.not_answered().begin(), from.not_answered().end());
  to.too_old.assign(from.too_old().begin(), from.too_old().end());
  return true;
}

void put(const AuditPartRequest& from, wire::AuditPartRequest& to) {
  to.set_held(from.held);
  for (const AuditRow& row : from.rows) put(row, *to.add_rows());
}
bool take(const wire::AuditPartRequest& from, AuditPartRequest& to) {
  if (static_cast<std::size_t>(from.rows_size()) > kMaxAuditRows) return false;
  to.held = from.held();
  to.rows.reserve(static_cast<std::size_t>(from.rows_size()));
  for (const auto& row : from.rows()) to.rows.push_back(take(row));
  return true;
}

void put(const AuditPartReply& from, wire::AuditPartReply& to) {
  to.set_incarnation(from.incarnation.value);
  put_shards(from.shards, *to.mutable_shards());
  for (const AuditSuspicion& suspicion : from.suspicions) {
    auto& form = *to.add_suspicions();
    form.set_check(suspicion.check);
    form.set_subject(suspicion.subject);
    form.set_fact(suspicion.fact);
    form.set_text(suspicion.text);
    form.set_advice(suspicion.advice);
  }
  to.set_attempts(from.attempts);
  to.set_held(from.held);
  to.set_workers(from.workers);
  put_texts(from.not_answered, *to.mutable_not_answered());
  put_texts(from.too_old, *to.mutable_too_old());
}
bool take(const wire::AuditPartReply& from, AuditPartReply& to) {
  to.incarnation = Incarnation{from.incarnation()};
  if (!take_shards(from.shards(), to.shards)) return false;
  for (const auto& form : from.suspicions())
    to.suspicions.push_back({form.check(), form.subject(), form.fact(), form.text(), form.advice()});
  to.attempts = from.attempts();
  to.held = from.held();
  to.workers = from.workers();
  to.not_answered.assign(from.not_answered().begin(), from.not_answered().end());
  to.too_old.assign(from.too_old().begin(), from.too_old().end());
  return true;
}

void put(const HeldRequest& from, wire::HeldRequest& to) {
  put_shards(from.shards, *to.mutable_shards());
  put_tokens(from.believed, *to.mutable_believed());
}
bool take(const wire::HeldRequest& from, HeldRequest& to) {
  if (static_cast<std::size_t>(from.believed_size()) > kMaxHeldTokens) return false;
  take_tokens(from.believed(), to.believed);
  return take_shards(from.shards(), to.shards);
}

void put(const HeldReply& from, wire::HeldReply& to) {
  put_tokens(from.missing, *to.mutable_missing());
  for (const HeldAttempt& held : from.unknown) {
    auto& form = *to.add_unknown();
    put_token(held.token, form);
    form.set_state(static_cast<wire::HeldState>(held.state));
    if (held.started_at) form.set_started_at(to_unix_micros(*held.started_at));
  }
  put_shards(from.superseded, *to.mutable_superseded());
  to.set_held(from.held);
  if (from.oldest) put_token(*from.oldest, *to.mutable_oldest());
  to.set_oldest_age(from.oldest_age.count());
}
bool take(const wire::HeldReply& from, HeldReply& to) {
  take_tokens(from.missing(), to.missing);
  for (const auto& form : from.unknown()) {
    HeldAttempt& held = to.unknown.emplace_back();
    held.token = take_token(form);
    if (form.has_started_at()) held.started_at = from_unix_micros(form.started_at());
    if (!take_enum(form.state(), wire::HeldState_IsValid, held.state)) return false;
  }
  to.held = from.held();
  if (from.has_oldest()) to.oldest = take_token(from.oldest());
  to.oldest_age = Duration(from.oldest_age());
  return take_shards(from.superseded(), to.superseded);
}

}  // namespace ringmaster
