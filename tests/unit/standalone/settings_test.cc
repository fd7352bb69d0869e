#include <gmock/gmock.h>

#include "standalone/standalone_settings.h"
#include "tests/unit/base/settings_page.h"

namespace ringmaster {
namespace {

using testing::HasSubstr;

Result<StandaloneSettings> read(const std::vector<std::pair<std::string, std::string>>& flags) {
  Settings settings(declare_standalone_settings());
  for (const auto& [name, value] : flags) {
    if (auto set = settings.set_flag(name, value); !set) return std::unexpected(set.error());
  }
  return read_standalone_settings(settings);
}

TEST(StandaloneSettings, ItsOwnAreOnTheirPage) {
  const auto all = declare_standalone_settings();
  expect_documented("## ringmaster standalone", {all.begin(), all.begin() + 2}, {});
}

TEST(StandaloneSettings, WhatIsSaidReachesTheTwoPartsAndTheRestIsFixed) {
  const auto settings = read({{"data", "/var/lib/one"},
                              {"listen", "127.0.0.1:7000"},
                              {"slots", "7"},
                              {"log_level", "warning"},
                              {"max_crashes", "9"}});
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->master.listen, "127.0.0.1:7000");
  EXPECT_EQ(settings->master.max_crashes, 9);
  EXPECT_EQ(settings->master.log_level, LogLevel::warning);
  EXPECT_EQ(settings->worker.slots, 7u);
  EXPECT_EQ(settings->worker.data_dir, "/var/lib/one/worker");
  EXPECT_EQ(settings->worker.listen, "127.0.0.1:0") << "not the master's";
  EXPECT_THAT(settings->master.database, HasSubstr("/var/lib/one/postgres"));
}

TEST(StandaloneSettings, NeedADirectory) {
  EXPECT_THAT(read({}).error().message, HasSubstr("--data ./ringmaster-data"));
  EXPECT_FALSE(read({{"data", "it's"}}));
}

TEST(StandaloneSettings, HaveNoDatabaseAndNoZookeeperToChoose) {
  for (const char* name : {"database", "zookeeper", "node_id", "data_dir"})
    EXPECT_FALSE(read({{"data", "/var/lib/one"}, {name, "x"}})) << name;
}

}  // namespace
}  // namespace ringmaster
