// What attempts say about themselves through RINGMASTER_PROGRESS_FD.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/worker/runner_fixture.h"
#include "worker/progress_lines.h"

namespace ringmaster {
namespace {

using namespace std::chrono_literals;

TEST(ProgressLines, AreAFractionAndAMessage) {
  for (const auto& [line, fraction, message] : std::vector<std::tuple<std::string, double, std::string>>{
           {"0", 0, ""},
           {"1", 1, ""},
           {"0.4 message", 0.4, "message"},
           {".5", 0.5, ""},
           {"1.000 done\r", 1, "done"},
           {"0.5  two blanks ", 0.5, " two blanks "},
           {"0.5 a\x1b[2Jb\x7f", 0.5, "a [2Jb "},
           {"0.5 a\xc2\x9b"
            "b\xc2\xa0",
            0.5, "a  b\xc2\xa0"},
           {"0.5 \xff", 0.5, "\xef\xbf\xbd"},
           {"0.5 \xc3\xa9", 0.5, "\xc3\xa9"},
       }) {
    const auto progress = parse_progress(line);
    ASSERT_TRUE(progress) << line;
    EXPECT_EQ(progress->fraction, fraction) << line;
    EXPECT_EQ(progress->message, message) << line;
  }
}

TEST(ProgressLines, AnythingElseIsIgnored) {
  for (const std::string line :
       {"", " ", " 0.5", "x", "0.5x", "0.5\tx", "-0.1", "1.1", "nan", "inf", "1e-1", "50%", "0x1"})
    EXPECT_FALSE(parse_progress(line)) << line;
}

TEST(ProgressLines, CutALongMessageBetweenCharacters) {
  std::string message;
  for (int i = 0; i < 400; ++i) message += "\xc3\xa9";
  const auto progress = parse_progress("0.5 x" + message);
  ASSERT_TRUE(progress);
  EXPECT_EQ(progress->message, "x" + message.substr(0, 254));
}

TEST(ProgressLines, TheLatestGoodLineCountsOnce) {
  ProgressLines lines;
  lines.feed("0.1 a\n0.2 b\nnonsense\n0.");
  EXPECT_EQ(lines.take()->message, "b");
  EXPECT_FALSE(lines.take());
  lines.feed("3 c");
  EXPECT_FALSE(lines.has_news());
  lines.feed("\n");
  EXPECT_EQ(lines.take()->message, "c");
}

TEST(ProgressLines, ALineWithoutEndCostsNoMemoryAndOnlyItself) {
  ProgressLines lines;
  for (int i = 0; i < 100'000; ++i) lines.feed("0.5 xxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
  lines.feed("\n0.6 next\n");
  EXPECT_EQ(lines.take()->message, "next");
}

TEST(ProgressLines, LoseTheirSecretsBeforeTheyAreCutAndCleaned) {
  const auto said = [](const std::string& line, const std::string& secret) {
    ProgressLines lines;
    lines.feed("0.5 " + line + "\n");
    return lines.take({secret})->message;
  };
  const std::string filling(250, 'x');
  EXPECT_EQ(said(filling + "s3cr3t-of-the-house", "s3cr3t-of-the-house"), filling + "[secre")
      << "not the first bytes of it";
  EXPECT_EQ(said("a\tb\xff"
                 "c",
                 "a\tb\xff"
                 "c"),
            "[secret]")
      << "as it was written, not as it is shown";
  ProgressLines lines;
  const std::string longest(5000, 'k');
  lines.feed("0.25 " + longest + "\n");
  EXPECT_EQ(lines.take({longest})->message, "[secret]") << "cut at the length of a line";
  lines.feed("0.25 k\n");
  EXPECT_EQ(lines.take({"0.25"})->fraction, 0.25) << "the fraction is none";
}

class ProgressTest : public testing::Test {
 protected:
  // Waits for the line that the attempt writes, with the loop running.
  bool hears(const std::string& message) {
    return world_.run_until([&] {
      const auto& said = world_.handler.progress;
      return !said.empty() && said.back().message == message;
    });
  }
  TempDirectory directory_;
  LinePipe trigger_{directory_.path() + "/trigger"};
  RunnerWorld world_{directory_.path() + "/data"};
};

TEST_F(ProgressTest, IsToldWhileTheAttemptRuns) {
  world_.start(token_of(1), R"({"shell":"echo 0.25 a quarter >&$RINGMASTER_PROGRESS_FD; read x < )" +
                                trigger_.path() + R"("})");
  ASSERT_TRUE(hears("a quarter"));
  EXPECT_EQ(world_.handler.progress.back().fraction, 0.25);
  EXPECT_GT(world_.handler.progress.back().at, WallTime{});
  EXPECT_EQ(world_.handler.started.size(), 1U);
  EXPECT_TRUE(world_.handler.finished.empty());
  trigger_.write("go\n");
  EXPECT_EQ(world_.result_of(token_of(1)).outcome, Outcome::succeeded);
}

TEST_F(ProgressTest, AFloodIsToldInAFewPieces) {
  const auto begin = std::chrono::steady_clock::now();
  world_.start(token_of(1),
               R"({"shell":"yes 0.5 more | head -n 1000000 >&3; echo 0.9 enough >&3; read x < )" +
                   trigger_.path() + R"("})");
  ASSERT_TRUE(hears("enough"));
  const auto pauses = (std::chrono::steady_clock::now() - begin) / kProgressPause;
  EXPECT_LE(world_.handler.progress.size(), static_cast<std::size_t>(pauses) + 2);
  trigger_.write("go\n");
  EXPECT_EQ(world_.result_of(token_of(1)).outcome, Outcome::succeeded);
}

TEST_F(ProgressTest, WhoClosesItOrNeverEndsALineIsLeftInPeace) {
  EXPECT_EQ(world_.run(R"({"shell":"exec 3>&-; echo done"})").output_tail, "done\n");
  EXPECT_EQ(world_.run(R"({"shell":"head -c 1000000 /dev/zero >&3; echo done"})").output_tail, "done\n");
  EXPECT_TRUE(world_.handler.progress.empty());
}

TEST_F(ProgressTest, ComesFromAnotherUserToo) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can run an attempt as another user";
  RunnerWorld world(directory_.path() + "/other", {.run_as = {{"nobody"}, ""}});
  world.start(token_of(1),
              R"({"shell":"echo 0.5 half > /proc/self/fd/3; exec sleep 1000","run_as":"nobody"})");
  EXPECT_TRUE(world.run_until([&] { return !world.handler.progress.empty(); }));
}

TEST_F(ProgressTest, HoldsNoSecret) {
  const auto secrets = directory_.path() + "/secrets";
  std::filesystem::create_directory(secrets);
  ::chmod(secrets.c_str(), 0700);
  std::ofstream(secrets + "/key") << "s3cr3t";
  ::chmod((secrets + "/key").c_str(), 0600);
  RunnerWorld world(directory_.path() + "/other", {.secrets_dir = secrets});
  world.start(token_of(1), R"({"shell":"echo 0.5 with $K >&3; exec sleep 1000","secrets":{"K":"key"}})");
  ASSERT_TRUE(world.run_until([&] { return !world.handler.progress.empty(); }));
  EXPECT_EQ(world.handler.progress[0].message, "with [secret]");
}

}  // namespace
}  // namespace ringmaster
