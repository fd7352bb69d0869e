#include <map>

#include <gmock/gmock.h>

#include "worker/worker_settings.h"

namespace ringmaster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<WorkerSettings> read(const std::map<std::string, std::string>& flags) {
  Settings settings(declare_worker_settings());
  for (const auto& [name, value] : flags) {
    if (auto set = settings.set_flag(name, value); !set) return std::unexpected(set.error());
  }
  return read_worker_settings(settings);
}

TEST(WorkerSettings, TheDefaultsServeThisMachineOnly) {
  const auto settings = read({});
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->listen, "127.0.0.1:7430");
  EXPECT_THAT(settings->groups, ElementsAre("default"));
  EXPECT_GE(settings->slots, 1u);
  EXPECT_EQ(settings->drain_timeout, std::chrono::seconds(30));
}

TEST(WorkerSettings, RefusesAnOpenPortWithoutASecret) {
  const auto settings = read({{"listen", "10.0.0.1:7430"}});
  ASSERT_FALSE(settings);
  EXPECT_EQ(settings.error().field, "listen");
  EXPECT_THAT(settings.error().message, HasSubstr("secret_file"));
}

TEST(WorkerSettings, RefusesWhatIsNotAllowedAndNamesTheField) {
  const struct {
    const char* name;
    const char* value;
  } cases[] = {
      {"node_id", "a b"},        {"node_id", "../x"},
      {"groups", "default,a b"}, {"groups", ""},
      {"log_level", "chatty"},   {"slots", "0"},
      {"prefetch", "many"},      {"secret_file", "/nonexistent"},
      {"log_retention", "59s"},
  };
  for (const auto& each : cases) {
    const auto settings = read({{each.name, each.value}});
    ASSERT_FALSE(settings) << each.name << "=" << each.value;
    EXPECT_THAT(settings.error().message,
                HasSubstr(each.name == std::string("secret_file") ? "/nonexistent" : each.name));
  }
}

}  // namespace
}  // namespace ringmaster
