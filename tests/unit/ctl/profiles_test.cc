// The file of profiles, and which of flags, environment, profile and default wins.
#include <fstream>
#include <map>

#include <CLI/CLI.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ctl/ctl_settings.h"
#include "tests/unit/base/scratch_directory.h"

namespace ringmaster {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr const char* kTwo =
    "default: production\n"
    "profiles:\n"
    "  production:\n"
    "    address: [m1:7420, m2:7420]\n"
    "    cluster: prod\n"
    "    secret_file: prod.secret\n"
    "    request_timeout: 3s\n"
    "  local:\n"
    "    output: jsonl\n";

class ProfilesFile : public testing::Test {
 protected:
  std::string write(const std::string& text) {
    std::ofstream(path_) << text;
    return path_;
  }
  std::string refusal_of(const std::string& text) {
    const auto read = Profiles::read(write(text), CtlSettings::declared());
    EXPECT_FALSE(read) << text;
    return read ? "" : read.error().message;
  }

  // What `ringctl FLAGS` would work with.
  Result<> load(const std::vector<std::string>& flags = {}) {
    CLI::App app;
    settings_ = CtlSettings();
    settings_.add_flags(app);
    app.parse(std::vector<std::string>(flags.rbegin(), flags.rend()));
    return settings_.load([this](const char* name) -> const char* {
      const auto found = environment_.find(name);
      return found == environment_.end() ? nullptr : found->second.c_str();
    });
  }
  std::string origin_of(const std::string& name) const {
    for (const auto& line : settings_.describe()) {
      if (line.name == name) return line.origin;
    }
    return "?";
  }

  ScratchDirectory folder_;
  std::string path_ = folder_.path() + "/ringctl.yaml";
  std::map<std::string, std::string> environment_;
  CtlSettings settings_;
};

TEST_F(ProfilesFile, NamesSettingsAndTheDefault) {
  const auto read = Profiles::read(write(kTwo), CtlSettings::declared());
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_THAT(read->names(), ElementsAre("production", "local"));
  EXPECT_EQ(read->default_name(), "production");
  EXPECT_EQ(read->find("production")->values.at(0).text, "m1:7420,m2:7420");
  EXPECT_EQ(read->find("production")->values.at(1).origin, path_ + ":5");
  EXPECT_EQ(read->find("nobody"), nullptr);
}

TEST_F(ProfilesFile, AnEmptyOneHasNoProfiles) {
  const auto read = Profiles::read(write("# nothing yet\n"), CtlSettings::declared());
  ASSERT_TRUE(read);
  EXPECT_THAT(read->names(), IsEmpty());
}

TEST_F(ProfilesFile, RefusesAMistakeInAnyProfileWithItsLine) {
  EXPECT_EQ(refusal_of("profiles:\n  a:\n    clutser: x\n"),
            "unknown setting clutser; did you mean cluster? (" + path_ + ":3)");
  EXPECT_THAT(refusal_of("default: a\nprofiles:\n  a:\n  b:\n    output: xml\n"),
              AllOf(HasSubstr("expected text, json or jsonl"), HasSubstr(":5")));
  EXPECT_EQ(refusal_of("profiles:\n  a:\n    cluster: [x, y]\n"), path_ + ":3: cluster: expected a text");
  EXPECT_EQ(refusal_of("profiles:\n  a:\n    cluster: x\n    cluster: y\n"),
            path_ + ":4: cluster is given twice");
  EXPECT_EQ(refusal_of("profiles:\n  a:\n  a:\n"), path_ + ":3: a is given twice");
  EXPECT_THAT(refusal_of("profiles:\n  'a b':\n"), StartsWith(path_ + ":2: a profile's name is made of"));
  EXPECT_THAT(refusal_of("profiles:\n  a: 5\n"), StartsWith(path_ + ":2: expected settings under a"));
  EXPECT_THAT(refusal_of("cluster: x\n"), StartsWith(path_ + ":1: unknown key cluster"));
  EXPECT_THAT(refusal_of("profiles: 5\n"), StartsWith(path_ + ":1: profiles: expected named profiles"));
  EXPECT_EQ(refusal_of("default: prod\nprofiles:\n  prd:\n"),
            path_ + ":1: there is no profile prod; did you mean prd?");
  EXPECT_THAT(refusal_of("a: [\n"), HasSubstr("not valid YAML"));
}

TEST_F(ProfilesFile, NamesItsFilesFromItsOwnFolder) {
  ASSERT_TRUE(load({"--config", write(kTwo)}));
  EXPECT_EQ(settings_.options().secret_file, folder_.path() + "/prod.secret");
}

TEST_F(ProfilesFile, FlagsBeatTheEnvironmentThatBeatsTheProfileThatBeatsTheDefault) {
  environment_ = {{"RINGMASTER_CONFIG", write(kTwo)}, {"RINGMASTER_CLUSTER", "from-environment"}};
  ASSERT_TRUE(load({"--request-timeout", "1s"}));
  const CtlOptions options = settings_.options();
  EXPECT_EQ(options.address, "m1:7420,m2:7420");
  EXPECT_EQ(origin_of("address"), path_ + ":4");
  EXPECT_EQ(options.cluster, "from-environment");
  EXPECT_EQ(origin_of("cluster"), "environment RINGMASTER_CLUSTER");
  EXPECT_EQ(options.request_timeout, std::chrono::seconds(1));
  EXPECT_EQ(origin_of("request_timeout"), "flag --request-timeout");
  EXPECT_EQ(options.output, "text");
  EXPECT_EQ(origin_of("output"), "default");
}

TEST_F(ProfilesFile, AFlagBeatsTheEnvironmentThatBeatsTheFilesDefault) {
  environment_ = {{"RINGMASTER_CONFIG", write(kTwo)}};
  ASSERT_TRUE(load());
  EXPECT_EQ(settings_.profile(), "production");
  EXPECT_EQ(settings_.profile_origin(), path_ + ":1");
  environment_["RINGMASTER_PROFILE"] = "local";
  ASSERT_TRUE(load());
  EXPECT_EQ(settings_.options().output, "jsonl");
  EXPECT_EQ(settings_.options().address, "127.0.0.1:7420") << "profiles do not add up";
  ASSERT_TRUE(load({"--profile", "production"}));
  EXPECT_EQ(settings_.options().output, "text");
}

TEST_F(ProfilesFile, WhoNamesAProfileIsToldWhatOverrulesIt) {
  environment_ = {{"RINGMASTER_CONFIG", write(kTwo)}, {"RINGMASTER_CLUSTER", "other"}};
  ASSERT_TRUE(load());
  EXPECT_THAT(settings_.overruled(), IsEmpty()) << "nobody named one";
  ASSERT_TRUE(load({"--profile", "production"}));
  EXPECT_THAT(settings_.overruled(),
              ElementsAre("RINGMASTER_CLUSTER=other overrules cluster of profile production"));
  environment_["RINGMASTER_CLUSTER"] = "prod";
  ASSERT_TRUE(load({"--profile", "production"}));
  EXPECT_THAT(settings_.overruled(), IsEmpty()) << "they agree";
}

TEST_F(ProfilesFile, AnUnknownProfileIsAnError) {
  environment_ = {{"RINGMASTER_CONFIG", write(kTwo)}};
  EXPECT_EQ(load({"--profile", "prodction"}).error().message,
            "there is no profile prodction; did you mean production? (flag --profile)");
  EXPECT_THAT(load({"--profile", "elsewhere"}).error().message, HasSubstr("`ringctl config profiles` lists"));
  environment_ = {{"HOME", folder_.path()}};
  EXPECT_THAT(load({"--profile", "a"}).error().message, HasSubstr("does not exist"));
}

TEST_F(ProfilesFile, OneThatWasNamedMustBeThereTheUsualOneNeedNot) {
  environment_ = {{"HOME", folder_.path()}};
  EXPECT_TRUE(load());
  EXPECT_EQ(settings_.file(), folder_.path() + "/.config/ringmaster/ringctl.yaml");
  environment_["XDG_CONFIG_HOME"] = "relative/means/nothing";
  ASSERT_TRUE(load());
  EXPECT_EQ(settings_.file(), folder_.path() + "/.config/ringmaster/ringctl.yaml");
  environment_["XDG_CONFIG_HOME"] = "/somewhere";
  ASSERT_TRUE(load());
  EXPECT_EQ(settings_.file(), "/somewhere/ringmaster/ringctl.yaml");
  environment_["RINGMASTER_CONFIG"] = folder_.path() + "/absent.yaml";
  EXPECT_THAT(load().error().message, HasSubstr("cannot read the file of profiles"));
  EXPECT_TRUE(load({"--config", write(kTwo)}));
}

TEST_F(ProfilesFile, SaysWhereAWrongValueWasGiven) {
  environment_ = {{"RINGMASTER_COLOR", "blue"}};
  EXPECT_THAT(load().error().message,
              AllOf(HasSubstr("expected auto, always or never"), HasSubstr("environment RINGMASTER_COLOR")));
  environment_.clear();
  EXPECT_THAT(load({"-o", "xml"}).error().message, HasSubstr("flag --output"));
  EXPECT_TRUE(load({"-o", "json", "-o", "text"})) << "the last one counts";
  EXPECT_EQ(settings_.options().output, "text");
}

}  // namespace
}  // namespace ringmaster
