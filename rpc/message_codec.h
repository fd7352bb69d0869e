// The codec: plain values of base/ to payloads and back. The numbers are for ever (docs/protocol.md lists
// them).
//
// encode() appends a payload; decode takes any bytes whatever and answers a value or invalid_argument, never
// worse. Fields that a reader does not know are ignored. Any thread: scratch objects are kept for each
// thread, so that a hot batch allocates nothing but what its own value needs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/api.h"
#include "base/messages.h"
#include "base/result.h"

namespace ringmaster {

enum class FrameType : std::uint16_t {
  // Of the channel itself.
  challenge = 1,
  proof = 2,
  welcome = 3,
  reject = 4,
  heartbeat = 5,
  goodbye = 6,
  // Master to worker.
  announce = 16,
  dispatch_batch = 17,
  result_ack_batch = 18,
  kill_batch = 19,
  master_status = 20,
  lease_grant = 21,
  // Worker to master.
  inventory = 32,
  ack_batch = 33,
  result_batch = 34,
  worker_status = 35,
  started_batch = 36,
  progress_batch = 37,
  // Master to master.
  relayed_results = 48,
  relayed_acks = 49,
  peer_status = 50,
  // Requests; a reply has its request's number.
  submit = 64,
  get = 65,
  wait = 66,
  list = 67,
  workers = 68,
  masters = 69,
  cluster = 70,
  control = 71,
  explain = 72,
  log = 73,
  groups = 74,
  audit = 75,
  audit_part = 76,
  held = 77,
};

FrameType type_of(const Message& message);
FrameType type_of(const ApiRequest& request);
FrameType type_of(const ApiReply& reply);
bool is_message_type(std::uint16_t type);
bool is_request_type(std::uint16_t type);

void encode(const Message& message, std::string& out);
void encode(const ApiRequest& request, std::string& out);
void encode(const ApiReply& reply, std::string& out);
void encode(const Error& error, std::string& out);

Result<Message> decode(std::uint16_t type, std::string_view payload);
Result<ApiRequest> decode_request(std::uint16_t type, std::string_view payload);
Result<ApiReply> decode_reply(std::uint16_t type, std::string_view payload);
Result<Error> decode_error(std::string_view payload);

// The reason that a goodbye frame carries.
void encode_goodbye(std::string_view reason, std::string& out);
std::string decode_goodbye(std::string_view payload);

}  // namespace ringmaster
