#include "sql/attempt_log.h"

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

AttemptRecord full_record() {
  AttemptRecord record{3, 9, "worker-ä", {}};
  record.result.outcome = Outcome::timed_out;
  record.result.exit_code = -1;
  record.result.signal = 15;
  record.result.permanent = true;
  record.result.started_at = from_unix_micros(1'767'225'600'000'001);
  record.result.finished_at = from_unix_micros(1'767'225'600'000'002);
  record.result.usage = {1, 2, 3};
  record.result.message = "said \"no\"\n";
  for (int c = 0; c < 256; ++c) record.result.output_tail += static_cast<char>(c);
  return record;
}

TEST(AttemptLog, ARecordComesBackAsItWas) {
  for (std::size_t cut = 0; cut < 4; ++cut) {  // every length of the last base64 group
    AttemptRecord want = full_record();
    want.result.output_tail.resize(256 - cut);
    const auto got = attempts_from_json("[" + attempt_to_json(want) + "]");
    ASSERT_TRUE(got && got->size() == 1);
    const AttemptRecord& record = got->front();
    EXPECT_EQ(record.attempt, want.attempt);
    EXPECT_EQ(record.epoch, want.epoch);
    EXPECT_EQ(record.worker, want.worker);
    EXPECT_EQ(record.result.outcome, want.result.outcome);
    EXPECT_EQ(record.result.exit_code, want.result.exit_code);
    EXPECT_EQ(record.result.signal, want.result.signal);
    EXPECT_EQ(record.result.permanent, want.result.permanent);
    EXPECT_EQ(record.result.started_at, want.result.started_at);
    EXPECT_EQ(record.result.finished_at, want.result.finished_at);
    EXPECT_EQ(record.result.usage.user_us, 1);
    EXPECT_EQ(record.result.usage.system_us, 2);
    EXPECT_EQ(record.result.usage.max_rss_kib, 3);
    EXPECT_EQ(record.result.message, want.result.message);
    EXPECT_EQ(record.result.output_tail, want.result.output_tail);
  }
}

TEST(AttemptLog, UnknownFieldsAreIgnoredAndAbsentOnesDefault) {
  const auto got = attempts_from_json(R"([{"attempt":2,"new":[1]},{"attempt":"x"},7])");
  ASSERT_TRUE(got);
  ASSERT_EQ(got->size(), 2u);
  EXPECT_EQ(got->front().attempt, 2);
  EXPECT_EQ(got->back().attempt, 0);
}

TEST(AttemptLog, WhatIsNoArrayIsRefused) {
  for (const std::string_view text : {"", "{}", "[", "null"}) {
    EXPECT_EQ(attempts_from_json(text).error().code, ErrorCode::internal) << text;
  }
}

TEST(AttemptLog, OnlyTheEndOfALongTailIsKept) {
  AttemptResult result;
  result.output_tail = "x" + std::string(kMaxOutputTail, 'y');
  EXPECT_EQ(storable(result).output_tail, std::string(kMaxOutputTail, 'y'));
}

}  // namespace
}  // namespace ringmaster
