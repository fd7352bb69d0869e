#include "base/time.h"

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

using namespace std::chrono_literals;

TEST(Time, FormatsUtcWithMicroseconds) {
  EXPECT_EQ(format_time(from_unix_micros(0)), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(format_time(from_unix_micros(-1)), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(format_time(from_unix_micros(1'795'253'400'000'001)), "2026-11-21T09:30:00.000001Z");
}

TEST(Time, ShowsWhatLiesOutsideOfRfc3339AsTheNearestInside) {
  EXPECT_EQ(format_time(WallTime::max()), "9999-12-31T23:59:59.999999Z");
  EXPECT_EQ(format_time(WallTime::min()), "0000-01-01T00:00:00.000000Z");
}

TEST(Time, ParsesEveryFormOfRfc3339) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"2026-11-21T09:30:00Z", "2026-11-21T09:30:00.000000Z"},
      {"2026-11-21t09:30:00z", "2026-11-21T09:30:00.000000Z"},
      {"2026-11-21 09:30:00Z", "2026-11-21T09:30:00.000000Z"},
      {"2026-11-21T09:30:00.5Z", "2026-11-21T09:30:00.500000Z"},
      {"2026-11-21T09:30:00.123456789Z", "2026-11-21T09:30:00.123456Z"},
      {"2026-11-21T10:30:00+01:00", "2026-11-21T09:30:00.000000Z"},
      {"2026-11-21T00:30:00-09:30", "2026-11-21T10:00:00.000000Z"},
      {"2024-02-29T23:59:60Z", "2024-03-01T00:00:00.000000Z"},
      {"2026-01-01T00:00:00+00:01", "2025-12-31T23:59:00.000000Z"},
      {"9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"},
  };
  for (const auto& [text, expected] : cases) {
    const auto time = parse_time(text);
    ASSERT_TRUE(time) << text;
    EXPECT_EQ(format_time(*time), expected) << text;
  }
}

TEST(Time, RefusesWhatIsNotRfc3339) {
  for (const char* text : {"",
                           "2026-11-21",
                           "2026-11-21T09:30Z",
                           "2026-11-21T09:30:00",
                           "2026-11-21T09:30:00.Z",
                           "2026-11-21T09:30:00.1234567890Z",
                           "2026-13-01T00:00:00Z",
                           "2025-02-29T00:00:00Z",
                           "2026-11-31T00:00:00Z",
                           "2026-11-21T24:00:00Z",
                           "2026-11-21T09:60:00Z",
                           "2026-11-21T09:30:61Z",
                           "2026-11-21T09:30:00+1:00",
                           "2026-11-21T09:30:00+0100",
                           "2026-11-21T09:30:00+24:00",
                           "2026-11-21T09:30:00Zx",
                           "+026-11-21T09:30:00Z",
                           "9999-12-31T23:59:59-00:01",
                           "0000-01-01T00:00:00+00:01",
                           "now"}) {
    const auto time = parse_time(text);
    ASSERT_FALSE(time) << text;
    EXPECT_EQ(time.error().code, ErrorCode::invalid_argument);
  }
}

TEST(Time, TextRoundTripsToTheMicrosecond) {
  for (std::int64_t micros = -5'000'000'000'000'001; micros < 9'000'000'000'000'000;
       micros += 777'777'777'777'777) {
    EXPECT_EQ(to_unix_micros(parse_time(format_time(from_unix_micros(micros))).value()), micros);
  }
}

TEST(Duration, FormatsTheLargestUnitsFirst) {
  EXPECT_EQ(format_duration(0s), "0s");
  EXPECT_EQ(format_duration(90min), "1h30m");
  EXPECT_EQ(format_duration(250ms), "250ms");
  EXPECT_EQ(format_duration(24h + 1us), "1d1us");
  EXPECT_EQ(format_duration(-90s), "-1m30s");
  EXPECT_EQ(format_duration(Duration::min()), "-106751991d4h54s775ms808us");
}

TEST(Duration, TextRoundTrips) {
  for (const Duration duration : {Duration(0), Duration(1), Duration(999'999), Duration(86'399'999'999),
                                  Duration(86'400'000'001), Duration::max()}) {
    EXPECT_EQ(parse_duration(format_duration(duration)).value(), duration);
  }
  EXPECT_EQ(parse_duration("0").value(), 0s);
  EXPECT_EQ(parse_duration("90m").value(), 90min);
}

TEST(Duration, RefusesWhatItCannotMean) {
  for (const char* text : {"", "5", "-5s", "+5s", "s", "1.5s", "5 s", "5s ", "1m1h", "1s1s", "5x", "5M",
                           "1h30", "106751992d", "99999999999999999999s", "1h-5m"}) {
    const auto duration = parse_duration(text);
    ASSERT_FALSE(duration) << text;
    EXPECT_EQ(duration.error().code, ErrorCode::invalid_argument);
  }
}

TEST(Clocks, MonotonicTimeNeverGoesBack) {
  MonoTime before = read_mono_clock();
  for (int i = 0; i < 1000; ++i) {
    const MonoTime now = read_mono_clock();
    EXPECT_LE(before, now);
    before = now;
  }
  EXPECT_GT(read_wall_clock(), parse_time("2024-01-01T00:00:00Z").value());
}

}  // namespace
}  // namespace ringmaster
