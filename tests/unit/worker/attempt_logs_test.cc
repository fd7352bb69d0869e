// The files that attempts write to.
#include "worker/attempt_logs.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <utime.h>

#include "tests/unit/worker/runner_fixture.h"
#include "worker/output_log.h"

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
  while (!logs_.remove_some({.before = before}, 2)) ++calls;
  EXPECT_EQ(calls, 4) << "seven files, two at a time";
  EXPECT_EQ(files(), 3U) << "two young ones, and one that is none of ours";
  EXPECT_TRUE(logs_.remove_some({.before = before}, 100)) << "it begins anew";
  age(log_path(directory_.path(), kTask, 6), 3600s);
  EXPECT_TRUE(logs_.remove_some({.before = before}, 100));
  EXPECT_EQ(files(), 2U);
}

TEST_F(AttemptLogsTest, ReadsOverTheSeamOfTwoFiles) {
  OutputLog log(log_path(directory_.path(), kTask, 1), 10);
  log.append("abcdefghijklmnopqrstuvwxyz");
  for (std::uint64_t from = 10; from <= 26; ++from) {
    const auto reply = logs_.read(ask(1, from, 100));
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->bytes, std::string("abcdefghijklmnopqrstuvwxyz").substr(from));
    EXPECT_EQ(reply->next, 26U);
  }
  const auto piece = logs_.read(ask(1, 15, 8));
  ASSERT_TRUE(piece);
  EXPECT_EQ(piece->bytes, "pqrstuvw");
  EXPECT_EQ(piece->next, 23U);
}

TEST_F(AttemptLogsTest, PassesOverWhatWasRotatedAway) {
  OutputLog log(log_path(directory_.path(), kTask, 1), 10);
  log.append("abcdefghijklmnopqrstuvwxyz");
  auto reply = logs_.read(ask(1, 3, 4));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->bytes, "klmn");
  EXPECT_EQ(reply->next, 14U) << "the bytes end there, so they begin at 10";
  std::filesystem::remove(log_path(directory_.path(), kTask, 1) + ".1");
  reply = logs_.read(ask(1, 14, 4));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->bytes, "uvwx");
  EXPECT_EQ(reply->next, 24U);
}

TEST_F(AttemptLogsTest, AFollowerSeesEachKeptByteOnceWhileTheyRotate) {
  OutputLog log(log_path(directory_.path(), kTask, 1), 100);
  std::string all, seen;
  std::uint64_t offset = 0;
  for (int i = 0; i < 2000; ++i) {
    all += std::to_string(i) + ",";
    log.append(std::to_string(i) + ",");
    const auto reply = logs_.read(ask(1, offset, 1000));
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->next - reply->bytes.size(), offset) << "nothing was lost in between";
    seen += reply->bytes;
    offset = reply->next;
  }
  EXPECT_EQ(seen, all);
}

TEST_F(AttemptLogsTest, AMarkThatAnAttemptMadeUpMisleadsNobodyElse) {
  write(1, "[output from byte 18446744073709551615]\nx");
  const auto reply = logs_.read(ask(1, 0, 100));
  ASSERT_TRUE(reply);
  EXPECT_LE(reply->bytes.size(), 1U);
  write(2, "[output from byte 99999999999999999999]\nx");
  EXPECT_EQ(logs_.read(ask(2, 0, 100))->bytes, "[output from byte 99999999999999999999]\nx");
}

TEST_F(AttemptLogsTest, KeepsTheNewestWithinTheTotalAndWhateverRuns) {
  for (Attempt attempt = 1; attempt <= 6; ++attempt) {
    const auto path = log_path(directory_.path(), TaskId{0x1200 + attempt}, 1);
    write(path, std::string(8192, 'x'));
    age(path, std::chrono::seconds(1000 - 100 * attempt));
  }
  struct stat status{};
  ASSERT_EQ(::stat(log_path(directory_.path(), TaskId{0x1201}, 1).c_str(), &status), 0);
  AttemptLogs::Bounds bounds;
  bounds.total_bytes = 3 * static_cast<std::uint64_t>(status.st_blocks) * 512;
  bounds.runs = [](TaskId task, Attempt) { return task == TaskId{0x1201}; };
  for (int i = 0; i < 100 && !logs_.remove_some(bounds, 2); ++i) {
  }
  std::vector<Attempt> left;
  for (Attempt attempt = 1; attempt <= 6; ++attempt) {
    if (std::filesystem::exists(log_path(directory_.path(), TaskId{0x1200 + attempt}, 1)))
      left.push_back(attempt);
  }
  EXPECT_EQ(left, (std::vector<Attempt>{1, 5, 6}));
}

TEST_F(AttemptLogsTest, EarlierAttemptsOfATaskThatRunsMayGo) {
  for (const Attempt attempt : {1, 2}) {
    for (const std::string ending : {"", ".1"}) {
      write(log_path(directory_.path(), kTask, attempt) + ending, "x");
      age(log_path(directory_.path(), kTask, attempt) + ending, 3600s);
    }
  }
  const auto runs = [](TaskId task, Attempt attempt) { return task == kTask && attempt == 2; };
  EXPECT_TRUE(logs_.remove_some({.before = read_wall_clock() - 1800s, .runs = runs}, 100));
  EXPECT_FALSE(std::filesystem::exists(log_path(directory_.path(), kTask, 1)));
  EXPECT_FALSE(std::filesystem::exists(log_path(directory_.path(), kTask, 1) + ".1"));
  EXPECT_EQ(files(), 2U);
}

TEST_F(AttemptLogsTest, RemovesRotatedFilesToo) {
  write(log_path(directory_.path(), kTask, 1) + ".1", "x");
  age(log_path(directory_.path(), kTask, 1) + ".1", 3600s);
  EXPECT_TRUE(logs_.remove_some({.before = read_wall_clock() - 1800s}, 100));
  EXPECT_EQ(files(), 0U);
}

}  // namespace
}  // namespace ringmaster
