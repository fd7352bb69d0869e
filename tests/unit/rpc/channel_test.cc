#include "rpc/channel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rpc/message_codec.h"
#include "tests/sim/manual_loop.h"
#include "tests/unit/rpc/fake_stream.h"

namespace ringmaster {
namespace {

using namespace std::chrono_literals;

struct Recorder : Channel::Handler {
  void on_frame(const Frame& frame) override {
    frames.emplace_back(frame.payload);
    if (then) then();
  }
  void on_closed(const std::string& reason) override { closed.push_back(reason); }
  std::vector<std::string> frames, closed;
  std::function<void()> then;
};

class ChannelTest : public testing::Test {
 protected:
  void start(Channel::Options options = {}, std::string_view first_bytes = {}) {
    wire = std::make_shared<FakeStream::Wire>();
    channel = std::make_shared<Channel>(loop, std::make_unique<FakeStream>(loop, wire), FrameDecoder(),
                                        options, recorder, first_bytes);
    channel->start();
    loop.run_ready();
  }
  ~ChannelTest() override {
    if (channel) channel->abort();
    loop.run_ready();
  }
  Channel::Sent send(std::string_view payload) {
    return channel->send({100, FrameKind::one_way, 0}, [&](std::string& out) { out += payload; });
  }
  static std::string frame(FrameType type, std::string_view payload = {}) {
    std::string out;
    append_frame({static_cast<std::uint16_t>(type), FrameKind::one_way, 0}, payload, out);
    return out;
  }
  static std::string heartbeat() { return frame(FrameType::heartbeat); }

  ManualLoop loop;
  Recorder recorder;
  std::shared_ptr<FakeStream::Wire> wire;
  std::shared_ptr<Channel> channel;
};

TEST_F(ChannelTest, WhatIsSentInOneTurnLeavesInOneWrite) {
  start();
  for (int i = 0; i < 1000; ++i) send(std::string(200, 'x'));
  EXPECT_TRUE(wire->writes.empty()) << "nothing is written inside a call";
  loop.run_ready();
  ASSERT_EQ(wire->writes.size(), 1u);
  EXPECT_EQ(wire->writes[0].size(), 1000 * (200 + kFrameHeaderBytes));
}

TEST_F(ChannelTest, WhatIsSentDuringAWriteLeavesInTheNext) {
  start();
  wire->stuck = true;
  send("one");
  loop.run_ready();
  send("two");
  send("three");
  loop.run_ready();
  EXPECT_EQ(wire->writes.size(), 1u);
  wire->unstick();
  loop.run_ready();
  EXPECT_EQ(wire->writes.size(), 2u);
}

TEST_F(ChannelTest, TheFirstBytesGoFirst) {
  wire = std::make_shared<FakeStream::Wire>();
  start({}, "welcome");
  send("x");
  loop.run_ready();
  EXPECT_EQ(wire->written().substr(0, 7), "welcome");
}

TEST_F(ChannelTest, AHeartbeatLeavesOnlyWhenNothingElseDid) {
  start();
  loop.advance(1s);
  EXPECT_EQ(wire->written(), heartbeat());
  wire->push(heartbeat());
  loop.advance(500ms);
  send("x");
  loop.advance(500ms);
  EXPECT_EQ(wire->writes.size(), 2u);
  wire->push(heartbeat());
  loop.advance(1s);
  EXPECT_EQ(wire->writes.size(), 3u);
}

TEST_F(ChannelTest, ThreeSilentSecondsAreDeath) {
  start();
  loop.advance(2s);
  wire->push(heartbeat());
  loop.advance(2999ms);
  EXPECT_TRUE(recorder.closed.empty());
  loop.advance(2ms);
  EXPECT_THAT(recorder.closed, testing::ElementsAre("nothing heard for 3s"));
  EXPECT_TRUE(wire->closed);
}

TEST_F(ChannelTest, AnyByteIsALifeSign) {
  start();
  const auto bytes = frame(FrameType::announce, std::string(20, 'x'));
  for (std::size_t i = 0; i + 1 < bytes.size(); ++i) {
    wire->push(bytes.substr(i, 1));
    loop.advance(2900ms);
  }
  EXPECT_TRUE(recorder.closed.empty());
}

TEST_F(ChannelTest, AFrameThatCannotBeOursEndsTheChannel) {
  start();
  wire->push("GET / HTTP/1.1\r\n");
  loop.run_ready();
  EXPECT_THAT(recorder.closed, testing::ElementsAre("broken stream: not a frame: bad magic"));
}

TEST_F(ChannelTest, AGoodbyeTellsTheReason) {
  start();
  std::string payload;
  encode_goodbye("drained", payload);
  wire->push(frame(FrameType::announce, "last") + frame(FrameType::goodbye, payload));
  loop.run_ready();
  EXPECT_THAT(recorder.frames, testing::ElementsAre("last"));
  EXPECT_THAT(recorder.closed, testing::ElementsAre("the peer closed the channel: drained"));
}

TEST_F(ChannelTest, APeerThatReadsTooSlowlyIsClosed) {
  start({.hard_bound = 1000});
  wire->stuck = true;
  EXPECT_EQ(send(std::string(900, 'x')), Channel::Sent::queued);
  loop.run_ready();
  EXPECT_EQ(send(std::string(900, 'x')), Channel::Sent::closed);
  EXPECT_TRUE(recorder.closed.empty()) << "no callback inside a call";
  EXPECT_EQ(send("x"), Channel::Sent::closed);
  loop.run_ready();
  EXPECT_THAT(recorder.closed, testing::ElementsAre(testing::HasSubstr("reads too slowly")));
}

TEST_F(ChannelTest, AThrottledPeerIsNotReadUntilItReads) {
  start({.throttle = true, .high_water = 1000, .low_water = 100});
  wire->stuck = true;
  recorder.then = [&] { send(std::string(600, 'x')); };
  for (int i = 0; i < 10; ++i) wire->push(frame(FrameType::get, "q"));
  loop.run_ready();
  EXPECT_EQ(recorder.frames.size(), 2u);
  wire->unstick();
  loop.run_ready();
  EXPECT_EQ(recorder.frames.size(), 10u);
}

TEST_F(ChannelTest, CloseFlushesThenEndsTheStreamAndWaitsForThePeer) {
  start();
  wire->stuck = true;
  send("first");
  loop.run_ready();
  send("second");
  bool drained = false;
  channel->close("done", [&] { drained = true; });
  loop.run_ready();
  EXPECT_FALSE(wire->fin);
  wire->unstick();
  loop.run_ready();
  EXPECT_TRUE(wire->fin);
  EXPECT_FALSE(wire->closed || drained);
  EXPECT_THAT(wire->written(), testing::HasSubstr("second"));
  EXPECT_THAT(wire->written(), testing::EndsWith("done"));
  wire->push(frame(FrameType::announce, "too late"));
  wire->push_end();
  loop.run_ready();
  EXPECT_TRUE(wire->closed && drained);
  EXPECT_TRUE(recorder.frames.empty());
  EXPECT_TRUE(recorder.closed.empty());
}

TEST_F(ChannelTest, CloseIsBoundedInTime) {
  start();
  wire->stuck = true;
  send("first");
  bool drained = false;
  channel->close("done", [&] { drained = true; });
  loop.advance(999ms);
  EXPECT_FALSE(drained);
  loop.advance(1ms);
  EXPECT_TRUE(drained);
}

TEST_F(ChannelTest, NothingArrivesBehindACloseInsideAFrame) {
  start();
  recorder.then = [&] { channel->close("enough", nullptr); };
  wire->push(frame(FrameType::announce, "one") + frame(FrameType::announce, "two"));
  loop.run_ready();
  EXPECT_THAT(recorder.frames, testing::ElementsAre("one"));
}

TEST_F(ChannelTest, NothingIsCalledAfterAbort) {
  start();
  wire->push(frame(FrameType::announce, "one"));
  wire->push_end();
  channel->abort();
  loop.advance(10s);
  EXPECT_TRUE(recorder.frames.empty());
  EXPECT_TRUE(recorder.closed.empty());
}

// A clock that can jump while no timer runs, as it does when the thread is stopped.
class JumpingLoop final : public Loop {
 public:
  MonoTime now() const override { return inner.now() + jump; }
  WallTime wall_now() const override { return inner.wall_now(); }
  void post(Callback fn) override { inner.post(std::move(fn)); }
  TimerId after(Duration delay, Callback fn) override { return inner.after(delay, std::move(fn)); }
  void cancel(TimerId id) override { inner.cancel(id); }
  std::uint64_t random() override { return inner.random(); }
  ManualLoop inner;
  Duration jump{0};
};

TEST(Channel, AnOwnStandstillIsNotThePeersDeath) {
  JumpingLoop loop;
  Recorder recorder;
  auto wire = std::make_shared<FakeStream::Wire>();
  const auto channel = std::make_shared<Channel>(loop, std::make_unique<FakeStream>(loop, wire),
                                                 FrameDecoder(), Channel::Options{}, recorder, "");
  channel->start();
  loop.inner.advance(1500ms);
  loop.jump = 10s;
  loop.inner.advance(500ms);
  EXPECT_TRUE(recorder.closed.empty()) << "what the peer sent meanwhile may still be unread";
  loop.inner.advance(3s);
  EXPECT_EQ(recorder.closed.size(), 1u) << "but it was not";
  channel->abort();
}

}  // namespace
}  // namespace ringmaster
