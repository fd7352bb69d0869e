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

TEST(PgTarget, HostsAreTriedFromAnyOfThemOn) {
  const auto target = *PgTarget::make("host=127.0.0.1,/run/x,127.0.0.3 port=1,2,3", std::chrono::seconds(3));
  ASSERT_EQ(target.hosts(), 3U);
  const auto from = [&](std::size_t host, std::string_view keyword) {
    PgTarget copy = target;
    copy.values = target.values_from(host);
    return value_of(copy, keyword);
  };
  EXPECT_EQ(from(0, "host"), "127.0.0.1,/run/x,127.0.0.3");
  EXPECT_EQ(from(1, "host"), "/run/x,127.0.0.3,127.0.0.1");
  EXPECT_EQ(from(1, "hostaddr"), ",127.0.0.3,127.0.0.1");
  EXPECT_EQ(from(5, "port"), "3,1,2");
  EXPECT_EQ(from(5, "target_session_attrs"), "primary");
}

TEST(PgTarget, OnePortHoldsForAllHosts) {
  const auto target = *PgTarget::make("host=/run/x,/run/y port=7", std::chrono::seconds(3));
  EXPECT_EQ(target.hosts(), 2U);
  PgTarget copy = target;
  copy.values = target.values_from(1);
  EXPECT_EQ(value_of(copy, "host"), "/run/y,/run/x");
  EXPECT_EQ(value_of(copy, "port"), "7");
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
