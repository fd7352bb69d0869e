// Why a task is where it is: the answer to "why does it not run?".
#include <algorithm>

#include "master/scheduler_core.h"

namespace ringmaster {

namespace {
std::string left_until(MonoTime end, MonoTime now) {
  using std::chrono::milliseconds;
  return format_duration(std::max(std::chrono::ceil<milliseconds>(end - now), milliseconds(0)));
}
}  // namespace

std::optional<ExplainReply> SchedulerCore::explain(TaskId id, Now now) const {
  const auto it = tasks_.find(id);
  if (it == tasks_.end()) return std::nullopt;
  const Entry& entry = *it->second;
  const TaskRow& row = entry.row;
  ExplainReply reply;
  reply.state = live(id)->state;
  if (frozen_) {
    reply.reasons.push_back(
        {"shards_moving", "this master is handing shards over: nothing is dispatched for a moment"});
  }
  switch (entry.phase) {
    case Phase::waiting:
      explain_waiting(entry, now, reply.reasons);
      break;
    case Phase::delayed:
      if (row.failures > 0 || row.crashes > 0) {
        reply.reasons.push_back({"backoff", "attempt " + std::to_string(row.attempt) +
                                                " waits for its back-off, until " + format_time(row.run_at)});
      } else {
        reply.reasons.push_back({"not_due", "it is due at " + format_time(row.run_at)});
      }
      break;
    case Phase::recording:
      reply.reasons.push_back(
          {"recording", "its dispatch to " + row.worker + " is being written down before it is sent"});
      break;
    case Phase::sent:
    case Phase::running:
      explain_bound(entry, now, reply.reasons);
      break;
    case Phase::ending:
      reply.reasons.push_back(
          {"ending", "the end of attempt " + std::to_string(entry.token.attempt) + " is being committed"});
      break;
  }
  if (row.cancel_requested) {
    reply.reasons.push_back(
        {"cancelling", "a cancel is committed: it ends once the death of its attempt is verified"});
  }
  return reply;
}

void SchedulerCore::explain_waiting(const Entry& entry, Now now, Reasons& reasons) const {
  const Lane& its = *entry.lane;
  const NewTask& task = entry.row.task;
  if (its.workers.empty()) {
    reasons.push_back({"no_worker", "no worker serves group " + its.group() + ": start one with this group"});
    return;
  }
  const std::string key = task.routing_key.empty() ? to_string(entry.row.id) : task.routing_key;
  const std::string owner(*its.ring.owner(key));
  const bool strict = task.routing == Routing::strict;
  its.ring.walk(key, [&](std::string_view name) {
    const Worker& worker = *workers_.find(name)->second;
    if (!worker.has_credit) {
      reasons.push_back({worker.link == 0 ? "worker_unreachable" : "no_credit", why_not(worker)});
    }
    return strict;  // nobody else may run it
  });
  reasons.push_back({"ring_owner", "the ring gives its key to " + owner});
  if (strict) reasons.push_back({"strict", "its routing is strict: it waits for " + owner + " alone"});
  if (!gate_open(its, now)) {
    reasons.push_back(
        {"inventory", "this master took shards a moment ago, and asks its workers what they hold first"});
  }
  reasons.push_back({"lane", std::to_string(its.size()) + " tasks of group " + its.group() +
                                 " are ready in memory" +
                                 (its.in_store() ? ", more wait in the database" : "")});
}

std::string SchedulerCore::why_not(const Worker& worker) const {
  if (worker.link == 0)
    return worker.id + " is out of reach" + (worker.rejected.empty() ? "" : ": " + worker.rejected);
  if (!worker.ready) return worker.id + " has not said yet what it holds";
  if (worker.draining) return worker.id + " is draining";
  if (worker.busy) return worker.id + " refused for lack of room";
  return worker.id + " has no credit left (" + std::to_string(worker.bound.size()) + " of " +
         std::to_string(worker.credit_limit) + " in use)";
}

void SchedulerCore::explain_bound(const Entry& entry, Now now, Reasons& reasons) const {
  const Worker& worker = *entry.worker;
  const std::string attempt = "attempt " + std::to_string(entry.token.attempt);
  if (worker.link == 0) {
    reasons.push_back({"worker_unreachable", attempt + " is on " + worker.id + ", which is out of reach" +
                                                 (worker.registered ? "" : " and not registered")});
    if (is_vouched(entry, now)) {
      reasons.push_back(
          {"reached_by_another", "another master reaches " + worker.id + " and will pass the result on"});
      return;
    }
    if (needs_lease(entry.row.task.on_worker_lost)) {
      const Death death = worker.dead_since ? Death::refused : Death::suspected;
      reasons.push_back(
          {"lease", "it must not overlap: nothing else is tried before its lease has surely run out, in " +
                        left_until(lease_end(entry, death), now.mono)});
    }
    return;
  }
  if (entry.phase == Phase::running) {
    reasons.push_back(
        {"running", attempt + " runs on " + worker.id +
                        (entry.row.started_at ? " since " + format_time(*entry.row.started_at) : "")});
    return;
  }
  if (!worker.ready) {
    reasons.push_back({"inventory", attempt + " was sent to " + worker.id + ", whose inventory is awaited"});
  } else {
    reasons.push_back({"sent", attempt + " was sent to " + worker.id +
                                   " and has not started there: " + std::to_string(worker.queued) +
                                   " are queued, " + std::to_string(worker.running) + " run"});
  }
}

}  // namespace ringmaster
