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

TEST_F(OutputLogTest, StopsAtItsBoundAndSaysSoOnce) {
  OutputLog log(path_, 10);
  for (int i = 0; i < 5; ++i) log.append("abcd");
  EXPECT_EQ(contents(path_), "abcdabcdab\n[output beyond 10 bytes is dropped]\n");
  EXPECT_EQ(log.take_tail(), "abcdabcdabcdabcdabcd");
  EXPECT_EQ(log.error(), 0);
}

TEST_F(OutputLogTest, ExactlyItsBoundIsNotTooMuch) {
  OutputLog log(path_, 8);
  log.append("abcdabcd");
  EXPECT_EQ(contents(path_), "abcdabcd");
}

TEST_F(OutputLogTest, BoundsTheFileAcrossRunsOfOneAttempt) {
  for (int run = 0; run < 3; ++run) {
    OutputLog log(path_, 6);
    log.append("abcd");
  }
  EXPECT_EQ(contents(path_), "abcdab\n[output beyond 6 bytes is dropped]\n");
}

TEST_F(OutputLogTest, KeepsTheLastBytesWhateverTheirPieces) {
  std::string all;
  for (int i = 0; i < 30'000; ++i) all += std::to_string(i) + "\n";
  const auto wanted = all.substr(all.size() - kMaxOutputTail);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{1000}, kMaxOutputTail, all.size()}) {
    OutputLog log(path_, 10);
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

TEST_F(OutputLogTest, FollowsNoSymbolicLink) {
  std::filesystem::create_symlink(directory_.path() + "/target", path_);
  OutputLog log(path_, 10);
  log.append("abcd");
  EXPECT_EQ(log.error(), ELOOP);
  EXPECT_FALSE(std::filesystem::exists(directory_.path() + "/target"));
}

}  // namespace
}  // namespace ringmaster
