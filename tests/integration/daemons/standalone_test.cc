// `ringmaster standalone` as a real process: its own PostgreSQL, crashes, restarts, and its end.
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "client/client.h"
#include "tests/servers/child_process.h"
#include "tests/servers/cluster.h"

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

class StandaloneProcess : public testing::Test {
 protected:
  StandaloneProcess() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ringmaster-standalone-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory");
    directory_ = pattern;
    ::chmod(directory_.c_str(), 0711);  // the user postgres passes through
  }
  ~StandaloneProcess() override {
    daemon_.reset();
    wait_until([&] { return postgres() == 0; });
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  std::unique_ptr<ChildProcess> run(std::vector<std::string> more = {}, const std::string& output = "log") {
    std::vector<std::string> argv{
        BINARY_ROOT "/ringmaster", "standalone",  "--data",  data(), "--listen", "127.0.0.1:0",
        "--http-listen",           "127.0.0.1:0", "--slots", "4"};
    argv.insert(argv.end(), more.begin(), more.end());
    return std::make_unique<ChildProcess>(argv, ChildProcess::Options{.output = directory_ / output});
  }
  // Until it serves; answers a client of it.
  std::unique_ptr<Client> start(std::vector<std::string> more = {}) {
    std::filesystem::remove(directory_ / "log");
    daemon_ = run(std::move(more));
    const std::string sign = "master standalone listens on ";
    wait_until([&] { return daemon_->output().find("took 256 shards") != std::string::npos; });
    const std::string log = daemon_->output();
    const auto at = log.find(sign);
    if (at == std::string::npos) throw std::runtime_error("it does not serve: " + log);
    const auto from = at + sign.size();
    auto client = Client::connect({.addresses = {log.substr(from, log.find(',', from) - from)}});
    if (!client) throw std::runtime_error(client.error().message);
    return *std::move(client);
  }
  static bool wait_until(const std::function<bool()>& holds) {
    return Cluster::eventually(holds, seconds(30));
  }
  std::string data() const { return directory_ / "data"; }
  pid_t postgres() const {
    std::ifstream file(data() + "/postgres/data/postmaster.pid");
    pid_t pid = 0;
    file >> pid;
    return file && ::kill(pid, 0) == 0 ? pid : 0;
  }
  static TaskId submit(Client& client, const std::string& shell) {
    NewTask task;
    task.spec = R"({"shell": ")" + shell + "\"}";
    return client.submit({{task}}).value().ids.at(0);
  }
  static TaskState end_of(Client& client, TaskId id) {
    return client.wait({.ids = {id}, .wait = seconds(30)}).value().items.at(0).state;
  }

  std::filesystem::path directory_;
  std::unique_ptr<ChildProcess> daemon_;
};

TEST_F(StandaloneProcess, RunsTasksAndAnOrderlyStopLeavesNoProcess) {
  auto client = start();
  EXPECT_EQ(end_of(*client, submit(*client, "true")), TaskState::succeeded);
  const pid_t server = postgres();
  ASSERT_NE(server, 0);
  daemon_->signal(SIGTERM);
  EXPECT_EQ(daemon_->wait(seconds(30)), 0) << daemon_->output();
  EXPECT_NE(::kill(server, 0), 0) << "its PostgreSQL is stopped before it ends";
}

TEST_F(StandaloneProcess, GoesOnAfterAKill) {
  TaskId before, interrupted;
  {
    auto client = start();
    before = submit(*client, "true");
    EXPECT_EQ(end_of(*client, before), TaskState::succeeded);
    interrupted = submit(*client, "test -e " + (directory_ / "again").string() + " || sleep 600");
    ASSERT_TRUE(
        wait_until([&] { return client->get({interrupted}).value().view.row.state == TaskState::running; }));
    std::ofstream(directory_ / "again") << "1";
  }
  daemon_->signal(SIGKILL);
  daemon_->wait(seconds(5));
  auto client = start();
  EXPECT_EQ(client->get({before}).value().view.row.state, TaskState::succeeded);
  EXPECT_EQ(end_of(*client, interrupted), TaskState::succeeded) << daemon_->output();
  EXPECT_EQ(client->get({interrupted}).value().view.row.attempt, 2);
}

TEST_F(StandaloneProcess, APostgresThatDiesIsStartedAgain) {
  auto client = start();
  const pid_t server = postgres();
  ASSERT_EQ(::kill(server, SIGKILL), 0);
  ASSERT_TRUE(wait_until([&] { return postgres() != server && postgres() != 0; }));
  NewTask task;
  task.kind = "noop";
  TaskId id{};
  ASSERT_TRUE(wait_until([&] {
    const auto reply = client->submit({{task}});
    if (reply) id = reply->ids.at(0);
    return reply.has_value();
  })) << daemon_->output();
  EXPECT_EQ(end_of(*client, id), TaskState::succeeded);
}

TEST_F(StandaloneProcess, ASecondOneInTheSameDirectoryIsRefused) {
  auto client = start();
  const auto second = run({}, "second");
  EXPECT_EQ(second->wait(seconds(30)), 1);
  EXPECT_THAT(second->output(), HasSubstr("another ringmaster standalone runs in"));
  EXPECT_EQ(end_of(*client, submit(*client, "true")), TaskState::succeeded) << "the first one goes on";
}

TEST_F(StandaloneProcess, SaysWhatIsMissing) {
  EXPECT_EQ(run({"--postgres-binaries", "/nowhere"}, "first")->wait(seconds(30)), 1);
  std::ifstream log(directory_ / "first");
  EXPECT_THAT((std::string{std::istreambuf_iterator<char>(log), {}}), HasSubstr("apt install postgresql-15"));
}

TEST_F(StandaloneProcess, WhatAnotherVersionOfPostgresMadeIsNotTouched) {
  std::filesystem::create_directories(data() + "/postgres/data");
  std::ofstream(data() + "/postgres/data/PG_VERSION") << "99\n";
  const auto refused = run();
  EXPECT_EQ(refused->wait(seconds(30)), 1);
  EXPECT_THAT(refused->output(),
              HasSubstr("PostgreSQL 99, which made " + data() + "/postgres/data, is not in"));
}

TEST_F(StandaloneProcess, ALinkInTheDatabasesDirectoryIsNotFollowed) {
  std::filesystem::create_directories(data() + "/postgres");
  std::filesystem::create_directory(directory_ / "elsewhere");
  std::filesystem::create_directory_symlink(directory_ / "elsewhere", data() + "/postgres/socket");
  const auto refused = run();
  EXPECT_EQ(refused->wait(seconds(30)), 1);
  EXPECT_THAT(refused->output(), HasSubstr("/postgres/socket: is no directory of ours"));
}

TEST_F(StandaloneProcess, WhatAnotherUserMadeIsSaidToBeThatUsers) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  {
    start();
  }
  daemon_->signal(SIGTERM);
  ASSERT_EQ(daemon_->wait(seconds(30)), 0);
  ASSERT_EQ(::chown((data() + "/postgres/data/PG_VERSION").c_str(), 12345, 12345), 0);
  const auto refused = run({}, "second");
  EXPECT_EQ(refused->wait(seconds(30)), 1);
  EXPECT_THAT(refused->output(), HasSubstr("belongs to another user"));
}

// After a restart of the machine its number may be anybody's.
TEST_F(StandaloneProcess, AStrangerWithTheNumberOfItsFormerServerIsLeftAlone) {
  {
    start();
  }
  daemon_->signal(SIGTERM);
  ASSERT_EQ(daemon_->wait(seconds(30)), 0);
  std::filesystem::copy_file("/bin/sleep", directory_ / "postgres");
  ChildProcess stranger({directory_ / "postgres", "300"}, {.output = directory_ / "stranger"});
  std::ofstream(data() + "/postgres/data/postmaster.pid") << stranger.pid() << "\n";
  const auto again = run({}, "second");
  // As root it goes on; as the stranger's own user PostgreSQL itself refuses, and says why.
  wait_until([&] { return !again->running() || again->output().contains("took 256 shards"); });
  EXPECT_TRUE(stranger.running()) << again->output();
}

TEST_F(StandaloneProcess, ReadsItsSettingsAgainAtSighup) {
  const std::string config = directory_ / "config.yaml";
  std::ofstream(config) << "max_crashes: 4\nslots: 4\n";
  auto client = start({"--config", config});
  std::ofstream(config) << "max_crashes: 5\nlane_window: 500\n";
  daemon_->signal(SIGHUP);
  ASSERT_TRUE(wait_until([&] { return daemon_->output().contains("lane_window has changed"); }));
  EXPECT_THAT(daemon_->output(), HasSubstr("max_crashes is 5 now (" + config + ":1)"));
  std::ofstream(config) << "worker_timeout: 20s\nlog_level: loud\n";
  daemon_->signal(SIGHUP);
  ASSERT_TRUE(wait_until([&] { return daemon_->output().contains("not reloaded: log_level: "); }));
  EXPECT_THAT(daemon_->output(), ::testing::Not(HasSubstr("worker_timeout is"))) << "all of it or nothing";
  std::ofstream(config) << "max_crashes: 4\nlane_window: 500\n";
  daemon_->signal(SIGHUP);
  ASSERT_TRUE(wait_until([&] { return daemon_->output().contains("max_crashes is 4 now"); })) << "and back";
  EXPECT_EQ(end_of(*client, submit(*client, "true")), TaskState::succeeded);
}

TEST_F(StandaloneProcess, ItsLogIsJsonByChoice) {
  start({"--log-format", "json"});
  daemon_->signal(SIGTERM);
  daemon_->wait(seconds(30));
  std::ifstream log(directory_ / "log");
  int lines = 0;
  for (std::string line; std::getline(log, line); ++lines) {
    boost::system::error_code error;
    const auto value = boost::json::parse(line, error);
    ASSERT_FALSE(error) << line;
    for (const char* member : {"time", "level", "source", "message"})
      EXPECT_TRUE(value.as_object().contains(member)) << line;
  }
  EXPECT_GT(lines, 5);
}

}  // namespace
}  // namespace ringmaster
