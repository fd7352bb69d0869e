#include "rpc/message_codec.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rpc/proto/ringmaster.pb.h"
#include "tests/unit/rpc/random_values.h"

namespace ringmaster {
namespace {

std::uint16_t number(FrameType type) {
  return static_cast<std::uint16_t>(type);
}

template <class Value>
std::string encoded(const Value& value) {
  std::string out;
  encode(value, out);
  return out;
}

Result<Message> decode_like(const Message&, std::uint16_t type, std::string_view payload) {
  return decode(type, payload);
}
Result<ApiRequest> decode_like(const ApiRequest&, std::uint16_t type, std::string_view payload) {
  return decode_request(type, payload);
}
Result<ApiReply> decode_like(const ApiReply&, std::uint16_t type, std::string_view payload) {
  return decode_reply(type, payload);
}

// Calls fn with each alternative of a variant, filled at random.
template <class Variant, class Fn, std::size_t... I>
void each_alternative(RandomValues& values, Fn fn, std::index_sequence<I...>) {
  (fn(Variant(std::in_place_index<I>, values.make<std::variant_alternative_t<I, Variant>>())), ...);
}
template <class Variant, class Fn>
void each_alternative(RandomValues& values, Fn fn) {
  each_alternative<Variant>(values, fn, std::make_index_sequence<std::variant_size_v<Variant>>());
}
template <class Fn>
void each_value(int rounds, Fn fn) {
  for (int seed = 0; seed < rounds; ++seed) {
    RandomValues values(static_cast<std::uint64_t>(seed));
    each_alternative<Message>(values, fn);
    each_alternative<ApiRequest>(values, fn);
    each_alternative<ApiReply>(values, fn);
  }
}

TEST(MessageCodec, EveryFieldOfEveryMessageComesBack) {
  each_value(200, []<class Variant>(Variant value) {
    auto result = decode_like(value, number(type_of(value)), encoded(value));
    ASSERT_TRUE(result.has_value()) << result.error().message;
    ASSERT_EQ(result->index(), value.index());
    std::visit(
        [&]<class T>(T& sent) {
          EXPECT_TRUE(same(sent, std::get<T>(*result))) << "type " << number(type_of(value));
        },
        value);
  });
}

TEST(MessageCodec, DefaultsAreNotLostOnTheWay) {
  // Not all of our defaults are protobuf's zeros.
  SubmitRequest request;
  request.tasks.resize(1);
  auto result = decode_request(number(FrameType::submit), encoded(ApiRequest(request)));
  EXPECT_TRUE(same(request, std::get<SubmitRequest>(*result)));
  Inventory inventory;
  auto message = decode(number(FrameType::inventory), encoded(Message(inventory)));
  EXPECT_TRUE(same(inventory, std::get<Inventory>(*message)));
}

TEST(MessageCodec, ErrorsComeBack) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::internal); ++code) {
    const Error error{static_cast<ErrorCode>(code), "why \xff", "field"};
    const auto result = decode_error(encoded(error));
    ASSERT_TRUE(result.has_value());
    EXPECT_EQ(result->code, error.code);
    EXPECT_EQ(result->message, error.message);
    EXPECT_EQ(result->field, error.field);
  }
}

TEST(MessageCodec, AnErrorCodeFromTheFutureIsInternal) {
  wire::Error form;
  form.set_code(static_cast<wire::ErrorCode>(99));
  EXPECT_EQ(decode_error(form.SerializeAsString())->code, ErrorCode::internal);
  EXPECT_EQ(decode_error("")->code, ErrorCode::internal);
}

TEST(MessageCodec, NumbersAreThoseOfTheDocument) {
  const std::vector<std::pair<Message, int>> messages = {
      {Announce{}, 16},     {DispatchBatch{}, 17}, {ResultAckBatch{}, 18}, {KillBatch{}, 19},
      {MasterStatus{}, 20}, {Inventory{}, 32},     {AckBatch{}, 33},       {ResultBatch{}, 34},
      {WorkerStatus{}, 35}, {StartedBatch{}, 36},  {LeaseGrant{}, 21},     {RelayedResults{}, 48},
      {RelayedAcks{}, 49},  {ProgressBatch{}, 37}, {PeerStatus{}, 50}};
  ASSERT_EQ(messages.size(), std::variant_size_v<Message>);
  for (const auto& [message, type] : messages) {
    EXPECT_EQ(number(type_of(message)), type);
    EXPECT_TRUE(is_message_type(static_cast<std::uint16_t>(type)));
    EXPECT_FALSE(is_request_type(static_cast<std::uint16_t>(type)));
  }
  const std::vector<std::tuple<ApiRequest, ApiReply, int>> calls = {
      {SubmitRequest{}, SubmitReply{}, 64},       {GetRequest{}, GetReply{}, 65},
      {WaitRequest{}, WaitReply{}, 66},           {ListRequest{}, ListReply{}, 67},
      {WorkersRequest{}, WorkersReply{}, 68},     {MastersRequest{}, MastersReply{}, 69},
      {ClusterRequest{}, ClusterReply{}, 70},     {ControlRequest{}, ControlReply{}, 71},
      {ExplainRequest{}, ExplainReply{}, 72},     {LogRequest{}, LogReply{}, 73},
      {GroupsRequest{}, GroupsReply{}, 74},       {AuditRequest{}, AuditReply{}, 75},
      {AuditPartRequest{}, AuditPartReply{}, 76}, {HeldRequest{}, HeldReply{}, 77}};
  ASSERT_EQ(calls.size(), std::variant_size_v<ApiRequest>);
  for (const auto& [request, reply, type] : calls) {
    EXPECT_EQ(number(type_of(request)), type);
    EXPECT_EQ(number(type_of(reply)), type);
    EXPECT_TRUE(is_request_type(static_cast<std::uint16_t>(type)));
    EXPECT_FALSE(is_message_type(static_cast<std::uint16_t>(type)));
  }
}

TEST(MessageCodec, AnAuditsPartsAreBounded) {
  AuditPartRequest rows;
  rows.rows.resize(kMaxAuditRows);
  HeldRequest held;
  held.believed.resize(kMaxHeldTokens);
  EXPECT_TRUE(decode_request(76, encoded(ApiRequest(rows))));
  EXPECT_TRUE(decode_request(77, encoded(ApiRequest(held))));
  rows.rows.emplace_back();
  held.believed.emplace_back();
  EXPECT_FALSE(decode_request(76, encoded(ApiRequest(rows))));
  EXPECT_FALSE(decode_request(77, encoded(ApiRequest(held))));
}

TEST(MessageCodec, UnknownTypesAreErrors) {
  EXPECT_EQ(decode(9999, "").error().message, "unknown message type 9999");
  EXPECT_EQ(decode_request(9999, "").error().message, "unknown request type 9999");
  EXPECT_FALSE(decode(number(FrameType::submit), "").has_value());
  EXPECT_FALSE(decode_request(number(FrameType::announce), "").has_value());
}

TEST(MessageCodec, UnknownFieldsAreIgnored) {
  each_value(3, []<class Variant>(Variant value) {
    auto bytes = encoded(value);
    bytes += std::string("\xfa\x3f\x03", 3) + "new";  // field 1023, three bytes
    auto result = decode_like(value, number(type_of(value)), bytes);
    ASSERT_TRUE(result.has_value());
    std::visit([&]<class T>(T& sent) { EXPECT_TRUE(same(sent, std::get<T>(*result))); }, value);
  });
}

TEST(MessageCodec, ValuesOutOfRangeAreErrors) {
  const auto refused = [](FrameType type, const google::protobuf::MessageLite& form) {
    const auto result = decode(number(type), form.SerializeAsString());
    return !result && result.error().code == ErrorCode::invalid_argument;
  };
  wire::AckBatch acks;
  acks.add_items()->set_verdict(static_cast<wire::AckVerdict>(5));
  EXPECT_TRUE(refused(FrameType::ack_batch, acks));
  acks.mutable_items(0)->set_verdict(static_cast<wire::AckVerdict>(-1));
  EXPECT_TRUE(refused(FrameType::ack_batch, acks));
  wire::ResultAckBatch fates;
  fates.add_items()->set_fate(static_cast<wire::ResultFate>(256));  // not to be cut down to 0
  EXPECT_TRUE(refused(FrameType::result_ack_batch, fates));
  wire::Announce announce;
  announce.add_shards()->set_shard(256);
  EXPECT_TRUE(refused(FrameType::announce, announce));
  wire::DispatchBatch dispatches;
  dispatches.add_items()->set_on_worker_lost(static_cast<wire::OnWorkerLost>(3));
  EXPECT_TRUE(refused(FrameType::dispatch_batch, dispatches));
  wire::ResultBatch results;
  results.add_items()->mutable_result()->set_outcome(static_cast<wire::Outcome>(6));
  EXPECT_TRUE(refused(FrameType::result_batch, results));
  wire::Inventory inventory;
  inventory.add_held()->set_state(static_cast<wire::HeldState>(3));
  EXPECT_TRUE(refused(FrameType::inventory, inventory));

  wire::ListRequest list;
  list.add_states(static_cast<wire::TaskState>(5));  // between the two ranges of states
  EXPECT_FALSE(decode_request(number(FrameType::list), list.SerializeAsString()).has_value());
  wire::SubmitRequest submit;
  submit.add_tasks()->set_routing(static_cast<wire::Routing>(2));
  EXPECT_FALSE(decode_request(number(FrameType::submit), submit.SerializeAsString()).has_value());
}

TEST(MessageCodec, MoreTasksThanARequestMayHoldAreAnError) {
  wire::SubmitRequest submit;
  for (int i = 0; i < 10'001; ++i) submit.add_tasks();
  EXPECT_FALSE(decode_request(number(FrameType::submit), submit.SerializeAsString()).has_value());
}

TEST(MessageCodec, NoBytesAreWorseThanAnError) {
  std::mt19937_64 random(4711);
  std::size_t refused = 0, tried = 0;
  each_value(20, [&]<class Variant>(Variant value) {
    const auto good = encoded(value);
    for (int i = 0; i < 50; ++i) {
      auto bad = good;
      for (auto changes = 1 + random() % 4; changes > 0; --changes) {
        if (bad.empty() || random() % 4 == 0) {
          bad.insert(bad.begin() + static_cast<std::ptrdiff_t>(random() % (bad.size() + 1)),
                     static_cast<char>(random()));
        } else if (random() % 3 == 0) {
          bad.resize(random() % bad.size());
        } else {
          bad[random() % bad.size()] = static_cast<char>(random());
        }
      }
      ++tried;
      if (!decode_like(value, number(type_of(value)), bad)) ++refused;
    }
  });
  EXPECT_GT(refused, tried / 20) << "mutations that never hurt test nothing";
}

TEST(MessageCodec, ALargeMessageLeavesTheNextOneUntouched) {
  DispatchBatch large;
  large.items.resize(3);
  for (auto& item : large.items) item.spec.assign(1'000'000, 'x');
  ASSERT_TRUE(decode(number(FrameType::dispatch_batch), encoded(Message(large))).has_value());
  DispatchBatch small;
  small.items.resize(1);
  auto result = decode(number(FrameType::dispatch_batch), encoded(Message(small)));
  ASSERT_TRUE(result.has_value());
  EXPECT_TRUE(same(small, std::get<DispatchBatch>(*result)));
}

TEST(MessageCodec, GoodbyesComeBack) {
  std::string out;
  encode_goodbye("drained", out);
  EXPECT_EQ(decode_goodbye(out), "drained");
  EXPECT_EQ(decode_goodbye("\xff\xff"), "");
}

}  // namespace
}  // namespace ringmaster
