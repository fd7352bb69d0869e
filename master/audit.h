// What an audit makes of the facts that it has gathered. Pure: facts go in, suspicions come out; those that
// two looks have in common are the findings. auditor.h gathers.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/audit.h"
#include "master/scheduler_core.h"
#include "sql/task_store.h"

namespace ringmaster {

using AuditSuspicions = std::vector<AuditSuspicion>;

// Due for so long, a row is in its owner's memory or behind its window: due ones are read up to 10 s ahead.
inline constexpr Duration kAuditDueFor = std::chrono::seconds(10);
inline constexpr Duration kAuditUnacknowledgedFor = std::chrono::seconds(30);
// From an answered cancel to its task's end: a worker stops an attempt, or is lost with it, in less.
inline constexpr Duration kAuditCancellingFor = std::chrono::minutes(2);

// A master that answered, and what it believes to own.
struct AuditMaster {
  std::string node;
  Incarnation incarnation;
  std::vector<ShardEpoch> shards;
};

// ---- the database ----
// Equal at two looks only if nothing of the row has changed.
std::string fact_of(const AuditRow& row);
AuditSuspicions judge_shards(const std::vector<ShardRow>& rows);
// `alive`: the incarnations that the registry shows, and those that answered.
AuditSuspicions judge_masters(const std::vector<AuditMasterRow>& rows, const std::set<Incarnation>& alive);
AuditSuspicions judge_beliefs(const std::vector<ShardRow>& rows, const std::vector<AuditMaster>& masters);
AuditSuspicions judge_states(const std::vector<AuditRow>& rows, WallTime now);
AuditSuspicions judge_history(const std::vector<AuditHistoryRow>& rows);

// ---- one master's memory and its workers ----
// Of rows of its shards: does it know them? `self`: its node id.
AuditSuspicions judge_rows(const SchedulerCore& core, const std::string& self,
                           const std::vector<AuditRow>& rows, Now now);
// Of a worker's answer to what it was asked, when that has just come.
AuditSuspicions judge_held(const SchedulerCore& core, const std::string& self,
                           const SchedulerCore::HeldAsk& asked, const HeldReply& answer);
// Of attempts on workers that have been out of reach for longer than any verdict takes.
AuditSuspicions judge_unreached(const SchedulerCore& core, const std::string& self, Now now);

// ---- two looks ----
// Those of the second look whose fact was the same in the first one; each once.
AuditSuspicions confirmed(const AuditSuspicions& first, const AuditSuspicions& second);

// Puts a reply together: what each check looked at, what stood in its way, and what was confirmed.
class AuditTally {
 public:
  void looked(std::string_view check, std::uint64_t at) { checks_[std::string(check)].looked_at += at; }
  void not_made(std::string_view check, const std::string& why);  // the first reason stays
  void not_made_all(const std::string& why);
  void add(const AuditSuspicions& findings);
  std::vector<AuditCheck> take();  // all checks, in their order

 private:
  std::map<std::string, AuditCheck, std::less<>> checks_;
};

}  // namespace ringmaster
