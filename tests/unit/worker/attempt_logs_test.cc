// The files that attempts write to.
#include "worker/attempt_logs.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <utime.h>

#include "tests/unit/worker/runner_fixture.h"

namespace ringmaster {
namespace {

using namespace std::chrono_literals;

class AttemptLogsTest : public testing::Test {
 protected:
  void write(Attempt attempt, const std::string& text) {
    write(log_path(directory_.path(), kTask, attempt), text);
  }
  static void write(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
  }
  LogRequest ask(Attempt attempt, std::uint64_t offset, std::uint32_t limit) {
    return {.id = kTask, .attempt = attempt, .offset = offset, .limit = limit};
  }
  static void age(const std::string& path, std::chrono::seconds by) {
    const auto then = static_cast<std::time_t>(to_unix_micros(read_wall_clock()) / 1'000'000 - by.count());
    const utimbuf times{then, then};
    ASSERT_EQ(::utime(path.c_str(), &times), 0);
  }
  std::size_t files() const {
    const auto all = std::filesystem::directory_iterator(directory_.path());
    return static_cast<std::size_t>(std::distance(all, std::filesystem::directory_iterator()));
  }

  static constexpr TaskId kTask{0x1200};
  TempDirectory directory_;
  AttemptLogs logs_{directory_.path()};
};

TEST_F(AttemptLogsTest, ReadsPieceByPiece) {
  write(1, std::string("one\0two\n", 8));
  const auto first = logs_.read(ask(1, 0, 5));
  ASSERT_TRUE(first);
  EXPECT_EQ(first->bytes, std::string("one\0t", 5));
  EXPECT_EQ(first->next, 5U);
  const auto rest = logs_.read(ask(1, first->next, 100));
  ASSERT_TRUE(rest);
  EXPECT_EQ(rest->bytes, "wo\n");
  EXPECT_EQ(rest->next, 8U);
  const auto behind = logs_.read(ask(1, 8, 100));
  ASSERT_TRUE(behind);
  EXPECT_EQ(behind->bytes, "");
  EXPECT_EQ(behind->next, 8U);
}

TEST_F(AttemptLogsTest, WhoHasWrittenNothingHasNoFile) {
  write(1, "one");
  const auto reply = logs_.read(ask(2, 7, 100));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->bytes, "");
  EXPECT_EQ(reply->next, 7U);
}

TEST_F(AttemptLogsTest, AFileThatCannotBeReadIsAnError) {
  std::filesystem::create_directory(log_path(directory_.path(), kTask, 1));
  const auto reply = logs_.read(ask(1, 0, 100));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::unavailable);
}

TEST_F(AttemptLogsTest, RemovesWhatIsOldAFewAtATime) {
  for (Attempt attempt = 1; attempt <= 6; ++attempt) {
    write(attempt, "x");
    if (attempt <= 4) age(log_path(directory_.path(), kTask, attempt), 3600s);
  }
  write(directory_.path() + "/other", "x");
  age(directory_.path() + "/other", 3600s);
  const WallTime before = read_wall_clock() - 1800s;
  int calls = 1;
  while (!logs_.remove_some(before, 2)) ++calls;
  EXPECT_EQ(calls, 4) << "seven files, two at a time";
  EXPECT_EQ(files(), 3U) << "two young ones, and one that is none of ours";
  EXPECT_TRUE(logs_.remove_some(before, 100)) << "it begins anew";
  age(log_path(directory_.path(), kTask, 6), 3600s);
  EXPECT_TRUE(logs_.remove_some(before, 100));
  EXPECT_EQ(files(), 2U);
}

}  // namespace
}  // namespace ringmaster
