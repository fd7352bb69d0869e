#include "rpc/message_codec.h"

#include <algorithm>
#include <array>
#include <utility>

#include "rpc/proto/ringmaster.pb.h"
#include "rpc/wire_task.h"

namespace ringmaster {
namespace {

// ---- items ----------------------------------------------------------------------------------------------

void put(const Token& from, wire::Token& to) {
  put_token(from, to);
}
bool take(const wire::Token& from, Token& to) {
  to = take_token(from);
  return true;
}

void put(const ShardEpoch& from, wire::ShardEpoch& to) {
  to.set_shard(from.shard);
  to.set_epoch(from.epoch);
}
bool take(const wire::ShardEpoch& from, ShardEpoch& to) {
  to = {static_cast<ShardId>(from.shard()), from.epoch()};
  return from.shard() < kShardCount;
}

void put(const Dispatch& from, wire::Dispatch& to) {
  put_token(from.token, to);
  to.set_ns(from.ns);
  to.set_group(from.group);
  to.set_kind(from.kind);
  to.set_spec(from.spec);
  to.set_timeout(from.timeout.count());
  to.set_on_worker_lost(static_cast<wire::OnWorkerLost>(from.on_worker_lost));
  if (!from.traceparent.empty()) to.set_traceparent(from.traceparent);
}
bool take(wire::Dispatch& from, Dispatch& to) {
  to.token = take_token(from);
  // Short texts fit into a string's own room: copying leaves the parser's memory where it is.
  to.ns = from.ns();
  to.group = from.group();
  to.kind = from.kind();
  to.spec = std::move(*from.mutable_spec());
  to.timeout = Duration(from.timeout());
  to.traceparent = from.traceparent();
  return take_enum(from.on_worker_lost(), wire::OnWorkerLost_IsValid, to.on_worker_lost);
}

void put(const ResultAck& from, wire::ResultAck& to) {
  put_token(from.token, to);
  to.set_fate(static_cast<wire::ResultFate>(from.fate));
}
bool take(const wire::ResultAck& from, ResultAck& to) {
  to.token = take_token(from);
  return take_enum(from.fate(), wire::ResultFate_IsValid, to.fate);
}

void put(const HeldAttempt& from, wire::HeldAttempt& to) {
  put_token(from.token, to);
  to.set_state(static_cast<wire::HeldState>(from.state));
  if (from.started_at) to.set_started_at(to_unix_micros(*from.started_at));
}
bool take(const wire::HeldAttempt& from, HeldAttempt& to) {
  to.token = take_token(from);
  if (from.has_started_at()) to.started_at = from_unix_micros(from.started_at());
  return take_enum(from.state(), wire::HeldState_IsValid, to.state);
}

void put(const Ack& from, wire::Ack& to) {
  put_token(from.token, to);
  to.set_verdict(static_cast<wire::AckVerdict>(from.verdict));
}
bool take(const wire::Ack& from, Ack& to) {
  to.token = take_token(from);
  return take_enum(from.verdict(), wire::AckVerdict_IsValid, to.verdict);
}

void put(const ResultReport& from, wire::ResultReport& to) {
  put_token(from.token, to);
  put(from.result, *to.mutable_result());
}
bool take(wire::ResultReport& from, ResultReport& to) {
  to.token = take_token(from);
  return take(*from.mutable_result(), to.result);
}

void put(const Started& from, wire::Started& to) {
  put_token(from.token, to);
  to.set_started_at(to_unix_micros(from.started_at));
}
bool take(const wire::Started& from, Started& to) {
  to = {take_token(from), from_unix_micros(from.started_at())};
  return true;
}

void put(const ProgressReport& from, wire::ProgressReport& to) {
  put_token(from.token, to);
  put(from.progress, *to.mutable_progress());
}
bool take(wire::ProgressReport& from, ProgressReport& to) {
  to.token = take_token(from);
  return take(*from.mutable_progress(), to.progress);
}

template <class W, class T>
void put_items(const std::vector<T>& from, W& to) {
  to.Reserve(static_cast<int>(from.size()));
  for (const auto& item : from) put(item, *to.Add());
}
template <class W, class T>
[[nodiscard]] bool take_items(W& from, std::vector<T>& to) {
  to.resize(static_cast<std::size_t>(from.size()));
  std::size_t i = 0;
  for (auto& item : from) {
    if (!take(item, to[i++])) return false;
  }
  return true;
}

// ---- messages: for each its number, its protobuf form, and both directions ------------------------------

template <class T>
struct Wire;

template <>
struct Wire<Announce> {
  static constexpr auto type = FrameType::announce;
  using Form = wire::Announce;
  static void put_all(const Announce& from, Form& to) {
    to.set_sequence(from.sequence);
    put_items(from.shards, *to.mutable_shards());
  }
  static bool take_all(Form& from, Announce& to) {
    to.sequence = from.sequence();
    return take_items(*from.mutable_shards(), to.shards);
  }
};

template <>
struct Wire<DispatchBatch> {
  static constexpr auto type = FrameType::dispatch_batch;
  using Form = wire::DispatchBatch;
  static void put_all(const DispatchBatch& from, Form& to) {
    to.set_worker(from.worker.value);
    put_items(from.items, *to.mutable_items());
  }
  static bool take_all(Form& from, DispatchBatch& to) {
    to.worker = Incarnation{from.worker()};
    return take_items(*from.mutable_items(), to.items);
  }
};

// A message that is nothing but items.
template <class T, class F, FrameType kType>
struct WireOfItems {
  static constexpr auto type = kType;
  using Form = F;
  static void put_all(const T& from, Form& to) { put_items(from.items, *to.mutable_items()); }
  static bool take_all(Form& from, T& to) { return take_items(*from.mutable_items(), to.items); }
};
template <>
struct Wire<ResultAckBatch> : WireOfItems<ResultAckBatch, wire::ResultAckBatch, FrameType::result_ack_batch> {
};
template <>
struct Wire<KillBatch> : WireOfItems<KillBatch, wire::KillBatch, FrameType::kill_batch> {};
template <>
struct Wire<AckBatch> : WireOfItems<AckBatch, wire::AckBatch, FrameType::ack_batch> {};
template <>
struct Wire<ResultBatch> : WireOfItems<ResultBatch, wire::ResultBatch, FrameType::result_batch> {};
template <>
struct Wire<StartedBatch> : WireOfItems<StartedBatch, wire::StartedBatch, FrameType::started_batch> {};
template <>
struct Wire<ProgressBatch> : WireOfItems<ProgressBatch, wire::ProgressBatch, FrameType::progress_batch> {};

template <>
struct Wire<MasterStatus> {
  static constexpr auto type = FrameType::master_status;
  using Form = wire::MasterStatus;
  static void put_all(const MasterStatus& from, Form& to) { to.set_demand(from.demand); }
  static bool take_all(Form& from, MasterStatus& to) {
    to.demand = from.demand();
    return true;
  }
};

template <>
struct Wire<Inventory> {
  static constexpr auto type = FrameType::inventory;
  using Form = wire::Inventory;
  static void put_all(const Inventory& from, Form& to) {
    to.set_sequence(from.sequence);
    to.set_last(from.last);
    put_items(from.superseded, *to.mutable_superseded());
    put_items(from.held, *to.mutable_held());
  }
  static bool take_all(Form& from, Inventory& to) {
    to.sequence = from.sequence();
    to.last = from.last();
    return take_items(*from.mutable_superseded(), to.superseded) && take_items(*from.mutable_held(), to.held);
  }
};

template <>
struct Wire<WorkerStatus> {
  static constexpr auto type = FrameType::worker_status;
  using Form = wire::WorkerStatus;
  static void put_all(const WorkerStatus& from, Form& to) {
    to.set_credit_limit(from.credit_limit);
    to.set_draining(from.draining);
    to.set_queued(from.queued);
    to.set_running(from.running);
    to.set_spooled(from.spooled);
    to.set_sent_at(from.sent_at.time_since_epoch().count());
  }
  static bool take_all(Form& from, WorkerStatus& to) {
    to = {from.credit_limit(), from.draining(), from.queued(),
          from.running(),      from.spooled(),  MonoTime(Duration(from.sent_at()))};
    return true;
  }
};

template <>
struct Wire<LeaseGrant> {
  static constexpr auto type = FrameType::lease_grant;
  using Form = wire::LeaseGrant;
  static void put_all(const LeaseGrant& from, Form& to) {
    to.set_status_sent_at(from.status_sent_at.time_since_epoch().count());
    to.mutable_shards()->assign(from.shards.begin(), from.shards.end());
  }
  static bool take_all(Form& from, LeaseGrant& to) {
    to.status_sent_at = MonoTime(Duration(from.status_sent_at()));
    for (const char shard : from.shards()) to.shards.push_back(static_cast<ShardId>(shard));
    return true;
  }
};

template <>
struct Wire<RelayedResults> {
  static constexpr auto type = FrameType::relayed_results;
  using Form = wire::RelayedResults;
  static void put_all(const RelayedResults& from, Form& to) {
    to.set_worker(from.worker);
    put_items(from.items, *to.mutable_items());
  }
  static bool take_all(Form& from, RelayedResults& to) {
    to.worker = from.worker();
    return take_items(*from.mutable_items(), to.items);
  }
};

template <>
struct Wire<RelayedAcks> {
  static constexpr auto type = FrameType::relayed_acks;
  using Form = wire::RelayedAcks;
  static void put_all(const RelayedAcks& from, Form& to) {
    to.set_worker(from.worker);
    put_items(from.items, *to.mutable_items());
  }
  static bool take_all(Form& from, RelayedAcks& to) {
    to.worker = from.worker();
    return take_items(*from.mutable_items(), to.items);
  }
};

template <>
struct Wire<PeerStatus> {
  static constexpr auto type = FrameType::peer_status;
  using Form = wire::PeerStatus;
  static void put_all(const PeerStatus& from, Form& to) {
    to.set_writes(from.writes);
    for (const std::string& id : from.missed) to.add_missed(id);
    for (const WorkerLife& life : from.reached) {
      wire::WorkerLife& reached = *to.add_reached();
      reached.set_id(life.id);
      reached.set_incarnation(life.incarnation.value);
    }
  }
  static bool take_all(Form& from, PeerStatus& to) {
    to.writes = from.writes();
    to.missed.assign(from.missed().begin(), from.missed().end());
    for (wire::WorkerLife& life : *from.mutable_reached())
      to.reached.push_back({std::move(*life.mutable_id()), Incarnation{life.incarnation()}});
    return true;
  }
};

template <class T>
Result<Message> decode_as(std::string_view payload) {
  Scratch<typename Wire<T>::Form> form;
  form.note_size(payload.size());
  Message message(std::in_place_type<T>);
  if (!form->ParseFromArray(payload.data(), static_cast<int>(payload.size())))
    return fail(ErrorCode::invalid_argument, form->GetTypeName() + ": not a protobuf message");
  if (!Wire<T>::take_all(*form, std::get<T>(message)))
    return fail(ErrorCode::invalid_argument, form->GetTypeName() + ": a value is out of range");
  return message;
}

struct Row {
  std::uint16_t type;
  Result<Message> (*decode)(std::string_view);
};
template <std::size_t... I>
constexpr auto make_table(std::index_sequence<I...>) {
  return std::array{Row{static_cast<std::uint16_t>(Wire<std::variant_alternative_t<I, Message>>::type),
                        decode_as<std::variant_alternative_t<I, Message>>}...};
}
constexpr auto kTable = make_table(std::make_index_sequence<std::variant_size_v<Message>>());

const Row* find_row(std::uint16_t type) {
  const auto row = std::ranges::find(kTable, type, &Row::type);
  return row == kTable.end() ? nullptr : &*row;
}

}  // namespace

FrameType type_of(const Message& message) {
  return std::visit([]<class T>(const T&) { return Wire<T>::type; }, message);
}

bool is_message_type(std::uint16_t type) {
  return find_row(type) != nullptr;
}

void encode(const Message& message, std::string& out) {
  std::visit(
      [&]<class T>(const T& value) {
        Scratch<typename Wire<T>::Form> form;
        Wire<T>::put_all(value, *form);
        form.note_size(append_serialized(*form, out));
      },
      message);
}

Result<Message> decode(std::uint16_t type, std::string_view payload) {
  if (const Row* const row = find_row(type)) return row->decode(payload);
  return fail(ErrorCode::invalid_argument, "unknown message type " + std::to_string(type));
}

}  // namespace ringmaster
