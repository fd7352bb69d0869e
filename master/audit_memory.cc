// The half of the judge that compares with one master's memory.
#include <utility>

#include "master/audit.h"

namespace ringmaster {
namespace {

constexpr auto kRunning = static_cast<std::int32_t>(TaskState::running);
constexpr auto kQuarantined = static_cast<std::int32_t>(TaskState::quarantined);

std::string fact_of(Token token, const std::string& worker, Incarnation life) {
  return "attempt " + std::to_string(token.attempt) + " epoch " + std::to_string(token.epoch) + " on " +
         worker + " " + to_string(life);
}

std::string attempt_name(Token token) {
  return "attempt " + std::to_string(token.attempt) + " (epoch " + std::to_string(token.epoch) + ")";
}

std::string read_anew(const std::string& self) {
  return "restart master " + self + ": whoever takes its shards reads them anew";
}

const char* doing(HeldState state) {
  switch (state) {
    case HeldState::queued:
      return "has queued ";
    case HeldState::running:
      return "runs ";
    case HeldState::finished:
      return "has the result of ";
  }
  return "holds ";
}

}  // namespace

AuditSuspicions judge_rows(const SchedulerCore& core, const std::string& self,
                           const std::vector<AuditRow>& rows, Now now) {
  using Place = SchedulerCore::RowPlace;
  AuditSuspicions found;
  for (const AuditRow& row : rows) {
    const Place place = core.place_of(row);
    const bool running = row.state == kRunning;
    if (running && (place == Place::forgotten || place == Place::waiting)) {
      found.push_back(
          {"running_held", to_string(row.id), fact_of(row),
           "its row says that it runs on worker " + row.worker +
               (place == Place::waiting ? ", and its owner " + self + " has it waiting"
                                        : ", and its owner " + self + " does not have it in memory"),
           read_anew(self)});
    }
    const bool due = row.state != kQuarantined && now.wall - row.run_at > kAuditDueFor;
    if (!running && due && place == Place::forgotten) {
      found.push_back({"due_known", to_string(row.id), fact_of(row),
                       "it has been due since " + format_time(row.run_at) + ", and its owner " + self +
                           " has it neither in memory nor behind its window: nobody will start it",
                       read_anew(self)});
    }
  }
  return found;
}

AuditSuspicions judge_held(const SchedulerCore& core, const std::string& self,
                           const SchedulerCore::HeldAsk& asked, const HeldReply& answer) {
  AuditSuspicions found;
  for (const Token& token : answer.missing) {
    if (!core.must_hold(asked, token)) continue;  // it has been heard of since
    found.push_back({"running_held", to_string(token.task), fact_of(token, asked.worker, asked.incarnation),
                     "its owner " + self + " believes " + attempt_name(token) + " on worker " + asked.worker +
                         ", which does not hold it",
                     "restart master " + self +
                         ": whoever takes its shards asks the workers anew, and runs what nobody holds"});
  }
  for (const HeldAttempt& held : answer.unknown) {
    if (core.may_hold(held.token)) continue;
    found.push_back({"held_known", to_string(held.token.task),
                     fact_of(held.token, asked.worker, asked.incarnation),
                     "worker " + asked.worker + " " + doing(held.state) + attempt_name(held.token) +
                         ", of which its owner " + self + " knows nothing",
                     "restart master " + self +
                         ": whoever takes its shards asks the workers anew, adopts what counts and stops "
                         "the rest"});
  }
  for (const ShardEpoch& shard : answer.superseded) {
    const Epoch epoch = core.shards().epoch(shard.shard);
    if (epoch == 0 || epoch >= shard.epoch) continue;
    found.push_back({"held_known", "shard " + std::to_string(shard.shard),
                     asked.worker + " " + std::to_string(shard.epoch) + " " + std::to_string(epoch),
                     "worker " + asked.worker + " refuses its owner " + self + ", whose epoch is " +
                         std::to_string(epoch) + ": it has seen epoch " + std::to_string(shard.epoch),
                     "was the database restored from a copy? Give it a new store_id, and the worker an "
                     "empty data_dir"});
  }
  if (answer.oldest && answer.oldest_age > kAuditUnacknowledgedFor) {
    found.push_back(
        {"spools_draining", "worker " + asked.worker,
         to_string(answer.oldest->task) + " " + fact_of(*answer.oldest, asked.worker, asked.incarnation),
         "it has had the result of " + to_string(answer.oldest->task) + ", " + attempt_name(*answer.oldest) +
             ", for " + format_duration(std::chrono::floor<std::chrono::seconds>(answer.oldest_age)) +
             ", and its owner " + self + " has not acknowledged it",
         "see the log of master " + self + " for what keeps it from recording results"});
  }
  return found;
}

AuditSuspicions judge_unreached(const SchedulerCore& core, const std::string& self, Now now) {
  AuditSuspicions found;
  for (const SchedulerCore::Unreached& worker : core.unreached(now)) {
    found.push_back({"running_held", "worker " + worker.id,
                     to_string(worker.incarnation) + " " + to_string(worker.first),
                     "it has been out of reach of master " + self + " for " +
                         format_duration(std::chrono::floor<std::chrono::seconds>(worker.since)) + " with " +
                         std::to_string(worker.attempts) + " attempts, and no verdict on them has fallen",
                     read_anew(self)});
  }
  return found;
}

}  // namespace ringmaster
