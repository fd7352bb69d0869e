// ringctl as a person and as a script meet it: what is on stdout, what on stderr, the exit status, the
// terminal.
#include <algorithm>
#include <array>
#include <sstream>

#include <gmock/gmock.h>

#include "tests/servers/cluster.h"
#include "tests/servers/pseudo_terminal.h"

namespace ringmaster {
namespace {

using std::chrono::seconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;
using testing::StartsWith;

constexpr const char* kId = "task_[0-9a-z]+";

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (line.ends_with('\r')) line.pop_back();
    lines.push_back(line);
  }
  return lines;
}

// Columns on a terminal, of text without characters that are wide.
std::size_t columns_of(const std::string& line) {
  std::size_t columns = 0;
  bool escape = false;
  for (const char c : line) {
    if (c == '\x1b') escape = true;
    const bool counts = !escape && (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
    columns += counts ? 1 : 0;
    if (escape && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))) escape = false;
  }
  return columns;
}

class Ringctl : public testing::Test {
 protected:
  struct Ran {
    int code = -1;
    std::string out, err;
  };

  Ringctl() {
    cluster_.start_master("m1");
    cluster_.start_worker("w1", {"--slots", "4"});
    cluster_.wait_for(1, 1);
    environment_ = {{"RINGMASTER_ADDRESS", "127.0.0.1:" + cluster_.port_of("m1")},
                    {"RINGMASTER_CLUSTER", "test"},
                    {"XDG_CONFIG_HOME", cluster_.directory()},
                    {"TERM", "xterm"},
                    {"NO_COLOR", ""}};
  }

  static std::vector<std::string> argv_of(std::vector<std::string> words) {
    words.insert(words.begin(), std::string(BINARY_ROOT) + "/ringctl");
    return words;
  }
  Ran run(std::vector<std::string> words, const std::string& input = "") {
    const std::string base = cluster_.directory() / ("run-" + std::to_string(++runs_));
    ChildProcess process(
        argv_of(std::move(words)),
        {.output = base + ".out", .errors = base + ".err", .input = input, .environment = environment_});
    const auto code = process.wait(seconds(60));
    std::ifstream err(base + ".err");
    return {code.value_or(-1), process.output(), {std::istreambuf_iterator<char>(err), {}}};
  }
  // The same on a terminal; `out` is all that was seen there.
  Ran on_terminal(std::vector<std::string> words, unsigned short columns) {
    PseudoTerminal terminal(argv_of(std::move(words)), {.columns = columns, .environment = environment_});
    const auto code = terminal.wait(seconds(60));
    return {code.value_or(-1), terminal.seen(), ""};
  }
  std::string submit(const std::string& script) {
    const Ran ran = run({"task", "submit", "--", "sh", "-c", script});
    EXPECT_EQ(ran.code, 0) << ran.err;
    return ran.out.substr(0, ran.out.find('\n'));
  }

  Cluster cluster_;
  std::map<std::string, std::string> environment_;
  int runs_ = 0;
};

TEST_F(Ringctl, ExitsAsTheTaskDid) {
  const auto submitted = [&](const std::string& script, std::vector<std::string> flags = {}) {
    std::vector<std::string> words{"task", "submit", "--wait"};
    words.insert(words.end(), flags.begin(), flags.end());
    words.insert(words.end(), {"--", "sh", "-c", script});
    const Ran ran = run(words);
    EXPECT_THAT(ran.out, MatchesRegex(std::string(kId) + "\n")) << "stdout is data";
    return ran;
  };
  Ran ran = submitted("exit 0");
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.err, MatchesRegex(std::string(kId) + " SUCCEEDED on w1 after [0-9.]+s\n"));
  ran = submitted("exit 7");
  EXPECT_EQ(ran.code, 7);
  EXPECT_THAT(ran.err, MatchesRegex(std::string(kId) + " FAILED on w1 after [0-9.]+s: exit code 7\n"));
  EXPECT_EQ(submitted("kill -9 $$").code, 137);
  EXPECT_EQ(submitted("sleep 60", {"--timeout", "300ms"}).code, 124);
  ran = submitted("sleep 60", {"--wait-timeout", "1s"});
  EXPECT_EQ(ran.code, 124);
  EXPECT_THAT(ran.err, HasSubstr("RUNNING on w1"));
}

TEST_F(Ringctl, ItsOwnErrorsAre125AndSayWhatToDo) {
  Ran ran = run({"task", "lits"});
  EXPECT_EQ(ran.code, 125);
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(
      ran.err,
      "ringctl: `ringctl task` has no command lits; did you mean `ringctl task list`? (see `ringctl task "
      "--help`)\n");
  ran = run({"task", "get", "task_0000000000007"});
  EXPECT_EQ(ran.code, 125);
  EXPECT_EQ(ran.out, "");
  ran = run({"--address", "127.0.0.1:1", "cluster", "status"});
  EXPECT_EQ(ran.code, 125);
  EXPECT_THAT(ran.err, HasSubstr("see --address"));
  EXPECT_EQ(run({}).code, 125);
  EXPECT_EQ(run({"--help"}).code, 0);
  ran = run({"worker", "get", "w9"});
  EXPECT_EQ(ran.code, 125);
  EXPECT_EQ(ran.err, "ringctl: there is no worker w9; there are w1\n");
}

TEST_F(Ringctl, ListsPageByPageInEachForm) {
  std::string tasks;
  for (int i = 0; i < 250; ++i) tasks += "{\"kind\": \"noop\"}\n";
  const Ran submitted = run({"task", "submit", "--file", "-", "--wait"}, tasks);
  EXPECT_EQ(submitted.code, 0) << submitted.err;
  EXPECT_THAT(submitted.err, MatchesRegex("250 tasks in [0-9.]+s: 250 SUCCEEDED\n"));
  EXPECT_EQ(lines_of(submitted.out).size(), 250u);

  const Ran first = run({"task", "list"});
  EXPECT_EQ(lines_of(first.out).size(), 101u);
  EXPECT_EQ(first.err, "there are more: give --limit or --all\n");
  Ran all = run({"task", "list", "--all"});
  EXPECT_EQ(lines_of(all.out).size(), 251u);
  EXPECT_EQ(all.err, "");
  auto sorted = lines_of(submitted.out);
  std::ranges::sort(sorted);
  EXPECT_EQ(lines_of(run({"task", "list", "--all", "-q"}).out), sorted);
  all = run({"task", "list", "--all", "-o", "jsonl"});
  EXPECT_EQ(lines_of(all.out).size(), 250u);
  EXPECT_THAT(all.out, StartsWith("{\"id\":"));
  all = run({"task", "list", "--limit", "120", "-o", "json"});
  EXPECT_EQ(all.err, "") << "who typed a limit knows";
  EXPECT_EQ(lines_of(all.out).size(), 120u);
  EXPECT_THAT(all.out, AllOf(StartsWith("[{\"id\":"), testing::EndsWith("}]\n")));
  EXPECT_EQ(run({"task", "list", "--state", "lost", "-o", "json"}).out, "[]\n");
}

TEST_F(Ringctl, FitsTheTerminalAndCutsNothingInAPipe) {
  submit("echo " + std::string(300, 'x'));
  for (const unsigned short columns : std::array<unsigned short, 3>{60, 80, 200}) {
    const Ran seen = on_terminal({"task", "list"}, columns);
    for (const std::string& line : lines_of(seen.out)) EXPECT_LE(columns_of(line), columns) << line;
    EXPECT_THAT(seen.out, HasSubstr("…"));
    for (const std::string& line : lines_of(on_terminal({"worker", "list"}, columns).out))
      EXPECT_LE(columns_of(line), columns) << line;
  }
  const Ran piped = run({"task", "list"});
  EXPECT_THAT(piped.out, AllOf(HasSubstr(std::string(300, 'x')), Not(HasSubstr("…"))));
}

TEST_F(Ringctl, ColoursOnATerminalUnlessToldOtherwise) {
  submit("true");
  EXPECT_THAT(on_terminal({"worker", "list"}, 80).out, HasSubstr("\x1b[32mup\x1b[0m"));
  EXPECT_THAT(on_terminal({"worker", "list", "--color", "never"}, 80).out, Not(HasSubstr("\x1b")));
  EXPECT_THAT(run({"worker", "list"}).out, Not(HasSubstr("\x1b")));
  EXPECT_THAT(run({"worker", "list", "--color=always"}).out, HasSubstr("\x1b[32mup\x1b[0m"));
  environment_["NO_COLOR"] = "1";
  EXPECT_THAT(on_terminal({"worker", "list"}, 80).out, Not(HasSubstr("\x1b")));
  environment_["NO_COLOR"] = "";
  environment_["TERM"] = "dumb";
  EXPECT_THAT(on_terminal({"worker", "list"}, 80).out, Not(HasSubstr("\x1b")));
}

TEST_F(Ringctl, ShowsABarWhileItWaitsForMany) {
  const std::string ids = cluster_.directory() / "ids";
  std::string numbers;
  for (int i = 0; i < 12; ++i) numbers += "0.3\n";
  const std::string input = cluster_.directory() / "numbers";
  std::ofstream(input) << numbers;
  PseudoTerminal terminal(
      {"sh", "-c", "exec " BINARY_ROOT "/ringctl task submit --each --wait -- sleep {} <" + input},
      {.columns = 70, .environment = environment_, .output = ids});
  EXPECT_EQ(terminal.wait(seconds(60)), 0) << terminal.seen();
  EXPECT_THAT(terminal.seen(), HasSubstr("\r[--------------------]  0/12  0%"));
  EXPECT_THAT(terminal.seen(), HasSubstr("\r\x1b[K12 tasks in ")) << "the bar gives way to the words";
  std::ifstream written(ids);
  const std::string out{std::istreambuf_iterator<char>(written), {}};
  EXPECT_EQ(lines_of(out).size(), 12u) << "and nothing of it is on stdout";
  EXPECT_THAT(out, Not(HasSubstr("[")));
}

TEST_F(Ringctl, CtrlCEndsTheWaitNotTheTask) {
  const std::string id = submit("sleep 600");
  PseudoTerminal terminal(argv_of({"task", "wait", id}), {.environment = environment_});
  EXPECT_TRUE(
      terminal.until([](const std::string& seen) { return seen.contains(" RUNNING on w1  "); }, seconds(20)));
  terminal.type("\x03");
  EXPECT_EQ(terminal.wait(seconds(20)), 130);
  EXPECT_THAT(terminal.seen(),
              HasSubstr("interrupted: " + id + " goes on; wait again with `ringctl task wait " + id));
  EXPECT_THAT(run({"task", "get", id}).out, HasSubstr("RUNNING"));
  EXPECT_EQ(run({"task", "cancel", id}).code, 0);
  EXPECT_EQ(run({"task", "wait", id}).code, 1);
}

TEST_F(Ringctl, WatchDrawsOnATerminalAndPrintsLinesElsewhere) {
  const std::string go = cluster_.directory() / "go";
  const std::string id = submit("while ! test -e " + go + "; do sleep 0.02; done; exit 3");
  PseudoTerminal terminal(argv_of({"task", "watch", "--interval", "100ms"}), {.environment = environment_});
  EXPECT_TRUE(terminal.until(
      [&](const std::string& seen) {
        return seen.contains("\x1b[3A\r\x1b[J1 task: \x1b[33m1 RUNNING") && seen.contains(id);
      },
      seconds(20)))
      << terminal.seen();
  std::ofstream(go) << "go";
  EXPECT_EQ(terminal.wait(seconds(20)), 3);
  EXPECT_THAT(terminal.seen(), HasSubstr("exit code 3"));

  const Ran lines = run({"task", "watch", id});
  EXPECT_EQ(lines.code, 3);
  EXPECT_THAT(lines.out, MatchesRegex("[0-9TZ:-]+ " + id + " FAILED on w1 after [0-9.]+s: exit code 3\n"));
  EXPECT_EQ(lines.err, "");
  const Ran none = run({"task", "watch"});
  EXPECT_EQ(none.code, 0);
  EXPECT_EQ(none.err, "no tasks to watch\n");
}

TEST_F(Ringctl, AProfileReachesItsClusterAndSaysWhereEachValueIsFrom) {
  const std::string address = std::exchange(environment_["RINGMASTER_ADDRESS"], "");
  environment_.erase("RINGMASTER_ADDRESS");
  environment_.erase("RINGMASTER_CLUSTER");
  const std::string path = cluster_.directory() / "ringmaster/ringctl.yaml";
  std::filesystem::create_directories(cluster_.directory() / "ringmaster");
  std::ofstream(path) << "profiles:\n  here:\n    address: " << address << "\n    cluster: test\n  away:\n"
                      << "    address: 127.0.0.1:1\n    secret_file: secret\n";
  EXPECT_EQ(run({"--profile", "here", "cluster", "status"}).code, 0);
  EXPECT_EQ(run({"--profile", "away", "--secret-file", "", "cluster", "status"}).code, 125);
  environment_["RINGMASTER_PROFILE"] = "away";
  EXPECT_EQ(run({"config", "path"}).out, path + "\n");
  EXPECT_EQ(run({"config", "profiles", "-q"}).out, "here\naway\n");
  const Ran shown = run({"config", "show", "--origin", "-o", "json", "--cluster", "x"});
  EXPECT_THAT(shown.out,
              AllOf(HasSubstr(R"("profile":{"value":"away","origin":"environment RINGMASTER_PROFILE"})"),
                    HasSubstr(R"("address":{"value":"127.0.0.1:1","origin":")" + path + R"(:6"})"),
                    HasSubstr(R"("cluster":{"value":"x","origin":"flag --cluster"})"),
                    HasSubstr(R"("times":{"value":"relative","origin":"default"})")));
  std::ofstream(path) << "profiles:\n  away:\n    adress: x\n";
  const Ran broken = run({"cluster", "status"});
  EXPECT_EQ(broken.code, 125);
  EXPECT_EQ(broken.err, "ringctl: unknown setting adress; did you mean address? (" + path + ":3)\n");
  EXPECT_EQ(run({"config", "path"}).code, 0) << "how else to find and mend it";
}

TEST_F(Ringctl, ABrokenPipeEndsItQuietly) {
  const std::string base = cluster_.directory() / "pipe";
  // Even if whoever starts it ignores the signal.
  const std::string script = "trap '' PIPE; seq 200000 2>/dev/null | " BINARY_ROOT
                             "/ringctl ring owner --servers a,b | head -1; echo ${PIPESTATUS[1]}";
  ChildProcess process({"bash", "-c", script}, {.output = base, .environment = environment_});
  EXPECT_EQ(process.wait(seconds(30)), 0);
  EXPECT_THAT(process.output(), MatchesRegex("1\t[ab]\n141\n"));
}

}  // namespace
}  // namespace ringmaster
