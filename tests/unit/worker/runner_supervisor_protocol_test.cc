#include <gtest/gtest.h>

#include "worker/supervisor_protocol.h"

namespace ringmaster {
namespace {

StartOrder sample_order() {
  StartOrder order;
  order.id = 42;
  order.argv = {"sh", "", "a b"};
  order.env = {"K=V"};
  order.secret_env = {"S=T=U"};
  order.cwd = "/tmp";
  order.identity = {1000, 1001, {1001, 4}};
  order.limits = {1, 2, Duration(3), 4, 5, 6};
  order.stdin_text = std::string("in\0put", 6);
  order.log_path = "/x.log";
  order.log_limit = 7;
  order.timeout = Duration(8);
  order.kill_grace = Duration(9);
  order.lease_shard = 255;
  order.token = {{77}, 5, 3};
  order.success_exit_codes = {0, 75};
  return order;
}

FinishedEvent sample_event() {
  FinishedEvent event;
  event.id = 43;
  event.cause = FinishCause::timed_out;
  event.permanent = event.survived = true;
  event.wait_status = 9;
  event.log_error = 28;
  event.exceeded_memory = 29;
  event.started_at = from_unix_micros(1);
  event.finished_at = from_unix_micros(2);
  event.usage = {3, 4, 5};
  event.message = "why";
  event.output_tail = std::string("\xff\0", 2);
  return event;
}

TEST(SupervisorProtocol, CarriesAStartOrderWhole) {
  std::string bytes;
  encode(SupervisorOrder(sample_order()), bytes);
  const auto decoded = decode_order(std::string_view(bytes).substr(4));
  ASSERT_TRUE(decoded);
  const auto& order = std::get<StartOrder>(*decoded);
  EXPECT_EQ(order.id, 42U);
  EXPECT_EQ(order.argv, sample_order().argv);
  EXPECT_EQ(order.env, sample_order().env);
  EXPECT_EQ(order.secret_env, sample_order().secret_env);
  EXPECT_EQ(secret_values(order), std::vector<std::string>{"T=U"});
  EXPECT_EQ(order.identity, sample_order().identity);
  EXPECT_EQ(order.limits, sample_order().limits);
  EXPECT_EQ(order.cwd, "/tmp");
  EXPECT_EQ(order.stdin_text, sample_order().stdin_text);
  EXPECT_EQ(order.log_path, "/x.log");
  EXPECT_EQ(order.log_limit, 7U);
  EXPECT_EQ(order.timeout, Duration(8));
  EXPECT_EQ(order.kill_grace, Duration(9));
  EXPECT_EQ(order.lease_shard, 255);
  EXPECT_EQ(order.token, sample_order().token);
  EXPECT_EQ(order.success_exit_codes, sample_order().success_exit_codes);
}

TEST(SupervisorProtocol, RefusesALeaseOfAShardThatCannotBe) {
  auto order = sample_order();
  for (const auto& [shard, valid] :
       {std::pair<int, bool>{-2, false}, {-1, true}, {0, true}, {kShardCount, false}}) {
    order.lease_shard = static_cast<std::int16_t>(shard);
    std::string bytes;
    encode(SupervisorOrder(order), bytes);
    EXPECT_EQ(decode_order(std::string_view(bytes).substr(4)).has_value(), valid) << shard;
  }
}

TEST(SupervisorProtocol, CarriesProgressWhole) {
  std::string bytes;
  encode(SupervisorEvent(ProgressEvent{45, {0.1, "a tenth", {}}}), bytes);
  const auto decoded = decode_event(std::string_view(bytes).substr(4));
  ASSERT_TRUE(decoded);
  const auto& event = std::get<ProgressEvent>(*decoded);
  EXPECT_EQ(event.id, 45U);
  EXPECT_EQ(event.progress.fraction, 0.1);
  EXPECT_EQ(event.progress.message, "a tenth");
  EXPECT_FALSE(decode_event(std::string_view(bytes).substr(4, bytes.size() - 5)));
}

TEST(SupervisorProtocol, CarriesALeaseOrderWhole) {
  const LeaseOrder sent{255, MonoTime(Duration(INT64_MAX - 1))};
  std::string bytes;
  encode(SupervisorOrder(sent), bytes);
  const auto decoded = decode_order(std::string_view(bytes).substr(4));
  ASSERT_TRUE(decoded);
  const auto& order = std::get<LeaseOrder>(*decoded);
  EXPECT_EQ(order.shard, sent.shard);
  EXPECT_EQ(order.until, sent.until);
}

TEST(SupervisorProtocol, TellsNoStdinFromAnEmptyOne) {
  auto order = sample_order();
  for (const auto& text : {std::optional<std::string>(), std::optional<std::string>("")}) {
    order.stdin_text = text;
    std::string bytes;
    encode(SupervisorOrder(order), bytes);
    const auto decoded = decode_order(std::string_view(bytes).substr(4));
    ASSERT_TRUE(decoded);
    EXPECT_EQ(std::get<StartOrder>(*decoded).stdin_text, text);
  }
}

TEST(SupervisorProtocol, CarriesAFinishedEventWhole) {
  std::string bytes;
  encode(SupervisorEvent(sample_event()), bytes);
  const auto decoded = decode_event(std::string_view(bytes).substr(4));
  ASSERT_TRUE(decoded);
  const auto& event = std::get<FinishedEvent>(*decoded);
  EXPECT_EQ(event.id, 43U);
  EXPECT_EQ(event.cause, FinishCause::timed_out);
  EXPECT_TRUE(event.permanent && event.survived);
  EXPECT_EQ(event.wait_status, 9);
  EXPECT_EQ(event.log_error, 28);
  EXPECT_EQ(event.started_at, from_unix_micros(1));
  EXPECT_EQ(event.finished_at, from_unix_micros(2));
  EXPECT_EQ(event.usage.user_us, 3);
  EXPECT_EQ(event.usage.system_us, 4);
  EXPECT_EQ(event.usage.max_rss_kib, 5);
  EXPECT_EQ(event.message, "why");
  EXPECT_EQ(event.output_tail, sample_event().output_tail);
}

TEST(SupervisorProtocol, CarriesEachCauseAndRefusesAnUnknownOne) {
  auto event = sample_event();
  for (int cause = 0; cause <= 6; ++cause) {
    event.cause = static_cast<FinishCause>(cause);
    std::string bytes;
    encode(SupervisorEvent(event), bytes);
    const auto decoded = decode_event(std::string_view(bytes).substr(4));
    ASSERT_EQ(decoded.has_value(), cause <= 5) << cause;
    if (!decoded) continue;
    EXPECT_EQ(std::get<FinishedEvent>(*decoded).cause, event.cause);
  }
}

TEST(SupervisorProtocol, RefusesABodyThatIsCutAnywhereOrTooLong) {
  std::string order, lease, event;
  encode(SupervisorOrder(sample_order()), order);
  encode(SupervisorOrder(LeaseOrder{1, MonoTime(Duration(2))}), lease);
  encode(SupervisorEvent(sample_event()), event);
  for (std::size_t size = 0; size < lease.size() - 4; ++size) {
    EXPECT_FALSE(decode_order(std::string_view(lease).substr(4, size))) << size;
  }
  for (std::size_t size = 0; size < order.size() - 4; ++size) {
    EXPECT_FALSE(decode_order(std::string_view(order).substr(4, size))) << size;
  }
  for (std::size_t size = 0; size < event.size() - 4; ++size) {
    EXPECT_FALSE(decode_event(std::string_view(event).substr(4, size))) << size;
  }
  EXPECT_FALSE(decode_order((order + "x").substr(4)));
  EXPECT_FALSE(decode_order((lease + "x").substr(4)));
  EXPECT_FALSE(decode_event((event + "x").substr(4)));
  EXPECT_FALSE(decode_event(order.substr(4)));
}

TEST(SupervisorFrames, CutsAStreamHoweverItArrives) {
  std::string stream;
  encode(SupervisorEvent(ReadyEvent{}), stream);
  encode(SupervisorEvent(sample_event()), stream);
  encode(SupervisorEvent(StartedEvent{44, from_unix_micros(6)}), stream);
  encode(SupervisorEvent(ProgressEvent{45, {0.25, "x", {}}}), stream);
  for (std::size_t step = 1; step <= stream.size(); ++step) {
    SupervisorFrames frames;
    std::vector<std::size_t> kinds;
    for (std::size_t at = 0; at < stream.size(); at += step) {
      frames.feed(std::string_view(stream).substr(at, step));
      while (true) {
        const auto body = frames.next();
        ASSERT_TRUE(body);
        if (!*body) break;
        const auto event = decode_event(**body);
        ASSERT_TRUE(event);
        kinds.push_back(event->index());
      }
    }
    EXPECT_EQ(kinds, (std::vector<std::size_t>{0, 3, 1, 2})) << step;
  }
}

TEST(SupervisorFrames, RefusesALengthBeyondItsBound) {
  SupervisorFrames frames;
  frames.feed("\xff\xff\xff\xff");
  EXPECT_FALSE(frames.next());
}

}  // namespace
}  // namespace ringmaster
