// Values with every field drawn at random, extremes included, and their comparison, for tests of the codec. A
// new field of base/messages.h or base/api.h breaks the counts below until it is added here, and so to the
// tests.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "base/api.h"
#include "base/messages.h"

namespace ringmaster {

// The fields of each struct, once: random values and comparison both go through this list.
// clang-format off
template <class Fn> void fields(TaskId& v, Fn fn) { fn(v.value); }
template <class Fn> void fields(Incarnation& v, Fn fn) { fn(v.value); }
template <class Fn> void fields(Token& v, Fn fn) { fn(v.task, v.epoch, v.attempt); }
template <class Fn> void fields(ShardEpoch& v, Fn fn) { fn(v.shard, v.epoch); }
template <class Fn> void fields(Announce& v, Fn fn) { fn(v.sequence, v.shards); }
template <class Fn> void fields(Dispatch& v, Fn fn) { fn(v.token, v.ns, v.group, v.kind, v.spec, v.timeout, v.on_worker_lost, v.traceparent); }
template <class Fn> void fields(DispatchBatch& v, Fn fn) { fn(v.worker, v.items); }
template <class Fn> void fields(ResultAck& v, Fn fn) { fn(v.token, v.fate); }
template <class Fn> void fields(ResultAckBatch& v, Fn fn) { fn(v.items); }
template <class Fn> void fields(KillBatch& v, Fn fn) { fn(v.items); }
template <class Fn> void fields(MasterStatus& v, Fn fn) { fn(v.demand); }
template <class Fn> void fields(HeldAttempt& v, Fn fn) { fn(v.token, v.state, v.started_at); }
template <class Fn> void fields(Inventory& v, Fn fn) { fn(v.sequence, v.last, v.superseded, v.held); }
template <class Fn> void fields(Ack& v, Fn fn) { fn(v.token, v.verdict); }
template <class Fn> void fields(AckBatch& v, Fn fn) { fn(v.items); }
template <class Fn> void fields(ResultReport& v, Fn fn) { fn(v.token, v.result); }
template <class Fn> void fields(ResultBatch& v, Fn fn) { fn(v.items); }
template <class Fn> void fields(WorkerStatus& v, Fn fn) { fn(v.credit_limit, v.draining, v.queued, v.running, v.spooled, v.sent_at); }
template <class Fn> void fields(Started& v, Fn fn) { fn(v.token, v.started_at); }
template <class Fn> void fields(StartedBatch& v, Fn fn) { fn(v.items); }
template <class Fn> void fields(LeaseGrant& v, Fn fn) { fn(v.status_sent_at, v.shards); }
template <class Fn> void fields(RelayedResults& v, Fn fn) { fn(v.worker, v.items); }
template <class Fn> void fields(RelayedAcks& v, Fn fn) { fn(v.worker, v.items); }
template <class Fn> void fields(WorkerLife& v, Fn fn) { fn(v.id, v.incarnation); }
template <class Fn> void fields(PeerStatus& v, Fn fn) { fn(v.writes, v.missed, v.reached); }
template <class Fn> void fields(ResourceUsage& v, Fn fn) { fn(v.user_us, v.system_us, v.max_rss_kib); }
template <class Fn> void fields(AttemptResult& v, Fn fn) {
  fn(v.outcome, v.exit_code, v.signal, v.permanent, v.worker_died, v.started_at, v.finished_at, v.usage, v.message, v.output_tail);
}
template <class Fn> void fields(RetryPolicy& v, Fn fn) { fn(v.max_attempts, v.backoff, v.factor, v.backoff_max); }
template <class Fn> void fields(NewTask& v, Fn fn) {
  fn(v.ns, v.kind, v.spec, v.group, v.routing_key, v.routing, v.priority, v.run_at, v.timeout, v.start_deadline, v.retry,
     v.on_worker_lost, v.labels, v.traceparent, v.created_by, v.idempotency_key);
}
template <class Fn> void fields(AttemptRecord& v, Fn fn) { fn(v.attempt, v.epoch, v.worker, v.result); }
template <class Fn> void fields(TaskRow& v, Fn fn) {
  fn(v.id, v.task, v.rank, v.run_at, v.created_at, v.attempt, v.failures, v.crashes, v.state, v.worker,
     v.worker_incarnation, v.epoch, v.started_at, v.cancel_requested);
}
template <class Fn> void fields(Progress& v, Fn fn) { fn(v.fraction, v.message, v.at); }
template <class Fn> void fields(ProgressReport& v, Fn fn) { fn(v.token, v.progress); }
template <class Fn> void fields(ProgressBatch& v, Fn fn) { fn(v.items); }
template <class Fn> void fields(Error& v, Fn fn) { fn(v.code, v.message, v.field); }
template <class Fn> void fields(SubmitReply::Refusal& v, Fn fn) { fn(v.index, v.error); }
template <class Fn> void fields(TaskView& v, Fn fn) { fn(v.row, v.finished_at, v.result, v.attempts, v.late, v.progress); }
template <class Fn> void fields(SubmitRequest& v, Fn fn) { fn(v.tasks, v.each); }
template <class Fn> void fields(SubmitReply& v, Fn fn) { fn(v.ids, v.refused); }
template <class Fn> void fields(GetRequest& v, Fn fn) { fn(v.id, v.wait, v.forwarded); }
template <class Fn> void fields(GetReply& v, Fn fn) { fn(v.view); }
template <class Fn> void fields(WaitRequest& v, Fn fn) { fn(v.ids, v.wait, v.forwarded); }
template <class Fn> void fields(WaitReply::Item& v, Fn fn) { fn(v.id, v.found, v.state, v.exit_code, v.worker); }
template <class Fn> void fields(WaitReply& v, Fn fn) { fn(v.items); }
template <class Fn> void fields(ListRequest& v, Fn fn) { fn(v.ns, v.group, v.kind, v.states, v.after, v.limit, v.labels, v.created_from, v.created_before); }
template <class Fn> void fields(ListReply& v, Fn fn) { fn(v.views, v.next); }
template <class Fn> void fields(WorkersRequest&, Fn fn) { fn(); }
template <class Fn> void fields(WorkerView& v, Fn fn) {
  fn(v.id, v.address, v.version, v.incarnation, v.groups, v.slots, v.registered, v.connected, v.draining, v.credit_limit,
     v.outstanding, v.queued, v.running, v.spooled, v.started_at);
}
template <class Fn> void fields(WorkersReply& v, Fn fn) { fn(v.workers); }
template <class Fn> void fields(MastersRequest&, Fn fn) { fn(); }
template <class Fn> void fields(MasterView& v, Fn fn) {
  fn(v.id, v.rpc_address, v.http_address, v.version, v.incarnation, v.self, v.shards, v.started_at);
}
template <class Fn> void fields(MastersReply& v, Fn fn) { fn(v.masters); }
template <class Fn> void fields(ClusterRequest&, Fn fn) { fn(); }
template <class Fn> void fields(ClusterReply::Lane& v, Fn fn) { fn(v.group, v.waiting_in_memory, v.dispatched, v.more_in_store, v.workers); }
template <class Fn> void fields(ClusterReply& v, Fn fn) {
  fn(v.cluster, v.store_id, v.answered_by, v.shards_owned, v.shards_unowned, v.masters, v.workers, v.lanes, v.accepted,
     v.completed, v.retried, v.store_up, v.registry_up);
}
template <class Fn> void fields(ControlRequest& v, Fn fn) { fn(v.id, v.action, v.forwarded); }
template <class Fn> void fields(ControlReply& v, Fn fn) { fn(v.state); }
template <class Fn> void fields(LogRequest& v, Fn fn) { fn(v.id, v.attempt, v.offset, v.limit, v.forwarded); }
template <class Fn> void fields(LogReply& v, Fn fn) { fn(v.attempt, v.worker, v.bytes, v.next, v.over); }
template <class Fn> void fields(GroupsRequest& v, Fn fn) { fn(v.forwarded); }
template <class Fn> void fields(GroupsReply::Group& v, Fn fn) {
  fn(v.name, v.workers, v.slots, v.waiting_in_memory, v.dispatched, v.more_in_store);
}
template <class Fn> void fields(GroupsReply& v, Fn fn) { fn(v.groups, v.not_answered); }
template <class Fn> void fields(ExplainRequest& v, Fn fn) { fn(v.id, v.forwarded); }
template <class Fn> void fields(ExplainReply::Reason& v, Fn fn) { fn(v.code, v.text); }
template <class Fn> void fields(AuditRequest& v, Fn fn) { fn(v.full); }
template <class Fn> void fields(AuditFinding& v, Fn fn) { fn(v.subject, v.text, v.advice); }
template <class Fn> void fields(AuditCheck& v, Fn fn) { fn(v.name, v.looked_at, v.findings, v.more, v.not_made); }
template <class Fn> void fields(AuditReply& v, Fn fn) {
  fn(v.answered_by, v.at, v.took, v.full, v.rows_read, v.checks, v.not_answered, v.too_old);
}
template <class Fn> void fields(AuditRow& v, Fn fn) {
  fn(v.id, v.rank, v.group, v.run_at, v.attempt, v.failures, v.crashes, v.state, v.worker, v.worker_incarnation, v.epoch,
     v.cancel_requested_at);
}
template <class Fn> void fields(AuditPartRequest& v, Fn fn) { fn(v.held, v.rows); }
template <class Fn> void fields(AuditSuspicion& v, Fn fn) { fn(v.check, v.subject, v.fact, v.text, v.advice); }
template <class Fn> void fields(AuditPartReply& v, Fn fn) {
  fn(v.incarnation, v.shards, v.suspicions, v.attempts, v.held, v.workers, v.not_answered, v.too_old);
}
template <class Fn> void fields(HeldRequest& v, Fn fn) { fn(v.shards, v.believed); }
template <class Fn> void fields(HeldReply& v, Fn fn) { fn(v.missing, v.unknown, v.superseded, v.held, v.oldest, v.oldest_age); }
template <class Fn> void fields(ExplainReply& v, Fn fn) { fn(v.state, v.reasons); }
// clang-format on

// Converts to any type: how many of these an aggregate takes is how many fields it has.
struct AnyField {
  template <class T>
  operator T() const;
};
template <class T, class... Fields>
constexpr std::size_t count_fields() {
  if constexpr (requires { T{Fields{}..., AnyField{}}; }) {
    return count_fields<T, Fields..., AnyField>();
  } else {
    return sizeof...(Fields);
  }
}

class RandomValues {
 public:
  explicit RandomValues(std::uint64_t seed) : random_(seed) {}

  template <class T>
  T make() {
    T value{};
    fill(value);
    return value;
  }

 private:
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  template <class E>
  void pick(E& value, std::initializer_list<E> from) {
    value = from.begin()[below(from.size())];
  }

  void fill(bool& value) { value = below(2) == 1; }
  template <class T>
    requires std::is_integral_v<T>
  void fill(T& value) {
    switch (below(4)) {
      case 0:
        value = std::numeric_limits<T>::max();
        break;
      case 1:
        value = std::numeric_limits<T>::min();
        break;
      default:
        value = static_cast<T>(random_() >> below(64));
    }
  }
  void fill(double& value) { value = static_cast<double>(random_()) / 7.0; }
  void fill(std::string& value) {
    value.resize(below(4) == 0 ? below(2000) : below(20));
    for (char& c : value) c = static_cast<char>(random_());
  }
  void fill(Duration& value) { value = Duration(make<std::int64_t>()); }
  void fill(WallTime& value) { value = from_unix_micros(make<std::int64_t>()); }
  void fill(MonoTime& value) { value = MonoTime(Duration(make<std::int64_t>())); }
  void fill(ErrorCode& v) { v = static_cast<ErrorCode>(below(12)); }
  void fill(ControlAction& v) { pick(v, {ControlAction::cancel, ControlAction::release}); }
  void fill(OnWorkerLost& v) {
    pick(v, {OnWorkerLost::rerun, OnWorkerLost::rerun_after_lease, OnWorkerLost::fail});
  }
  void fill(Routing& v) { pick(v, {Routing::bounded, Routing::strict}); }
  void fill(Outcome& v) {
    pick(v, {Outcome::succeeded, Outcome::failed, Outcome::timed_out, Outcome::cancelled, Outcome::lost,
             Outcome::released});
  }
  void fill(ResultFate& v) { pick(v, {ResultFate::recorded, ResultFate::stale}); }
  void fill(HeldState& v) { pick(v, {HeldState::queued, HeldState::running, HeldState::finished}); }
  void fill(AckVerdict& v) {
    pick(v, {AckVerdict::accepted, AckVerdict::busy, AckVerdict::fenced, AckVerdict::wrong_life,
             AckVerdict::returned});
  }
  void fill(TaskState& v) {
    pick(v, {TaskState::delayed, TaskState::ready, TaskState::running, TaskState::cancelling,
             TaskState::quarantined, TaskState::succeeded, TaskState::failed, TaskState::cancelled,
             TaskState::timed_out, TaskState::lost});
  }
  template <class T>
  void fill(std::optional<T>& value) {
    if (below(2) == 1) fill(value.emplace());
  }
  template <class T>
  void fill(std::vector<T>& value) {
    value.resize(below(5));
    for (auto& item : value) fill(item);
  }
  // Of one of the ids.
  void fill(SubmitReply& v) {
    fill(v.ids);
    if (!v.ids.empty()) fill(v.refused);
    for (SubmitReply::Refusal& refusal : v.refused) refusal.index %= v.ids.size();
  }
  template <class T>
    requires std::is_aggregate_v<T>
  void fill(T& value) {
    fields(value, [&]<class... F>(F&... field) {
      static_assert(count_fields<T>() == sizeof...(F), "a field is missing in the list above");
      (fill(field), ...);
    });
  }

  std::mt19937_64 random_;
};

template <class T>
bool same(T& a, T& b);
template <class T>
bool same(std::vector<T>& a, std::vector<T>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!same(a[i], b[i])) return false;
  }
  return true;
}
template <class T>
bool same(std::optional<T>& a, std::optional<T>& b) {
  return a.has_value() == b.has_value() && (!a || same(*a, *b));
}
template <class T>
bool same(T& a, T& b) {
  if constexpr (requires { fields(a, [](auto&...) {}); }) {
    bool equal = false;
    fields(a, [&](auto&... of_a) {
      const auto tied_a = std::tie(of_a...);
      fields(b, [&](auto&... of_b) {
        const auto tied_b = std::tie(of_b...);
        equal = [&]<std::size_t... I>(std::index_sequence<I...>) {
          return (same(std::get<I>(tied_a), std::get<I>(tied_b)) && ...);
        }(std::index_sequence_for<decltype(of_a)...>());
      });
    });
    return equal;
  } else {
    return a == b;
  }
}

}  // namespace ringmaster
