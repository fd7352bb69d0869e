#include "rpc/frame.h"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

std::string frame(const FrameHeader& header, std::string_view payload) {
  std::string out;
  append_frame(header, payload, out);
  return out;
}

TEST(Frame, StandsOnTheWireAsDocumented) {
  const auto bytes = frame({0x0102, FrameKind::reply, 0x1122334455667788}, "ab");
  const std::string expected(
      "RNGM\x01\x02\x02\x01"
      "\x88\x77\x66\x55\x44\x33\x22\x11"
      "\x02\x00\x00\x00"
      "ab",
      22);
  EXPECT_EQ(bytes, expected);
}

TEST(Frame, ComesBackHoweverTheBytesAreCut) {
  std::mt19937 random(7);
  std::vector<std::pair<FrameHeader, std::string>> sent;
  std::string stream;
  for (int i = 0; i < 500; ++i) {
    const std::size_t size = random() % 4 == 0 ? random() % 100'000 : random() % 300;
    sent.push_back({{static_cast<std::uint16_t>(random()), static_cast<FrameKind>(random() % 4), random()},
                    std::string(size, static_cast<char>(i))});
    append_frame(sent.back().first, sent.back().second, stream);
  }
  FrameDecoder decoder;
  std::size_t got = 0, at = 0;
  while (at < stream.size()) {
    const std::size_t piece =
        std::min<std::size_t>(1 + random() % (random() % 2 ? 40'000 : 50), stream.size() - at);
    decoder.feed(std::string_view(stream).substr(at, piece));
    at += piece;
    for (;;) {
      const auto next = decoder.next();
      ASSERT_TRUE(next.has_value());
      if (!*next) break;
      ASSERT_LT(got, sent.size());
      EXPECT_EQ((*next)->header.type, sent[got].first.type);
      EXPECT_EQ((*next)->header.kind, sent[got].first.kind);
      EXPECT_EQ((*next)->header.correlation, sent[got].first.correlation);
      EXPECT_EQ((*next)->payload, sent[got].second);
      ++got;
    }
  }
  EXPECT_EQ(got, sent.size());
}

TEST(Frame, GarbageIsAnErrorFromItsFirstByteOn) {
  FrameDecoder decoder;
  decoder.feed("G");
  const auto next = decoder.next();
  ASSERT_FALSE(next.has_value());
  EXPECT_EQ(next.error().message, "not a frame: bad magic");
  decoder.feed(frame({1, FrameKind::one_way, 0}, ""));
  EXPECT_FALSE(decoder.next().has_value()) << "a lost stream stays lost";
}

TEST(Frame, AnotherVersionIsAnError) {
  auto bytes = frame({1, FrameKind::one_way, 0}, "");
  bytes[4] = 2;
  FrameDecoder decoder;
  decoder.feed(bytes);
  const auto next = decoder.next();
  ASSERT_FALSE(next.has_value());
  EXPECT_EQ(next.error().message, "frame version 2 is not supported");
}

TEST(Frame, UnknownFlagBitsAreIgnored) {
  auto bytes = frame({1, FrameKind::request, 5}, "");
  bytes[5] = static_cast<char>(0xfc | bytes[5]);
  FrameDecoder decoder;
  decoder.feed(bytes);
  const auto next = decoder.next();
  ASSERT_TRUE(next.has_value() && next->has_value());
  EXPECT_EQ((*next)->header.kind, FrameKind::request);
}

TEST(Frame, ALengthAboveTheBoundIsRefusedBeforeAnyMemoryIsTaken) {
  auto bytes = frame({1, FrameKind::one_way, 0}, "");
  bytes[16] = 1;
  bytes[18] = 0x40;  // 4 MiB + 1
  FrameDecoder decoder;
  decoder.feed(bytes);
  const auto before = decoder.capacity();
  const auto next = decoder.next();
  ASSERT_FALSE(next.has_value());
  EXPECT_EQ(next.error().code, ErrorCode::resource_exhausted);
  EXPECT_EQ(decoder.capacity(), before);
}

TEST(Frame, ExactlyTheBoundPasses) {
  FrameDecoder decoder;
  decoder.feed(frame({1, FrameKind::one_way, 0}, std::string(kMaxPayloadBytes, 'x')));
  const auto next = decoder.next();
  ASSERT_TRUE(next.has_value() && next->has_value());
  EXPECT_EQ((*next)->payload.size(), kMaxPayloadBytes);
}

TEST(Frame, AnAnnouncedLengthCostsNothingUntilItArrives) {
  auto bytes = frame({1, FrameKind::one_way, 0}, "");
  bytes[18] = 0x40;  // 4 MiB, of which nothing comes
  FrameDecoder decoder;
  decoder.feed(bytes);
  ASSERT_TRUE(decoder.next().has_value());
  decoder.prepare();
  EXPECT_LE(decoder.capacity(), 8u * 1024);
}

TEST(Frame, TheBufferGrowsUnderLoadAndShrinksWhenIdle) {
  FrameDecoder decoder;
  const auto one = frame({1, FrameKind::one_way, 0}, std::string(100, 'x'));
  const auto drain = [&] {
    for (auto next = decoder.next(); next && *next; next = decoder.next()) {
    }
  };
  // A full read says that there is more: the next one has twice the room.
  std::string much;
  while (much.size() < 2'000'000) much += one;
  for (std::size_t at = 0; at < much.size();) {
    const auto room = decoder.prepare();
    const auto size = std::min(room.size(), much.size() - at);
    std::copy_n(much.data() + at, size, room.data());
    decoder.commit(size);
    at += size;
    drain();
  }
  EXPECT_GE(decoder.capacity(), 256u * 1024);
  for (int i = 0; i < 40; ++i) {
    decoder.feed(one);
    drain();
  }
  EXPECT_LE(decoder.capacity(), 8u * 1024);
}

}  // namespace
}  // namespace ringmaster
