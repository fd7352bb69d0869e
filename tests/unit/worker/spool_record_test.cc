#include "worker/spool_record.h"

#include <gmock/gmock.h>

#include "tests/unit/worker/fakes.h"

namespace ringmaster {
namespace {

using fakes::token;

ResultReport full_report() {
  ResultReport report{token(1, 2, 3, 4), {}};
  AttemptResult& result = report.result;
  result.outcome = Outcome::timed_out;
  result.exit_code = -5;
  result.signal = 15;
  result.permanent = true;
  result.started_at = from_unix_micros(1'767'225'600'000'001);
  result.finished_at = from_unix_micros(1'767'225'600'000'002);
  result.usage = {11, 12, 13};
  result.message = "why";
  result.output_tail = std::string("\0\xff tail", 7);
  return report;
}

TEST(SpoolRecord, AResultComesBackWhole) {
  std::string bytes;
  spool::append(bytes, full_report());
  const auto parsed = spool::parse(bytes);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->size, bytes.size());
  const auto& report = std::get<ResultReport>(parsed->record);
  const ResultReport expected = full_report();
  EXPECT_EQ(report.token, expected.token);
  EXPECT_EQ(report.result.outcome, expected.result.outcome);
  EXPECT_EQ(report.result.exit_code, expected.result.exit_code);
  EXPECT_EQ(report.result.signal, expected.result.signal);
  EXPECT_EQ(report.result.permanent, expected.result.permanent);
  EXPECT_EQ(report.result.started_at, expected.result.started_at);
  EXPECT_EQ(report.result.finished_at, expected.result.finished_at);
  EXPECT_EQ(report.result.usage.user_us, expected.result.usage.user_us);
  EXPECT_EQ(report.result.usage.system_us, expected.result.usage.system_us);
  EXPECT_EQ(report.result.usage.max_rss_kib, expected.result.usage.max_rss_kib);
  EXPECT_EQ(report.result.message, expected.result.message);
  EXPECT_EQ(report.result.output_tail, expected.result.output_tail);
}

TEST(SpoolRecord, AnOutcomeOfANewerVersionIsSkippedNotReported) {
  std::string bytes;
  ResultReport report = full_report();
  report.result.outcome = static_cast<Outcome>(9);
  spool::append(bytes, report);
  const auto parsed = spool::parse(bytes);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->size, bytes.size());
  EXPECT_TRUE(std::holds_alternative<spool::Unknown>(parsed->record));
}

TEST(SpoolRecord, NoCutAndNoFlippedBitIsTakenForARecord) {
  std::string bytes;
  spool::append(bytes, full_report());
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    EXPECT_FALSE(spool::parse(std::string_view(bytes).substr(0, cut))) << cut;
  }
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(spool::parse(damaged)) << bit;
  }
}

TEST(SpoolRecord, TheChecksumIsCrc32c) {
  // The bytes on disk are a contract between versions: computed once, by a bitwise CRC-32C.
  std::string bytes;
  spool::append(bytes, spool::StoreId{""});
  EXPECT_EQ(bytes, std::string("\x3c\xc5\x3b\x5d\x04\0\0\0\x01\0\0\0\0", 13));
}

TEST(SpoolRecord, ASyncMarkIsFoundBehindDamage) {
  std::string bytes = "damage";
  spool::append(bytes, spool::SyncMark{7, 100});
  bytes += "more";
  spool::append(bytes, spool::SyncMark{7, 300});
  spool::append(bytes, spool::SyncMark{8, 900});
  EXPECT_EQ(spool::find_sync_mark(bytes, 7), 300u);
  EXPECT_EQ(spool::find_sync_mark(bytes, 9), 0u);
}

}  // namespace
}  // namespace ringmaster
