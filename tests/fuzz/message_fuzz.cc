// Every RPC message, request, reply and error: what decodes is encoded to bytes that decode to the same
// again, and whatever a master does with it before it trusts it (validation, the payload's hash, JSON for
// people) survives any value.
//
// Input: a byte for the kind, one for the type, then the payload.
#include <string>
#include <variant>

#include <boost/json/serialize.hpp>

#include "base/api_json.h"
#include "base/task_json.h"
#include "rpc/message_codec.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

using namespace ringmaster;

// The first encoding may drop what this version does not know; the second one must equal it.
template <class Value, class Decode>
void check_round_trip(const Value& value, Decode decode) {
  std::string once, twice;
  encode(value, once);
  const auto again = decode(static_cast<std::uint16_t>(type_of(value)), once);
  fuzz_check(again.has_value(), "what was encoded decodes");
  encode(*again, twice);
  fuzz_check(once == twice, "a decoded value is encoded to the same bytes");
}

void use(const ApiRequest& request) {
  const auto* submit = std::get_if<SubmitRequest>(&request);
  if (submit == nullptr) return;
  const bool valid = validate(*submit).has_value();
  for (const NewTask& task : submit->tasks) {
    // With `each` a task at fault is refused alone.
    fuzz_check(!valid || submit->each || validate(task).has_value(), "each task of a valid request is valid");
    (void)payload_hash(task);
  }
}

// What ringctl prints of a reply.
struct Show {
  void operator()(const GetReply& reply) const {
    (void)boost::json::serialize(task_view_to_json(reply.view));
  }
  void operator()(const ListReply& reply) const {
    for (const TaskView& view : reply.views) (void)boost::json::serialize(task_view_to_json(view));
  }
  void operator()(const WorkersReply& reply) const {
    for (const WorkerView& worker : reply.workers) (void)to_json(worker);
  }
  void operator()(const MastersReply& reply) const {
    for (const MasterView& master : reply.masters) (void)to_json(master);
  }
  void operator()(const ClusterReply& reply) const { (void)to_json(reply); }
  void operator()(const GroupsReply& reply) const { (void)to_json(reply); }
  void operator()(const AuditReply& reply) const { (void)to_json(reply); }
  void operator()(const ControlReply& reply) const { (void)to_json(TaskId{1}, reply); }
  void operator()(const ExplainReply& reply) const { (void)to_json(TaskId{1}, reply); }
  void operator()(const auto&) const {}
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  const auto kind = input.byte() % 4;
  const std::uint16_t type = input.byte();
  const auto payload = input.rest();
  if (kind == 0) {
    if (const auto message = decode(type, payload)) check_round_trip(*message, &decode);
  } else if (kind == 1) {
    if (const auto request = decode_request(type, payload)) {
      check_round_trip(*request, &decode_request);
      use(*request);
    }
  } else if (kind == 2) {
    if (const auto reply = decode_reply(type, payload)) {
      check_round_trip(*reply, &decode_reply);
      std::visit(Show{}, *reply);
    }
  } else {
    (void)decode_goodbye(payload);
    if (const auto error = decode_error(payload)) {
      std::string once;
      encode(*error, once);
      const auto again = decode_error(once);
      fuzz_check(again && again->code == error->code && again->message == error->message, "an error is kept");
      (void)to_json(*error);
    }
  }
  return 0;
}
