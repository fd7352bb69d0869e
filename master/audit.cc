#include "master/audit.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace ringmaster {
namespace {

constexpr auto kQuarantined = static_cast<std::int32_t>(TaskState::quarantined);
constexpr auto kFirstTerminal = static_cast<std::int32_t>(TaskState::succeeded);
constexpr auto kLastTerminal = static_cast<std::int32_t>(TaskState::lost);

std::string shard_name(ShardId shard) {
  return "shard " + std::to_string(shard);
}

std::string state_name(std::int32_t state) {
  const std::string_view name = to_string(static_cast<TaskState>(state));
  const bool known = state >= 0 && state <= kLastTerminal && !name.empty();
  return known ? std::string(name) : "number " + std::to_string(state);
}

}  // namespace

std::string fact_of(const AuditRow& row) {
  return "attempt " + std::to_string(row.attempt) + " state " + std::to_string(row.state) + " on " +
         row.worker + " " + to_string(row.worker_incarnation) + " epoch " + std::to_string(row.epoch) +
         " rank " + std::to_string(row.rank);
}

AuditSuspicions judge_shards(const std::vector<ShardRow>& rows) {
  AuditSuspicions found;
  std::set<ShardId> there;
  for (const ShardRow& row : rows) {
    there.insert(row.id);
    if (row.owner && row.owner_alive) continue;
    const std::string whom = row.owner_node.empty() ? to_string(row.owner) : row.owner_node;
    found.push_back({"shards_covered", shard_name(row.id),
                     to_string(row.owner) + " epoch " + std::to_string(row.epoch),
                     row.owner ? "its owner " + whom + " is not living: nobody runs its tasks"
                               : "it has no owner: nobody runs its tasks",
                     "a living master takes it within seconds: look at the masters' logs for why none does"});
  }
  for (int i = 0; i < kShardCount; ++i) {
    const auto id = static_cast<ShardId>(i);
    if (there.contains(id)) continue;
    found.push_back({"shards_covered", shard_name(id), "no row", "its row is gone from ringmaster.shard",
                     "insert it again, with an epoch above every one in ringmaster.task"});
  }
  return found;
}

AuditSuspicions judge_masters(const std::vector<AuditMasterRow>& rows, const std::set<Incarnation>& alive) {
  AuditSuspicions found;
  std::map<std::string, std::vector<Incarnation>> living;
  for (const AuditMasterRow& row : rows) {
    const std::string name = row.node_id.empty() ? "master" : "master " + row.node_id;
    const std::string subject = name + " (" + to_string(row.incarnation) + ")";
    if (row.living) living[row.node_id].push_back(row.incarnation);
    if (row.living && !alive.contains(row.incarnation)) {
      found.push_back({"owners_live", subject, "living",
                       "it is living in the database, but not in the registry, and does not answer",
                       "if it runs, see why it cannot reach the registry; if not, the other masters, or its "
                       "next life, declare it dead: see their logs"});
    }
    if (!row.living && row.fences > 0) {
      found.push_back({"owners_live", subject, "fence",
                       std::to_string(row.fences) + " fence rows of it are left, though it is " +
                           (row.node_id.empty() ? "no master that ever was" : "over"),
                       "end the backends that they name and delete them from ringmaster.fence"});
    }
  }
  for (const auto& [node, lives] : living) {
    if (lives.size() < 2) continue;
    std::string all;
    for (const Incarnation life : lives) all += (all.empty() ? "" : ", ") + to_string(life);
    found.push_back({"owners_live", "master " + node, all, "it has several living rows: " + all,
                     "give each master a node_id of its own; a row that an earlier life left goes when the "
                     "present one has been admitted"});
  }
  return found;
}

AuditSuspicions judge_beliefs(const std::vector<ShardRow>& rows, const std::vector<AuditMaster>& masters) {
  AuditSuspicions found;
  for (const AuditMaster& master : masters) {
    std::map<ShardId, Epoch> believed;
    for (const ShardEpoch& shard : master.shards) believed[shard.shard] = shard.epoch;
    for (const ShardRow& row : rows) {
      const auto mine = believed.find(row.id);
      const Epoch epoch = mine == believed.end() ? 0 : mine->second;
      const bool owns = row.owner == master.incarnation;
      if (epoch == (owns ? row.epoch : 0)) continue;
      const std::string here =
          epoch == 0 ? "does not own it" : "owns it under epoch " + std::to_string(epoch);
      const std::string there =
          !row.owner ? "nobody does"
                     : (owns ? "it does"
                             : (row.owner_node.empty() ? to_string(row.owner) : row.owner_node) + " does") +
                           ", under epoch " + std::to_string(row.epoch);
      found.push_back({"masters_agree", shard_name(row.id),
                       to_string(master.incarnation) + " " + std::to_string(epoch) + " " +
                           to_string(row.owner) + " " + std::to_string(row.epoch),
                       "master " + master.node + " believes that it " + here + "; in the database " + there,
                       "restart master " + master.node + ": its next life takes what is its own"});
    }
  }
  return found;
}

AuditSuspicions judge_states(const std::vector<AuditRow>& rows, WallTime now) {
  AuditSuspicions found;
  const auto odd = [&](const AuditRow& row, std::string text, std::string advice) {
    found.push_back({"history_final", to_string(row.id), fact_of(row), std::move(text), std::move(advice)});
  };
  for (const AuditRow& row : rows) {
    if (row.state < 0 || row.state > kQuarantined) {
      odd(row, "it is in task with state " + state_name(row.state) + ", which is not one of waiting tasks",
          "find who wrote this row; masters move what has ended to task_history");
    }
    if (row.attempt < 1 || row.failures < 0 || row.crashes < 0 || row.failures >= row.attempt ||
        row.crashes >= row.attempt) {
      odd(row,
          "attempt " + std::to_string(row.attempt) + " cannot follow " + std::to_string(row.failures) +
              " failures and " + std::to_string(row.crashes) + " crashes",
          "find who wrote this row; masters count these in one statement");
    }
    if (row.cancel_requested_at && now - *row.cancel_requested_at > kAuditCancellingFor) {
      odd(row,
          "its cancel was requested at " + format_time(*row.cancel_requested_at) + ", and it has not ended",
          "see what its worker " + row.worker + " does with it: `ringctl task explain " + to_string(row.id) +
              "`");
    }
  }
  return found;
}

AuditSuspicions judge_history(const std::vector<AuditHistoryRow>& rows) {
  AuditSuspicions found;
  for (const AuditHistoryRow& row : rows) {
    const std::string id = to_string(row.id);
    if (row.twice) {
      found.push_back({"history_unique", id, "twice", "it is in task_history more than once",
                       "compare the rows: SELECT * FROM ringmaster.task_history WHERE id = " +
                           std::to_string(row.id.value)});
    }
    if (row.in_task) {
      found.push_back({"history_unique", id, "in task",
                       "it is in task and in task_history: it has ended, and may run again",
                       "compare the rows: SELECT * FROM ringmaster.task, and task_history, WHERE id = " +
                           std::to_string(row.id.value)});
    }
    const bool terminal = row.state >= kFirstTerminal && row.state <= kLastTerminal;
    const std::string numbers = std::to_string(row.state) + " " + std::to_string(row.attempt) + " " +
                                std::to_string(row.failures) + " " + std::to_string(row.crashes);
    if (!terminal) {
      found.push_back({"history_final", id, numbers,
                       "it is in task_history with state " + state_name(row.state) + ", which is not an end",
                       "find who wrote this row; masters write terminal states only"});
    } else if (row.attempt < 1 || row.failures >= row.attempt || row.crashes >= row.attempt) {
      found.push_back({"history_final", id, numbers,
                       "attempt " + std::to_string(row.attempt) + " cannot follow " +
                           std::to_string(row.failures) + " failures and " + std::to_string(row.crashes) +
                           " crashes",
                       "find who wrote this row; masters count these in one statement"});
    }
  }
  return found;
}

// ---- two looks ----

AuditSuspicions confirmed(const AuditSuspicions& first, const AuditSuspicions& second) {
  const auto key = [](const AuditSuspicion& s) { return std::tie(s.check, s.subject, s.fact); };
  using Key = std::tuple<std::string, std::string, std::string>;
  std::set<Key> before;
  for (const AuditSuspicion& suspicion : first) before.insert(Key(key(suspicion)));
  AuditSuspicions both;
  for (const AuditSuspicion& suspicion : second) {
    if (before.erase(Key(key(suspicion))) > 0) both.push_back(suspicion);
  }
  return both;
}

void AuditTally::not_made(std::string_view check, const std::string& why) {
  std::string& reason = checks_[std::string(check)].not_made;
  if (reason.empty()) reason = why;
}

void AuditTally::not_made_all(const std::string& why) {
  for (const std::string_view check : kAuditChecks) not_made(check, why);
}

void AuditTally::add(const AuditSuspicions& findings) {
  for (const AuditSuspicion& found : findings) {
    AuditCheck& check = checks_[found.check];
    if (check.findings.size() == kMaxAuditFindings) {
      ++check.more;
    } else {
      check.findings.push_back({found.subject, found.text, found.advice});
    }
  }
}

std::vector<AuditCheck> AuditTally::take() {
  std::vector<AuditCheck> all;
  for (const std::string_view name : kAuditChecks) {
    AuditCheck check = std::move(checks_[std::string(name)]);
    check.name = name;
    all.push_back(std::move(check));
  }
  // A part of a newer version may know more checks: what it found is not hidden.
  for (auto& [name, check] : checks_) {
    if (std::ranges::find(kAuditChecks, name) != kAuditChecks.end()) continue;
    check.name = name;
    all.push_back(std::move(check));
  }
  checks_.clear();
  return all;
}

}  // namespace ringmaster
