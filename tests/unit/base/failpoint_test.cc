#include "base/failpoint.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/failpoint_sites.h"

namespace ringmaster {
namespace {

using ::testing::HasSubstr;

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(FailpointSites, EachIsOnePlaceInTheCode) {
  std::map<std::string, int> uses;
  const std::regex use(R"rx((?:RINGMASTER_FAILPOINT\w*\((?:\w+, )?|failpoint_site\()"([a-z_.]+)"\))rx");
  for (const char* folder : {"base", "rpc", "registry", "sql", "master", "worker"}) {
    for (const auto& entry : std::filesystem::directory_iterator(std::string(SOURCE_ROOT) + "/" + folder)) {
      if (entry.path().extension() != ".cc") continue;
      const std::string text = text_of(entry.path());
      for (std::sregex_iterator it(text.begin(), text.end(), use), end; it != end; ++it) ++uses[(*it)[1]];
    }
  }
  for (const FailpointSite& site : kFailpointSites) {
    EXPECT_TRUE(uses.contains(std::string(site.name))) << site.name << " is nowhere";
    uses.erase(std::string(site.name));
  }
  EXPECT_TRUE(uses.empty()) << uses.begin()->first << " is not in the table";
}

TEST(FailpointSites, AreOnTheirPage) {
  const std::string page = text_of(std::string(SOURCE_ROOT) + "/docs/failpoints.md");
  for (const FailpointSite& site : kFailpointSites) {
    EXPECT_THAT(page, HasSubstr("| `" + std::string(site.name) + "` | " + std::string(site.when) + " |"));
  }
}

#if RINGMASTER_FAILPOINTS

constexpr std::size_t kAccept = failpoint_site("accept.committed");
constexpr std::size_t kAck = failpoint_site("ack.sent");
constexpr std::size_t kWrite = failpoint_site("spool.write");

TEST(FailpointTest, WhatIsNotArmedDoesNothing) {
  Failpoints points;
  ASSERT_TRUE(points.arm(""));
  EXPECT_FALSE(points.is_armed(kWrite));
  EXPECT_FALSE(points.hit(kWrite));
  ASSERT_TRUE(points.arm("accept.committed=kill"));
  EXPECT_FALSE(points.hit(kWrite));
}

TEST(FailpointTest, AnOperationFailsAtItsHitAndOnce) {
  Failpoints points;
  ASSERT_TRUE(points.arm("spool.write=fail@3"));
  std::vector<bool> fails;
  for (int i = 0; i < 5; ++i) fails.push_back(points.hit(kWrite));
  EXPECT_THAT(fails, ::testing::ElementsAre(false, false, true, false, false));
}

TEST(FailpointTest, HitsCountOnceAnotherSiteWasHit) {
  Failpoints points;
  ASSERT_TRUE(points.arm("ack.sent>spool.write=fail@2"));
  EXPECT_TRUE(points.is_armed(kAck));
  EXPECT_FALSE(points.hit(kWrite));
  EXPECT_FALSE(points.hit(kWrite));
  EXPECT_FALSE(points.hit(kAck));
  EXPECT_FALSE(points.hit(kWrite));
  EXPECT_TRUE(points.hit(kWrite));
}

TEST(FailpointDeathTest, KillsAtTheHitThatWasAsked) {
  const auto hits = [](int times) {
    Failpoints points;
    if (!points.arm("ack.sent=freeze@100,accept.committed=kill@2")) std::exit(3);
    for (int i = 0; i < times; ++i) points.hit(kAccept);
    std::exit(0);
  };
  EXPECT_EXIT(hits(1), ::testing::ExitedWithCode(0), "");
  EXPECT_EXIT(hits(2), ::testing::KilledBySignal(SIGKILL), "FAILPOINT accept.committed: killed here");
}

TEST(FailpointTest, FreezesUntilItIsTold) {
  const pid_t child = ::fork();
  if (child == 0) {
    Failpoints points;
    const bool armed = points.arm("ack.sent=freeze").has_value();
    points.hit(kAck);
    points.hit(kAck);
    ::_exit(armed ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, WUNTRACED), child);
  EXPECT_TRUE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
  ::kill(child, SIGCONT);
  ASSERT_EQ(::waitpid(child, &status, WUNTRACED), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

struct Wrong {
  std::string text, message;
};

TEST(FailpointTest, RefusesWhatItDoesNotKnow) {
  for (const Wrong& wrong : std::vector<Wrong>{
           {"accept.comitted=kill", "there is no site 'accept.comitted'; did you mean accept.committed?"},
           {"nonsense=kill", "there is no site 'nonsense'; see docs/failpoints.md"},
           {"accept.committed", "'accept.committed': expected site=action[@n]"},
           {"accept.committed=", "'accept.committed=': expected the action kill or freeze"},
           {"accept.committed=fail", "'accept.committed=fail': expected the action kill or freeze"},
           {"spool.write=explode", "'spool.write=explode': expected the action kill, freeze or fail"},
           {"ack.sent=kill@0", "'ack.sent=kill@0': after @ a number of hits is expected, from 1 on"},
           {"ack.sent=kill@2x", "'ack.sent=kill@2x': after @ a number of hits is expected, from 1 on"},
           {"ack.sent=kill,,", "'': expected site=action[@n]"},
           {"nowhere>ack.sent=kill", "there is no site 'nowhere'; see docs/failpoints.md"}}) {
    Failpoints points;
    const auto armed = points.arm(wrong.text);
    ASSERT_FALSE(armed) << wrong.text;
    EXPECT_EQ(armed.error().message, wrong.message);
    EXPECT_TRUE(points.text().empty());
  }
}

#else

TEST(FailpointTest, IsNotInThisBuild) {
  GTEST_SKIP() << "configure it with RINGMASTER_FAILPOINTS=ON, as `cmake --preset dev` does";
}

#endif

}  // namespace
}  // namespace ringmaster
