#include "sql/pg_target.h"

#include <gmock/gmock.h>

namespace ringmaster {
namespace {

using testing::HasSubstr;

std::string value_of(const PgTarget& target, std::string_view keyword) {
  for (std::size_t i = 0; i < target.keywords.size(); ++i) {
    if (target.keywords[i] == keyword) return target.values[i];
  }
  return {};
}

TEST(PgTarget, NamesAreResolvedOnce) {
  const auto target = PgTarget::make("host=localhost,127.0.0.2 port=7 dbname=x", std::chrono::seconds(3));
  ASSERT_TRUE(target);
  EXPECT_THAT(value_of(*target, "hostaddr"), HasSubstr("127.0.0.1"));
  EXPECT_THAT(value_of(*target, "hostaddr"), HasSubstr("127.0.0.2"));
  const auto commas = [&](std::string_view keyword) {
    return std::ranges::count(value_of(*target, keyword), ',');
  };
  EXPECT_EQ(commas("host"), commas("hostaddr"));
  EXPECT_EQ(commas("port"), commas("hostaddr"));
}

TEST(PgTarget, SocketsAndAddressesStayAsTheyAre) {
  EXPECT_EQ(value_of(*PgTarget::make("host=/run/postgresql", std::chrono::seconds(3)), "hostaddr"), "");
  EXPECT_EQ(value_of(*PgTarget::make("host=db hostaddr=::1", std::chrono::seconds(3)), "hostaddr"), "::1");
  EXPECT_EQ(value_of(*PgTarget::make("postgresql://u@127.0.0.3/d", std::chrono::seconds(3)), "hostaddr"),
            "127.0.0.3");
}

TEST(PgTarget, TheUsersSettingsGoFirst) {
  const auto target =
      PgTarget::make("host=/x keepalives_idle=77 options='-c work_mem=5MB'", std::chrono::seconds(3));
  EXPECT_EQ(value_of(*target, "keepalives_idle"), "77");
  EXPECT_EQ(value_of(*target, "tcp_user_timeout"), "10000");
  EXPECT_THAT(value_of(*target, "options"), HasSubstr("-c work_mem=5MB -c "));
  EXPECT_THAT(value_of(*target, "options"), HasSubstr("statement_timeout=3000"));
}

TEST(PgTarget, ErrorsNeverSayThePassword) {
  const auto refused = PgTarget::make("password=secret nonsense", std::chrono::seconds(3));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
  EXPECT_THAT(refused.error().message, testing::Not(HasSubstr("secret")));
  EXPECT_EQ(PgTarget::make("host=no.such.host.invalid", std::chrono::seconds(3)).error().code,
            ErrorCode::unavailable);
}

}  // namespace
}  // namespace ringmaster
