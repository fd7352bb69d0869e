#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/worker/runner_fixture.h"
#include "worker/output_log.h"

namespace ringmaster {
namespace {

class OutputLogTest : public testing::Test {
 protected:
  TempDirectory directory_;
  std::string path_ = directory_.path() + "/x.log";
};

TEST_F(OutputLogTest, MakesNoFileWithoutOutput) {
  {
    OutputLog log(path_, 100);
    log.append("");
    EXPECT_EQ(log.take_tail(), "");
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(OutputLogTest, KeepsTheNewestInTwoFilesThatSayWhereTheyStand) {
  OutputLog log(path_, 10);
  log.append("abcdefghij");
  EXPECT_EQ(contents(path_), "abcdefghij") << "exactly its bound is not too much";
  EXPECT_FALSE(std::filesystem::exists(path_ + ".1"));
  log.append("klm");
  EXPECT_EQ(contents(path_ + ".1"), "abcdefghij");
  EXPECT_EQ(contents(path_), "[output from byte 00000000000000000010]\nklm");
  log.append("nopqrstuvwxyz");
  EXPECT_EQ(contents(path_ + ".1"), "[output from byte 00000000000000000010]\nklmnopqrst");
  EXPECT_EQ(contents(path_), "[output from byte 00000000000000000020]\nuvwxyz");
  EXPECT_EQ(log.take_tail(), "abcdefghijklmnopqrstuvwxyz");
  EXPECT_EQ(log.error(), 0);
}

TEST_F(OutputLogTest, GoesOnWhereAnEarlierRunOfTheAttemptStopped) {
  for (const std::string text : {"abcd", "efgh", "ijkl", "mnop"}) {
    OutputLog log(path_, 6);
    log.append(text);
  }
  EXPECT_EQ(contents(path_ + ".1"), "[output from byte 00000000000000000006]\nghijkl");
  EXPECT_EQ(contents(path_), "[output from byte 00000000000000000012]\nmnop");
}

TEST_F(OutputLogTest, KeepsTheLastBytesWhateverTheirPieces) {
  std::string all;
  for (int i = 0; i < 30'000; ++i) all += std::to_string(i) + "\n";
  const auto wanted = all.substr(all.size() - kMaxOutputTail);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{1000}, kMaxOutputTail, all.size()}) {
    OutputLog log(path_, all.size());
    for (std::size_t at = 0; at < all.size(); at += piece)
      log.append(std::string_view(all).substr(at, piece));
    EXPECT_TRUE(log.take_tail() == wanted) << piece;
  }
}

TEST_F(OutputLogTest, AFileThatCannotBeMadeCostsOnlyTheFile) {
  OutputLog log(directory_.path() + "/missing/x.log", 10);
  log.append("abcd");
  log.append("efgh");
  EXPECT_EQ(log.error(), ENOENT);
  EXPECT_EQ(log.take_tail(), "abcdefgh");
}

TEST_F(OutputLogTest, KeepsSecretsOutOfItsEnd) {
  OutputLog log(path_, 100'000);
  log.append("pass ");
  for (int i = 0; i < 9000; ++i) log.append("pass ");  // more than is kept: the first one may be cut
  const auto tail = log.take_tail({"pass"});
  EXPECT_FALSE(tail.contains("pass"));
  EXPECT_LE(tail.size(), kMaxOutputTail);
}

TEST_F(OutputLogTest, KeepsASecretOutOfItsEndThatItsBeginningCuts) {
  const std::string secret = "s3cr3t-of-the-house";
  for (std::size_t cut = 1; cut < secret.size(); ++cut) {
    for (const std::size_t kept : {kMaxOutputTail, 2 * kMaxOutputTail}) {
      OutputLog log(path_, 1'000'000);
      log.append(std::string(100, 'x'));
      log.append(std::string(10'000, 'x') + secret + std::string(kept - cut, '.'));
      const auto left = secret.substr(secret.size() - std::max<std::size_t>(cut, 4));
      EXPECT_FALSE(log.take_tail({secret}).contains(left)) << kept << " " << cut;
    }
  }
}

TEST_F(OutputLogTest, FollowsNoSymbolicLink) {
  std::filesystem::create_symlink(directory_.path() + "/target", path_);
  OutputLog log(path_, 10);
  log.append("abcd");
  EXPECT_EQ(log.error(), ELOOP);
  EXPECT_FALSE(std::filesystem::exists(directory_.path() + "/target"));
}

}  // namespace
}  // namespace ringmaster
