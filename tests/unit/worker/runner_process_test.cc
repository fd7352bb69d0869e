// ProcessRunner and its supervisor with real processes: how attempts start and what they are given.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "tests/unit/worker/runner_fixture.h"

namespace ringmaster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::UnorderedElementsAre;
using namespace std::chrono_literals;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

class ProcessRunnerTest : public testing::Test {
 protected:
  std::string log_path(Token token) const {
    return directory_.path() + "/logs/" + to_string(token.task) + "." + std::to_string(token.attempt) +
           ".log";
  }
  TempDirectory directory_;
  RunnerWorld world_{directory_.path(), {.log_limit = 100'000}};
};

TEST_F(ProcessRunnerTest, ReportsTheStartAndThenSuccess) {
  const auto result = world_.run(R"({"argv":["true"]})");
  EXPECT_EQ(result.outcome, Outcome::succeeded);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.message, "");
  EXPECT_LE(result.started_at, result.finished_at);
  EXPECT_GT(result.started_at, read_wall_clock() - kPatience);
  EXPECT_EQ(world_.handler.started.size(), 1U);
}

TEST_F(ProcessRunnerTest, ReportsTheExitCode) {
  const auto result = world_.run(R"({"shell":"exit 3"})");
  EXPECT_EQ(result.outcome, Outcome::failed);
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_FALSE(result.permanent);
  EXPECT_EQ(result.message, "exit code 3");
}

TEST_F(ProcessRunnerTest, SucceedsWithTheExitCodesThatTheSpecNamesOnly) {
  EXPECT_EQ(world_.run(R"({"shell":"exit 3","success_exit_codes":[1,3]})").outcome, Outcome::succeeded);
  EXPECT_EQ(world_.run(R"({"shell":"exit 0","success_exit_codes":[1,3]})").outcome, Outcome::failed);
}

TEST_F(ProcessRunnerTest, ReportsTheSignalThatKilledIt) {
  const auto result = world_.run(R"({"shell":"kill -SEGV $$"})");
  EXPECT_EQ(result.outcome, Outcome::failed);
  EXPECT_EQ(result.signal, SIGSEGV);
  EXPECT_EQ(result.message, "killed by signal 11 (Segmentation fault)");
}

TEST_F(ProcessRunnerTest, ReportsWhatTheAttemptUsed) {
  const auto result = world_.run(R"({"shell":"i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"})");
  EXPECT_GT(result.usage.user_us + result.usage.system_us, 1000);
  EXPECT_GT(result.usage.max_rss_kib, 100);
}

TEST_F(ProcessRunnerTest, FailsABadSpecForGoodWithoutAStart) {
  const auto result = world_.run(R"({"argv":["true"],"user":"root"})");
  EXPECT_EQ(result.outcome, Outcome::failed);
  EXPECT_TRUE(result.permanent);
  EXPECT_THAT(result.message, HasSubstr("spec.user"));
  EXPECT_TRUE(world_.handler.started.empty());
}

TEST_F(ProcessRunnerTest, SaysExactlyWhyAProgramCouldNotStart) {
  const auto file = [&](const std::string& name, const std::string& text, mode_t mode) {
    const auto path = directory_.path() + "/" + name;
    std::ofstream(path) << text;
    ::chmod(path.c_str(), mode);
    return path;
  };
  const auto plain = file("plain", "x", 0644);
  const auto garbage = file("garbage", "x", 0755);
  const auto script = file("script", "#!/no/such/interpreter\n", 0755);
  const struct {
    std::string spec, message;
  } cases[] = {
      {R"({"argv":["/no/such/file"]})", "no such file: /no/such/file"},
      {R"({"argv":["no-such-command"]})", "no such command in PATH: no-such-command"},
      {R"({"argv":["ls"],"env":{"PATH":""}})", "no such command in PATH: ls"},
      {R"({"argv":["/etc/passwd/x"]})", "no such file: /etc/passwd/x"},
      {R"({"argv":["/etc"]})", "not executable: /etc"},
      {R"({"argv":[")" + plain + R"("]})", "not executable: " + plain},
      {R"({"argv":[")" + garbage + R"("]})", "not executable, neither a program"},
      {R"({"argv":[")" + script + R"("]})", "the interpreter that this file names does not exist: " + script},
      {R"({"argv":["true"],"cwd":"/no/such"})", "no such directory: /no/such"},
      {R"({"argv":["true"],"cwd":"/etc/passwd"})", "no such directory: /etc/passwd"},
  };
  for (const auto& [spec, message] : cases) {
    const auto result = world_.run(spec);
    EXPECT_EQ(result.outcome, Outcome::failed) << spec;
    EXPECT_TRUE(result.permanent) << spec;
    EXPECT_THAT(result.message, testing::StartsWith(message)) << spec;
  }
  EXPECT_TRUE(world_.handler.started.empty());
}

TEST_F(ProcessRunnerTest, InheritsNothingOfTheDaemonsEnvironment) {
  ::setenv("RUNNER_TEST_SECRET", "1", 1);
  RunnerWorld world(directory_.path() + "/other");
  ::unsetenv("RUNNER_TEST_SECRET");
  world.start(Token{TaskId{256}, 7, 3}, R"({"argv":["env"],"env":{"LANG":"C","K":"a b"}})");
  auto lines = lines_of(world.result_of(Token{TaskId{256}, 7, 3}).output_tail);
  std::erase_if(lines, [](const auto& line) { return line.starts_with("RINGMASTER_RUN="); });
  EXPECT_THAT(lines, UnorderedElementsAre(
                         "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/",
                         "LANG=C", "K=a b", "RINGMASTER_TASK_ID=" + to_string(TaskId{256}),
                         "RINGMASTER_ATTEMPT=3", "RINGMASTER_FENCE=7.3", "RINGMASTER_PROGRESS_FD=3"));
}

TEST_F(ProcessRunnerTest, HandsOnTheTraceUnlessTheSpecSetsIt) {
  Dispatch attempt;
  attempt.token = token_of(1);
  attempt.traceparent = "00-a-b-01";
  attempt.spec = R"({"shell":"echo $TRACEPARENT"})";
  world_.runner->start(attempt);
  EXPECT_EQ(world_.result_of(token_of(1)).output_tail, "00-a-b-01\n");
  attempt.token = token_of(2);
  attempt.spec = R"({"shell":"echo $TRACEPARENT","env":{"TRACEPARENT":"own"}})";
  world_.runner->start(attempt);
  EXPECT_EQ(world_.result_of(token_of(2)).output_tail, "own\n");
}

TEST_F(ProcessRunnerTest, HasAnEmptyStdinByDefault) {
  EXPECT_EQ(world_.run(R"({"argv":["wc","-c"]})").output_tail, "0\n");
}

TEST_F(ProcessRunnerTest, ReadsItsStdinHoweverLongItIs) {
  EXPECT_EQ(world_.run(R"({"argv":["cat"],"stdin":"one\ntwo"})").output_tail, "one\ntwo");
  EXPECT_EQ(world_.run(R"({"argv":["wc","-c"],"stdin":")" + std::string(250'000, 'x') + R"("})").output_tail,
            "250000\n");
  EXPECT_EQ(world_.run(R"({"argv":["true"],"stdin":")" + std::string(250'000, 'x') + R"("})").outcome,
            Outcome::succeeded);
}

TEST_F(ProcessRunnerTest, RunsInTheDirectoryOfTheSpecOrInTheRoot) {
  EXPECT_EQ(world_.run(R"({"argv":["/bin/pwd"]})").output_tail, "/\n");
  EXPECT_EQ(world_.run(R"({"argv":["/bin/pwd"],"cwd":"/usr"})").output_tail, "/usr\n");
}

TEST_F(ProcessRunnerTest, InheritsNoDescriptor) {
  // 3 takes its progress; the last one is that of ls itself, on the directory.
  EXPECT_THAT(lines_of(world_.run(R"({"argv":["ls","/proc/self/fd"]})").output_tail),
              ElementsAre("0", "1", "2", "3", "4"));
}

TEST_F(ProcessRunnerTest, HasTheDaemonsLimitOfOpenFilesNotTheSupervisors) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  rlimit lower = limit;
  lower.rlim_cur = 500;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &lower), 0);
  RunnerWorld world(directory_.path() + "/other");
  ::setrlimit(RLIMIT_NOFILE, &limit);
  EXPECT_EQ(world.run(R"({"shell":"ulimit -n"})").output_tail, "500\n");
}

TEST_F(ProcessRunnerTest, StartsWithDefaultSignalsNoneOfThemBlocked) {
  const auto result = world_.run(R"({"argv":["grep","^Sig[PBI]","/proc/self/status"]})");
  EXPECT_EQ(result.output_tail,
            "SigPnd:\t0000000000000000\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST_F(ProcessRunnerTest, LeadsAProcessGroupOfItsOwn) {
  const auto lines = lines_of(world_.run(R"({"shell":"echo $$; cut -d' ' -f5 /proc/$$/stat"})").output_tail);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0], lines[1]);
}

TEST_F(ProcessRunnerTest, KeepsOutputInALogAndItsEndInTheResult) {
  world_.start(token_of(1), R"({"shell":"echo out; echo err >&2"})");
  EXPECT_EQ(world_.result_of(token_of(1)).output_tail, "out\nerr\n");
  EXPECT_EQ(contents(log_path(token_of(1))), "out\nerr\n");
}

TEST_F(ProcessRunnerTest, MakesNoLogWithoutOutput) {
  world_.start(token_of(1), R"({"argv":["true"]})");
  EXPECT_EQ(world_.result_of(token_of(1)).outcome, Outcome::succeeded);
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path() + "/logs"));
}

TEST_F(ProcessRunnerTest, BoundsTheLogOfAFlood) {
  world_.start(token_of(1), R"({"shell":"yes 0123456789abcde | head -c 3000000; echo; echo the end"})");
  const auto result = world_.result_of(token_of(1));
  EXPECT_EQ(result.outcome, Outcome::succeeded);
  EXPECT_EQ(result.output_tail.size(), kMaxOutputTail);
  EXPECT_TRUE(result.output_tail.ends_with("the end\n"));
  EXPECT_LT(contents(log_path(token_of(1))).size(), 100'100U);
  EXPECT_LT(contents(log_path(token_of(1)) + ".1").size(), 100'100U);
  EXPECT_TRUE(contents(log_path(token_of(1))).ends_with("the end\n"));
}

TEST_F(ProcessRunnerTest, KeepsBytesThatAreNoText) {
  EXPECT_EQ(world_.run(R"({"shell":"printf '\\377\\000\\303'"})").output_tail, std::string("\xff\0\xc3", 3));
}

TEST_F(ProcessRunnerTest, LosesNoResultWhileTheDaemonDoesNotRead) {
  LinePipe pipe(directory_.path() + "/pipe");
  constexpr int kAttempts = 200;  // 3 MiB of results: far more than a socket holds
  for (int i = 1; i < kAttempts; ++i) world_.start(token_of(i), R"({"shell":"yes | head -c 20000"})");
  world_.start(token_of(kAttempts), R"({"shell":"echo last > )" + pipe.path() + R"("})");
  ASSERT_TRUE(world_.run_until([&] { return !world_.handler.started.empty(); }));
  EXPECT_EQ(pipe.line(), "last");
  ASSERT_TRUE(world_.run_until([&] { return world_.handler.finished.size() == kAttempts; }));
  for (const auto& [token, result] : world_.handler.finished) {
    EXPECT_EQ(result.output_tail.size(), token == token_of(kAttempts) ? 0 : kMaxOutputTail);
  }
}

TEST_F(ProcessRunnerTest, RunsThousandsAndLeaksNothing) {
  const auto descriptors = [&] {
    const auto path = "/proc/" + std::to_string(world_.supervisor_pid) + "/fd";
    return std::distance(std::filesystem::directory_iterator(path), {});
  };
  world_.run(R"({"argv":["true"]})");
  const auto before = descriptors();
  for (int i = 1; i <= 2000; ++i) {
    world_.start(token_of(i), i % 4 == 0   ? R"({"shell":"echo x"})"
                              : i % 4 == 1 ? R"({"argv":["/no/such/file"]})"
                              : i % 4 == 2 ? R"({"argv":["cat"],"stdin":"y"})"
                                           : R"({"argv":["true"]})");
  }
  ASSERT_TRUE(world_.run_until([&] { return world_.handler.finished.size() == 2001; }));
  EXPECT_EQ(world_.handler.started.size(), 1501U);
  for (const auto& [token, result] : world_.handler.finished) {
    const bool exists = (token.task.value >> 8) % 4 != 1 || (token.task.value >> 8) > 1'000'000;
    EXPECT_EQ(result.outcome, exists ? Outcome::succeeded : Outcome::failed);
  }
  EXPECT_EQ(descriptors(), before);
  const auto children = contents("/proc/" + std::to_string(world_.supervisor_pid) + "/task/" +
                                 std::to_string(world_.supervisor_pid) + "/children");
  EXPECT_EQ(children, "");
}

}  // namespace
}  // namespace ringmaster
