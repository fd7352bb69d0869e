#include "sql/pg_values.h"

#include <gmock/gmock.h>

namespace ringmaster {
namespace {

using std::string;

TEST(PgParams, NumbersGoInNetworkOrder) {
  PgParams params;
  params.integer(0x0102030405060708);
  params.small(-2);
  EXPECT_THAT(params.values(), testing::ElementsAre("\x01\x02\x03\x04\x05\x06\x07\x08", "\xff\xff\xff\xfe"));
  EXPECT_EQ(params.size_bytes(), 12u);
}

TEST(PgParams, TimesCountMicrosecondsSince2000) {
  PgParams params;
  params.time(*parse_time("2000-01-01T00:00:00.000001Z"));
  params.time(*parse_time("1999-12-31T23:59:59.999999Z"));
  EXPECT_EQ(params.values()[0], string("\0\0\0\0\0\0\0\1", 8));
  EXPECT_EQ(params.values()[1], string(8, '\xff'));
}

// https://www.postgresql.org/docs/15/protocol-overview.html#PROTOCOL-FORMAT-CODES and array_send() of the
// server.
TEST(PgArray, HoldsAHeaderAndItsElements) {
  PgArray array(PgType::int2);
  array.integer(5);
  array.null();
  const string header("\0\0\0\1\0\0\0\1\0\0\0\x15\0\0\0\2\0\0\0\1", 20);
  EXPECT_EQ(array.take(), header + string("\0\0\0\2\0\5", 6) + string(4, '\xff'));
}

TEST(PgArray, MayBeEmpty) {
  EXPECT_EQ(PgArray(PgType::text).take(), string("\0\0\0\1\0\0\0\1\0\0\0\x19\0\0\0\0\0\0\0\1", 20));
}

TEST(PgArray, DefaultsBecomeNull) {
  PgArray a(PgType::int8), b(PgType::int8);
  a.integer_or_null(0);
  a.time_or_null(WallTime{});
  a.text_or_null("");
  for (int i = 0; i < 3; ++i) b.null();
  EXPECT_EQ(a.take(), b.take());
}

}  // namespace
}  // namespace ringmaster
