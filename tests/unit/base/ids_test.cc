#include "base/ids.h"

#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

TEST(TaskId, TextRoundTrips) {
  for (const std::int64_t value :
       {std::int64_t{0}, std::int64_t{1}, std::int64_t{255}, std::int64_t{123456789}, kMax}) {
    const std::string text = to_string(TaskId{value});
    EXPECT_EQ(text.size(), 18U) << text;
    const auto parsed = parse_task_id(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(parsed->value, value);
  }
}

TEST(TaskId, IsSpelledInCrockfordBase32) {
  EXPECT_EQ(to_string(TaskId{0}), "task_0000000000000");
  EXPECT_EQ(to_string(TaskId{31}), "task_000000000000z");
  EXPECT_EQ(to_string(TaskId{32}), "task_0000000000010");
  EXPECT_EQ(to_string(TaskId{kMax}), "task_7zzzzzzzzzzzz");
}

TEST(TaskId, TextOrderIsNumberOrder) {
  std::string before = to_string(TaskId{0});
  for (std::int64_t value = 1; value < kMax / 3; value = value * 3 + 1) {
    const std::string text = to_string(TaskId{value});
    EXPECT_LT(before, text);
    before = text;
  }
}

TEST(TaskId, CarriesItsShardInTheLowByte) {
  EXPECT_EQ(make_task_id(77, 200).shard(), 200);
  EXPECT_EQ(make_task_id(77, 200).value >> 8, 77);
}

TEST(TaskId, RefusesEverythingButTheCanonicalText) {
  for (const char* text :
       {"", "task_", "task_000000000000", "task_00000000000000", "TASK_0000000000000", "inc_0000000000000",
        "task_000000000000I", "task_000000000000i", "task_000000000000u", "task_000000000000Z",
        "task_000000000000-", "task_8000000000000", " task_0000000000000"}) {
    const auto parsed = parse_task_id(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::invalid_argument);
  }
}

TEST(Incarnation, TextRoundTrips) {
  const Incarnation incarnation{0x123456789abcdef};
  EXPECT_EQ(parse_incarnation(to_string(incarnation)).value(), incarnation);
  EXPECT_FALSE(parse_incarnation("task_0000000000001"));
}

TEST(Token, AHigherEpochIsNewerWhateverTheAttempt) {
  const Token old{TaskId{1}, 3, 9};
  EXPECT_TRUE((Token{TaskId{1}, 4, 1}.newer_than(old)));
  EXPECT_TRUE((Token{TaskId{1}, 3, 10}.newer_than(old)));
  EXPECT_FALSE(old.newer_than(old));
  EXPECT_FALSE((Token{TaskId{1}, 2, 99}.newer_than(old)));
}

}  // namespace
}  // namespace ringmaster
