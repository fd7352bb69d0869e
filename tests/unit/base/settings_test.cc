#include "base/settings.h"

#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/base/scratch_directory.h"

namespace ringmaster {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

std::vector<Setting> declared() {
  return {{"listen", SettingType::address, "127.0.0.1:7420", "where to listen"},
          {"http_listen", SettingType::address, "", "where to serve HTTP"},
          {"slots", SettingType::integer, "4", "attempts at a time", 1, 1024},
          {"worker_timeout", SettingType::duration, "10s", "how long to wait"},
          {"verbose", SettingType::boolean, "false", "say more"},
          {"groups", SettingType::list, "default", "groups to serve"},
          {"spool_bytes", SettingType::size, "64MiB", "bound of the spool", 4096},
          {"name", SettingType::text, "", "who this is"},
          {.name = "output", .default_value = "text", .choices = {"text", "json", "jsonl"}}};
}

class SettingsTest : public testing::Test {
 protected:
  Result<> load_yaml(const std::string& text) {
    return settings_.load_file(directory_.write("config.yaml", text));
  }
  Result<> load_environment(const std::map<std::string, std::string>& variables) {
    return settings_.load_environment([&](const char* name) {
      const auto found = variables.find(name);
      return found == variables.end() ? nullptr : found->second.c_str();
    });
  }
  std::string origin(const std::string& name) const {
    for (const Settings::Line& line : settings_.describe()) {
      if (line.name == name) return line.origin;
    }
    return {};
  }

  ScratchDirectory directory_;
  Settings settings_{declared()};
};

TEST_F(SettingsTest, StartFromTheirDefaults) {
  EXPECT_EQ(settings_.get_string("listen"), "127.0.0.1:7420");
  EXPECT_EQ(settings_.get_string("http_listen"), "");
  EXPECT_EQ(settings_.get_int("slots"), 4);
  EXPECT_EQ(settings_.get_duration("worker_timeout"), 10s);
  EXPECT_FALSE(settings_.get_bool("verbose"));
  EXPECT_EQ(settings_.get_list("groups"), std::vector<std::string>{"default"});
  EXPECT_EQ(settings_.get_size("spool_bytes"), 64 << 20);
  EXPECT_FALSE(settings_.is_set("listen"));
  EXPECT_EQ(origin("listen"), "default");
}

TEST_F(SettingsTest, AChoiceTakesItsWordsOnly) {
  EXPECT_TRUE(settings_.set_flag("--output", "jsonl"));
  const auto refused = settings_.set_flag("--output", "xml");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message,
            "output: \"xml\" is not allowed: expected text, json or jsonl (flag --output)");
  EXPECT_EQ(settings_.get_string("output"), "jsonl");
}

TEST_F(SettingsTest, AValueOfAnotherFileIsAsStrongAsTheFile) {
  ASSERT_TRUE(load_environment({{"RINGMASTER_SLOTS", "16"}}));
  ASSERT_TRUE(settings_.set_in_file("slots", "8", "profiles.yaml:3"));
  ASSERT_TRUE(settings_.set_in_file("name", "x", "profiles.yaml:4"));
  EXPECT_EQ(settings_.get_int("slots"), 16);
  EXPECT_EQ(origin("name"), "profiles.yaml:4");
  EXPECT_EQ(settings_.set_in_file("slts", "8", "profiles.yaml:5").error().message,
            "unknown setting slts; did you mean slots? (profiles.yaml:5)");
}

TEST_F(SettingsTest, FlagsBeatTheEnvironmentWhichBeatsTheFile) {
  // Loaded from the strongest to the weakest: precedence does not depend on the order.
  ASSERT_TRUE(settings_.set_flag("--slots", "8"));
  ASSERT_TRUE(load_environment({{"RINGMASTER_SLOTS", "16"}, {"RINGMASTER_WORKER_TIMEOUT", "20s"}}));
  ASSERT_TRUE(load_yaml("slots: 32\nworker_timeout: 30s\nname: from-file\n"));
  EXPECT_EQ(settings_.get_int("slots"), 8);
  EXPECT_EQ(settings_.get_duration("worker_timeout"), 20s);
  EXPECT_EQ(settings_.get_string("name"), "from-file");
  EXPECT_EQ(origin("slots"), "flag --slots");
  EXPECT_EQ(origin("worker_timeout"), "environment RINGMASTER_WORKER_TIMEOUT");
  EXPECT_THAT(origin("name"), HasSubstr("config.yaml:3"));
  EXPECT_TRUE(settings_.is_set("name"));
}

TEST_F(SettingsTest, LaterFlagsReplaceEarlierOnes) {
  ASSERT_TRUE(settings_.set_flag("worker-timeout", "1s"));
  ASSERT_TRUE(settings_.set_flag("worker_timeout", "2s"));
  EXPECT_EQ(settings_.get_duration("worker_timeout"), 2s);
}

TEST_F(SettingsTest, ReadEveryTypeFromYaml) {
  ASSERT_TRUE(
      load_yaml("listen: '[::1]:80'\nslots: 7\nworker_timeout: 1h30m\nverbose: true\n"
                "groups: [a, b]\nspool_bytes: 1GiB\nname: \"x y\"\n"));
  EXPECT_EQ(settings_.get_string("listen"), "[::1]:80");
  EXPECT_EQ(settings_.get_duration("worker_timeout"), 90min);
  EXPECT_TRUE(settings_.get_bool("verbose"));
  EXPECT_EQ(settings_.get_list("groups"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(settings_.get_size("spool_bytes"), 1 << 30);
  EXPECT_EQ(settings_.get_string("name"), "x y");
}

TEST_F(SettingsTest, SplitListsAtCommas) {
  ASSERT_TRUE(settings_.set_flag("groups", " a, b ,,c"));
  EXPECT_EQ(settings_.get_list("groups"), (std::vector<std::string>{"a", "b", "c"}));
}

TEST_F(SettingsTest, RefuseAnUnknownKeyAndSuggestTheNearest) {
  const auto loaded = load_yaml("\nworker_timout: 3s\n");
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().field, "worker_timout");
  EXPECT_THAT(loaded.error().message, HasSubstr("did you mean worker_timeout?"));
  EXPECT_THAT(loaded.error().message, HasSubstr("config.yaml:2"));
  const auto flag = settings_.set_flag("--zzzzzzzz", "1");
  ASSERT_FALSE(flag);
  EXPECT_EQ(flag.error().message, "unknown setting zzzzzzzz (flag --zzzzzzzz)");
}

TEST_F(SettingsTest, SayWhatIsAllowedAndWhereTheValueCameFrom) {
  const std::vector<std::tuple<std::string, std::string, std::string>> cases{
      {"slots", "0", "a number from 1 to 1024"},
      {"slots", "1025", "a number from 1 to 1024"},
      {"slots", "4x", "a number from 1 to 1024"},
      {"slots", "", "a number from 1 to 1024"},
      {"worker_timeout", "10", "a duration"},
      {"worker_timeout", "-1s", "a duration"},
      {"worker_timeout", "3651d", "a duration of at most 3650d"},
      {"verbose", "yes", "true or false"},
      {"listen", "7420", "host:port"},
      {"listen", "", "host:port"},
      {"spool_bytes", "64MB", "a size from 4KiB up"},
      {"spool_bytes", "1", "a size from 4KiB up"},
      {"spool_bytes", "99999999999GiB", "a size from 4KiB up"},
  };
  for (const auto& [name, value, allowed] : cases) {
    const auto set = settings_.set_flag(name, value);
    ASSERT_FALSE(set) << name << "=" << value;
    EXPECT_EQ(set.error().code, ErrorCode::invalid_argument);
    EXPECT_EQ(set.error().field, name);
    EXPECT_THAT(set.error().message, HasSubstr(name + ": \"" + value + "\""));
    EXPECT_THAT(set.error().message, HasSubstr(allowed));
    EXPECT_THAT(set.error().message, HasSubstr("flag " + Settings::flag_of(name)));
  }
  EXPECT_THAT(load_environment({{"RINGMASTER_SLOTS", "many"}}).error().message,
              HasSubstr("(environment RINGMASTER_SLOTS)"));
  EXPECT_THAT(load_yaml("name: x\nslots: many\n").error().message, HasSubstr("config.yaml:2)"));
}

TEST_F(SettingsTest, TakeAnEmptyTextOnlyWhereTheDefaultIsEmpty) {
  ASSERT_TRUE(settings_.set_flag("http_listen", "127.0.0.1:80"));
  ASSERT_TRUE(settings_.set_flag("http_listen", ""));
  EXPECT_EQ(settings_.get_string("http_listen"), "");
}

TEST_F(SettingsTest, IgnoreEmptyVariables) {
  ASSERT_TRUE(load_environment({{"RINGMASTER_SLOTS", ""}}));
  EXPECT_EQ(settings_.get_int("slots"), 4);
}

TEST_F(SettingsTest, RefuseFilesThatAreNoMapOfValues) {
  for (const char* text :
       {"- a\n", "plain", "slots: [1]\n", "slots: {a: 1}\n", "slots:\n", "slots: 1\nslots: 2\n",
        "groups: [[a]]\n", "groups: ['a,b']\n", "a: [\n", "? [x]\n: 1\n"}) {
    const auto loaded = load_yaml(text);
    ASSERT_FALSE(loaded) << text;
    EXPECT_EQ(loaded.error().code, ErrorCode::invalid_argument);
  }
  EXPECT_FALSE(settings_.load_file(directory_.path() + "/missing.yaml"));
  EXPECT_FALSE(settings_.load_file(directory_.path()));
  EXPECT_TRUE(load_yaml(""));
  EXPECT_TRUE(load_yaml("# nothing\n"));
}

TEST_F(SettingsTest, DescribeEveryKeyInDeclaredOrder) {
  ASSERT_TRUE(settings_.set_flag("spool_bytes", "8192"));
  const auto lines = settings_.describe();
  ASSERT_EQ(lines.size(), declared().size());
  for (std::size_t i = 0; i < lines.size(); ++i) EXPECT_EQ(lines[i].name, declared()[i].name);
  EXPECT_EQ(lines[3].value, "10s");
  EXPECT_EQ(lines[6].value, "8KiB");
  EXPECT_EQ(lines[6].origin, "flag --spool-bytes");
}

TEST(SettingsDeathTest, DeclaringABadDefaultIsABug) {
  EXPECT_DEATH(Settings({{"slots", SettingType::integer, "many", ""}}), "default of slots");
  EXPECT_DEATH(Settings({{"a", SettingType::text, "", ""}, {"a", SettingType::text, "", ""}}),
               "declared twice");
}

TEST(SettingsDeathTest, AskingForAnotherTypeIsABug) {
  const Settings settings(declared());
  EXPECT_DEATH(settings.get_int("listen"), "another type");
  EXPECT_DEATH(settings.get_int("spool_bytes"), "another type");
  EXPECT_DEATH(settings.get_string("nothing"), "not declared");
}

}  // namespace
}  // namespace ringmaster
