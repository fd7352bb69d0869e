#include <algorithm>
#include <array>
#include <tuple>
#include <type_traits>
#include <utility>

#include "rpc/message_codec.h"
#include "rpc/proto/ringmaster.pb.h"
#include "rpc/wire_audit.h"
#include "rpc/wire_cluster.h"
#include "rpc/wire_task.h"

namespace ringmaster {
namespace {

constexpr int kMaxItems = 10'000;  // of one request; see base/api.h

template <class P, class T>
void put_ids(const std::vector<T>& from, P& to) {
  to.Reserve(static_cast<int>(from.size()));
  for (const auto& id : from) to.Add(id.value);
}
template <class P>
void take_ids(const P& from, std::vector<TaskId>& to) {
  to.reserve(static_cast<std::size_t>(from.size()));
  for (const auto id : from) to.push_back(TaskId{id});
}

// ---- requests -------------------------------------------------------------------------------------------

void put(const Error& from, wire::Error& to) {
  // The wire keeps 0 for "not said"; the others stand in our order, which static_asserts below hold fast.
  to.set_code(static_cast<wire::ErrorCode>(static_cast<int>(from.code) + 1));
  to.set_message(from.message);
  to.set_field(from.field);
}
Error take(wire::Error& from) {
  Error error{ErrorCode::internal, std::move(*from.mutable_message()), std::move(*from.mutable_field())};
  // A newer peer may know more codes: to us they are all "cannot be mended by the caller".
  if (from.code() != wire::ERROR_CODE_UNSPECIFIED && wire::ErrorCode_IsValid(from.code()))
    error.code = static_cast<ErrorCode>(static_cast<int>(from.code()) - 1);
  return error;
}

void put(const SubmitRequest& from, wire::SubmitRequest& to) {
  for (const auto& task : from.tasks) put(task, *to.add_tasks());
  to.set_each(from.each);
}
bool take(wire::SubmitRequest& from, SubmitRequest& to) {
  // A byte or two can ask for an item of hundreds: count before making room.
  if (from.tasks_size() > kMaxItems) return false;
  to.tasks.resize(static_cast<std::size_t>(from.tasks_size()));
  for (int i = 0; i < from.tasks_size(); ++i) {
    if (!take(*from.mutable_tasks(i), to.tasks[static_cast<std::size_t>(i)])) return false;
  }
  to.each = from.each();
  return true;
}

void put(const GetRequest& from, wire::GetRequest& to) {
  to.set_id(from.id.value);
  to.set_wait(from.wait.count());
  to.set_forwarded(from.forwarded);
}
bool take(const wire::GetRequest& from, GetRequest& to) {
  to = {TaskId{from.id()}, Duration(from.wait()), from.forwarded()};
  return true;
}

void put(const WaitRequest& from, wire::WaitRequest& to) {
  put_ids(from.ids, *to.mutable_ids());
  to.set_wait(from.wait.count());
  to.set_forwarded(from.forwarded);
}
bool take(const wire::WaitRequest& from, WaitRequest& to) {
  if (from.ids_size() > kMaxItems) return false;
  take_ids(from.ids(), to.ids);
  to.wait = Duration(from.wait());
  to.forwarded = from.forwarded();
  return true;
}

void put(const ListRequest& from, wire::ListRequest& to) {
  to.set_ns(from.ns);
  to.set_group(from.group);
  to.set_kind(from.kind);
  for (const auto state : from.states) to.add_states(static_cast<wire::TaskState>(state));
  if (from.after) to.set_after(from.after->value);
  to.set_limit(from.limit);
  to.set_labels(from.labels);
  if (from.created_from) to.set_created_from(to_unix_micros(*from.created_from));
  if (from.created_before) to.set_created_before(to_unix_micros(*from.created_before));
}
bool take(const wire::ListRequest& from, ListRequest& to) {
  to.ns = from.ns();
  to.group = from.group();
  to.kind = from.kind();
  if (from.states_size() > kMaxItems) return false;
  for (const int state : from.states()) {
    if (!wire::TaskState_IsValid(state)) return false;
    to.states.push_back(static_cast<TaskState>(state));
  }
  if (from.has_after()) to.after = TaskId{from.after()};
  to.limit = from.limit();
  to.labels = from.labels();
  if (from.has_created_from()) to.created_from = from_unix_micros(from.created_from());
  if (from.has_created_before()) to.created_before = from_unix_micros(from.created_before());
  return true;
}

void put(const LogRequest& from, wire::LogRequest& to) {
  to.set_id(from.id.value);
  to.set_attempt(from.attempt);
  to.set_offset(from.offset);
  to.set_limit(from.limit);
  to.set_forwarded(from.forwarded);
}
bool take(const wire::LogRequest& from, LogRequest& to) {
  to = {TaskId{from.id()}, from.attempt(), from.offset(), from.limit(), from.forwarded()};
  return true;
}

void put(const GroupsRequest& from, wire::GroupsRequest& to) {
  to.set_forwarded(from.forwarded);
}
bool take(const wire::GroupsRequest& from, GroupsRequest& to) {
  to.forwarded = from.forwarded();
  return true;
}

void put(const WorkersRequest&, wire::WorkersRequest&) {}
bool take(const wire::WorkersRequest&, WorkersRequest&) {
  return true;
}
void put(const MastersRequest&, wire::MastersRequest&) {}
bool take(const wire::MastersRequest&, MastersRequest&) {
  return true;
}
void put(const ClusterRequest&, wire::ClusterRequest&) {}
bool take(const wire::ClusterRequest&, ClusterRequest&) {
  return true;
}

void put(const ControlRequest& from, wire::ControlRequest& to) {
  to.set_id(from.id.value);
  to.set_action(static_cast<wire::ControlAction>(from.action));
  to.set_forwarded(from.forwarded);
}
bool take(const wire::ControlRequest& from, ControlRequest& to) {
  to.id = TaskId{from.id()};
  to.forwarded = from.forwarded();
  return take_enum(from.action(), wire::ControlAction_IsValid, to.action);
}

void put(const ExplainRequest& from, wire::ExplainRequest& to) {
  to.set_id(from.id.value);
  to.set_forwarded(from.forwarded);
}
bool take(const wire::ExplainRequest& from, ExplainRequest& to) {
  to = {TaskId{from.id()}, from.forwarded()};
  return true;
}

// ---- replies --------------------------------------------------------------------------------------------

void put(const SubmitReply& from, wire::SubmitReply& to) {
  put_ids(from.ids, *to.mutable_ids());
  for (const auto& refusal : from.refused) {
    auto& form = *to.add_refused();
    form.set_index(static_cast<std::uint32_t>(refusal.index));
    put(refusal.error, *form.mutable_error());
  }
}
bool take(wire::SubmitReply& from, SubmitReply& to) {
  take_ids(from.ids(), to.ids);
  if (from.refused_size() > kMaxItems) return false;
  for (auto& form : *from.mutable_refused()) {
    if (form.index() >= to.ids.size()) return false;
    to.refused.push_back({form.index(), take(*form.mutable_error())});
  }
  return true;
}

void put(const GetReply& from, wire::GetReply& to) {
  put(from.view, *to.mutable_view());
}
bool take(wire::GetReply& from, GetReply& to) {
  return take(*from.mutable_view(), to.view);
}

void put(const WaitReply& from, wire::WaitReply& to) {
  for (const auto& item : from.items) {
    auto& form = *to.add_items();
    form.set_id(item.id.value);
    form.set_found(item.found);
    form.set_state(static_cast<wire::TaskState>(item.state));
    form.set_exit_code(item.exit_code);
    form.set_worker(item.worker);
  }
}
bool take(wire::WaitReply& from, WaitReply& to) {
  to.items.resize(static_cast<std::size_t>(from.items_size()));
  for (int i = 0; i < from.items_size(); ++i) {
    auto& form = *from.mutable_items(i);
    auto& item = to.items[static_cast<std::size_t>(i)];
    item.id = TaskId{form.id()};
    item.found = form.found();
    item.exit_code = form.exit_code();
    item.worker = std::move(*form.mutable_worker());
    if (!take_enum(form.state(), wire::TaskState_IsValid, item.state)) return false;
  }
  return true;
}

void put(const ListReply& from, wire::ListReply& to) {
  for (const auto& view : from.views) put(view, *to.add_views());
  if (from.next) to.set_next(from.next->value);
}
bool take(wire::ListReply& from, ListReply& to) {
  to.views.resize(static_cast<std::size_t>(from.views_size()));
  for (int i = 0; i < from.views_size(); ++i) {
    if (!take(*from.mutable_views(i), to.views[static_cast<std::size_t>(i)])) return false;
  }
  if (from.has_next()) to.next = TaskId{from.next()};
  return true;
}

void put(const ControlReply& from, wire::ControlReply& to) {
  to.set_state(static_cast<wire::TaskState>(from.state));
}
bool take(const wire::ControlReply& from, ControlReply& to) {
  return take_enum(from.state(), wire::TaskState_IsValid, to.state);
}

void put(const ExplainReply& from, wire::ExplainReply& to) {
  to.set_state(static_cast<wire::TaskState>(from.state));
  for (const auto& reason : from.reasons) {
    auto& form = *to.add_reasons();
    form.set_code(reason.code);
    form.set_text(reason.text);
  }
}
bool take(const wire::ExplainReply& from, ExplainReply& to) {
  for (const auto& form : from.reasons()) to.reasons.push_back({form.code(), form.text()});
  return take_enum(from.state(), wire::TaskState_IsValid, to.state);
}

void put(const LogReply& from, wire::LogReply& to) {
  to.set_attempt(from.attempt);
  to.set_worker(from.worker);
  to.set_bytes(from.bytes);
  to.set_next(from.next);
  to.set_over(from.over);
}
bool take(wire::LogReply& from, LogReply& to) {
  to = {from.attempt(), from.worker(), std::move(*from.mutable_bytes()), from.next(), from.over()};
  return true;
}

// ---- the table: one number for a request and its reply, in the order of both variants -------------------

constexpr std::array kTypes = {
    FrameType::submit,  FrameType::get,     FrameType::wait,       FrameType::list,    FrameType::workers,
    FrameType::masters, FrameType::cluster, FrameType::control,    FrameType::explain, FrameType::log,
    FrameType::groups,  FrameType::audit,   FrameType::audit_part, FrameType::held};
static_assert(std::variant_size_v<ApiRequest> == kTypes.size() &&
              std::variant_size_v<ApiReply> == kTypes.size());

// What the alternatives look like on the wire, in the same order.
using RequestForms =
    std::tuple<wire::SubmitRequest, wire::GetRequest, wire::WaitRequest, wire::ListRequest,
               wire::WorkersRequest, wire::MastersRequest, wire::ClusterRequest, wire::ControlRequest,
               wire::ExplainRequest, wire::LogRequest, wire::GroupsRequest, wire::AuditRequest,
               wire::AuditPartRequest, wire::HeldRequest>;
using ReplyForms =
    std::tuple<wire::SubmitReply, wire::GetReply, wire::WaitReply, wire::ListReply, wire::WorkersReply,
               wire::MastersReply, wire::ClusterReply, wire::ControlReply, wire::ExplainReply, wire::LogReply,
               wire::GroupsReply, wire::AuditReply, wire::AuditPartReply, wire::HeldReply>;

template <class Forms, class Variant, std::size_t... I>
void encode_any(const Variant& from, std::string& out, std::index_sequence<I...>) {
  const auto try_one = [&]<std::size_t kIndex>(std::integral_constant<std::size_t, kIndex>) {
    if (from.index() != kIndex) return false;
    Scratch<std::tuple_element_t<kIndex, Forms>> form;
    put(std::get<kIndex>(from), *form);
    form.note_size(append_serialized(*form, out));
    return true;
  };
  (try_one(std::integral_constant<std::size_t, I>()) || ...);
}

template <class Form, class Variant, std::size_t kIndex>
Result<Variant> decode_as(std::string_view payload) {
  Scratch<Form> form;
  form.note_size(payload.size());
  Variant value(std::in_place_index<kIndex>);
  if (!form->ParseFromArray(payload.data(), static_cast<int>(payload.size())))
    return fail(ErrorCode::invalid_argument, form->GetTypeName() + ": not a protobuf message");
  if (!take(*form, std::get<kIndex>(value)))
    return fail(ErrorCode::invalid_argument, form->GetTypeName() + ": a value is out of range");
  return value;
}

template <class Forms, class Variant, std::size_t... I>
Result<Variant> decode_any(std::uint16_t type, std::string_view payload, std::index_sequence<I...>) {
  constexpr std::array kDecoders = {decode_as<std::tuple_element_t<I, Forms>, Variant, I>...};
  const auto known = std::ranges::find(kTypes, static_cast<FrameType>(type));
  if (known == kTypes.end())
    return fail(ErrorCode::invalid_argument, "unknown request type " + std::to_string(type));
  return kDecoders[static_cast<std::size_t>(known - kTypes.begin())](payload);
}

constexpr auto kIndices = std::make_index_sequence<kTypes.size()>();

}  // namespace

FrameType type_of(const ApiRequest& request) {
  return kTypes[request.index()];
}
FrameType type_of(const ApiReply& reply) {
  return kTypes[reply.index()];
}
bool is_request_type(std::uint16_t type) {
  return std::ranges::any_of(kTypes,
                             [&](FrameType known) { return static_cast<std::uint16_t>(known) == type; });
}

void encode(const ApiRequest& request, std::string& out) {
  encode_any<RequestForms>(request, out, kIndices);
}
void encode(const ApiReply& reply, std::string& out) {
  encode_any<ReplyForms>(reply, out, kIndices);
}

Result<ApiRequest> decode_request(std::uint16_t type, std::string_view payload) {
  return decode_any<RequestForms, ApiRequest>(type, payload, kIndices);
}
Result<ApiReply> decode_reply(std::uint16_t type, std::string_view payload) {
  return decode_any<ReplyForms, ApiReply>(type, payload, kIndices);
}

void encode(const Error& error, std::string& out) {
  wire::Error form;
  put(error, form);
  append_serialized(form, out);
}

static_assert(static_cast<int>(ErrorCode::invalid_argument) + 1 == wire::ERROR_CODE_INVALID_ARGUMENT);
static_assert(static_cast<int>(ErrorCode::not_found) + 1 == wire::ERROR_CODE_NOT_FOUND);
static_assert(static_cast<int>(ErrorCode::already_exists) + 1 == wire::ERROR_CODE_ALREADY_EXISTS);
static_assert(static_cast<int>(ErrorCode::unauthenticated) + 1 == wire::ERROR_CODE_UNAUTHENTICATED);
static_assert(static_cast<int>(ErrorCode::fenced) + 1 == wire::ERROR_CODE_FENCED);
static_assert(static_cast<int>(ErrorCode::unavailable) + 1 == wire::ERROR_CODE_UNAVAILABLE);
static_assert(static_cast<int>(ErrorCode::unknown_outcome) + 1 == wire::ERROR_CODE_UNKNOWN_OUTCOME);
static_assert(static_cast<int>(ErrorCode::deadline_exceeded) + 1 == wire::ERROR_CODE_DEADLINE_EXCEEDED);
static_assert(static_cast<int>(ErrorCode::resource_exhausted) + 1 == wire::ERROR_CODE_RESOURCE_EXHAUSTED);
static_assert(static_cast<int>(ErrorCode::cancelled) + 1 == wire::ERROR_CODE_CANCELLED);
static_assert(static_cast<int>(ErrorCode::internal) + 1 == wire::ERROR_CODE_INTERNAL);
static_assert(static_cast<int>(ErrorCode::key_reused) + 1 == wire::ERROR_CODE_KEY_REUSED);

Result<Error> decode_error(std::string_view payload) {
  wire::Error form;
  if (!form.ParseFromArray(payload.data(), static_cast<int>(payload.size())))
    return fail(ErrorCode::invalid_argument, "ringmaster.wire.Error: not a protobuf message");
  return take(form);
}

void encode_goodbye(std::string_view reason, std::string& out) {
  wire::Goodbye form;
  form.set_reason(std::string(reason));
  append_serialized(form, out);
}
std::string decode_goodbye(std::string_view payload) {
  wire::Goodbye form;
  if (!form.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) return {};
  return std::move(*form.mutable_reason());
}

}  // namespace ringmaster
