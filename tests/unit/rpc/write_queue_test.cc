#include "rpc/write_queue.h"

#include <string>

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

bool push(WriteQueue& queue, std::string_view payload) {
  return queue.push({1, FrameKind::one_way, 0}, [&](std::string& out) { out.append(payload); });
}

TEST(WriteQueue, SmallFramesShareAPart) {
  WriteQueue queue;
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(push(queue, "hello"));
  const auto parts = queue.take();
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0].size(), 100 * (kFrameHeaderBytes + 5));
}

TEST(WriteQueue, KeepsOrderAndEveryByte) {
  WriteQueue queue;
  std::string sent;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 50; ++i) {
      const std::string payload(static_cast<std::size_t>(i * 97 % 9000), static_cast<char>(i));
      push(queue, payload);
      append_frame({1, FrameKind::one_way, 0}, payload, sent);
    }
    std::string taken;
    for (const auto part : queue.take()) taken += part;
    EXPECT_EQ(taken, sent);
    sent.clear();
    queue.landed();
  }
}

TEST(WriteQueue, AFrameAboveTheBoundLeavesNoTrace) {
  WriteQueue queue;
  push(queue, "first");
  EXPECT_FALSE(push(queue, std::string(kMaxPayloadBytes + 1, 'x')));
  EXPECT_EQ(queue.refused_bytes(), kMaxPayloadBytes + 1);
  push(queue, "second");
  std::string taken;
  for (const auto part : queue.take()) taken += part;
  EXPECT_EQ(taken.size(), 2 * kFrameHeaderBytes + 11);
}

TEST(WriteQueue, CountsWhatIsQueuedAndWhatWasTaken) {
  WriteQueue queue;
  push(queue, "12345");
  EXPECT_EQ(queue.queued_position(), 25u);
  EXPECT_EQ(queue.taken_position(), 0u);
  queue.take();
  push(queue, "");
  EXPECT_EQ(queue.bytes(), 45u) << "what is in flight still counts";
  EXPECT_EQ(queue.taken_position(), 25u);
  EXPECT_EQ(queue.queued_position(), 45u);
  queue.landed();
  EXPECT_EQ(queue.bytes(), 20u);
}

}  // namespace
}  // namespace ringmaster
