// The SDK as its users have it: installed, its examples built against that, run in a real cluster.
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>

#include "tests/integration/daemons/sdk_prefix.h"
#include "tests/servers/cluster.h"

namespace ringmaster {
namespace {

using std::chrono::seconds;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST(SdkInstall, HasTheProgramsAndTheyRun) {
  const SdkPrefix& sdk = SdkPrefix::shared();
  for (const char* program : {"ringmaster", "ringworker", "ringctl"})
    EXPECT_THAT(sdk.run({sdk.prefix() / "bin" / program, "--version"}), HasSubstr(RINGMASTER_VERSION));
}

TEST(SdkInstall, TheLibraryShowsItsOwnNamesAlone) {
  const SdkPrefix& sdk = SdkPrefix::shared();
  const auto library = sdk.prefix() / "lib" / "libringmaster_sdk.so";
  ASSERT_TRUE(std::filesystem::exists(library)) << library;
  const auto names = lines_of(sdk.run({"nm", "-DC", "--defined-only", "--format=posix", library}));
  EXPECT_GT(names.size(), 50U);
  for (const std::string& name : names)
    EXPECT_THAT(name, ContainsRegex("^((typeinfo|typeinfo name|vtable) for )?ringmaster::sdk::"));
}

TEST(SdkInstall, AnotherMinorVersionIsRefused) {
  const SdkPrefix& sdk = SdkPrefix::shared();
  const auto directory = sdk.prefix() / "wants_another";
  std::filesystem::create_directory(directory);
  std::ofstream(directory / "CMakeLists.txt")
      << "cmake_minimum_required(VERSION 3.25)\nproject(x LANGUAGES CXX)\n"
         "find_package(ringmaster 99.0 REQUIRED)\n";
  try {
    sdk.run({"cmake", "-S", directory, "-B", directory / "build",
             "-DCMAKE_PREFIX_PATH=" + sdk.prefix().string()});
    FAIL() << "it was found";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("compatible with requested version \"99.0\""));
  }
}

// A master, workers that are examples, and their clients.
class SdkExamples : public ::testing::Test {
 protected:
  void SetUp() override { cluster_.start_master("m1"); }
  void TearDown() override {
    if (!HasFailure()) return;
    for (const auto& [id, process] : workers_)
      std::fprintf(stderr, "---- %s\n%s", id.c_str(), process->output().c_str());
    for (const auto& client : clients_) std::fprintf(stderr, "---- client\n%s", client->output().c_str());
  }

  void start_worker(const std::string& example, const std::string& id) {
    workers_[id] = std::make_unique<ChildProcess>(
        std::vector<std::string>{sdk_.example(example), id, cluster_.directory() / id, cluster_.zookeeper(),
                                 "test"},
        ChildProcess::Options{.output = cluster_.directory() / (id + ".log")});
  }
  void start_long_job_workers() {
    start_worker("long_job/long_job_worker", "h1");
    start_worker("long_job/long_job_worker", "h2");
    cluster_.wait_for(1, 2);
  }
  ChildProcess& start_client(const std::string& example, std::vector<std::string> arguments) {
    std::vector<std::string> argv{sdk_.example(example), "127.0.0.1:" + cluster_.port_of("m1"), "test"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    const auto output = cluster_.directory() / ("client-" + std::to_string(clients_.size()));
    clients_.push_back(std::make_unique<ChildProcess>(argv, ChildProcess::Options{.output = output}));
    return *clients_.back();
  }
  // The worker that a job's client has named.
  std::string worker_of(ChildProcess& client) {
    std::string worker;
    EXPECT_TRUE(Cluster::eventually(
        [&] {
          const std::string said = client.output();
          const auto at = said.find("% on ");
          if (at == std::string::npos) return false;
          worker = said.substr(at + 5, 2);
          return true;
        },
        seconds(30)))
        << client.output();
    return worker;
  }
  static std::string other_than(const std::string& worker) { return worker == "h1" ? "h2" : "h1"; }
  static std::string last_line(ChildProcess& client, int code) {
    EXPECT_EQ(client.wait(seconds(60)), code);
    const auto lines = lines_of(client.output());
    return lines.empty() ? "" : lines.back();
  }

  const SdkPrefix& sdk_ = SdkPrefix::shared();
  Cluster cluster_;
  std::map<std::string, std::unique_ptr<ChildProcess>> workers_;
  std::vector<std::unique_ptr<ChildProcess>> clients_;
};

TEST_F(SdkExamples, ABatchIsDoneByATypedHandlerAndOneExceptionFailsOneTask) {
  start_worker("word_count/word_count_worker", "c1");
  cluster_.wait_for(1, 1);
  const std::string text = cluster_.directory() / "text", empty = cluster_.directory() / "empty";
  std::ofstream(text) << "to be, or not\n\tto be: that\nis";
  std::ofstream{empty};
  ChildProcess& client = start_client("word_count/word_count_client", {text, empty, "/no/such/file", text});
  EXPECT_EQ(client.wait(seconds(60)), 1);
  const auto lines = lines_of(client.output());
  ASSERT_EQ(lines.size(), 4U) << client.output();
  EXPECT_THAT(lines[0], ContainsRegex("^task_[0-9a-z]+ 8 words 29 bytes$"));
  EXPECT_THAT(lines[1], ContainsRegex(" 0 words 0 bytes$"));
  EXPECT_THAT(lines[2], ContainsRegex(" FAILED /no/such/file: No such file or directory$"));
  EXPECT_THAT(lines[3], ContainsRegex(" 8 words 29 bytes$"));
  // Permanent: its other two attempts were spared.
  EXPECT_EQ(cluster_.query("SELECT max(attempt) FROM ringmaster.task_history"), "1");
}

TEST_F(SdkExamples, AJobTellsHowFarItIs) {
  start_long_job_workers();
  ChildProcess& client = start_client("long_job/long_job_client", {"20", "50"});
  EXPECT_THAT(last_line(client, 0), ContainsRegex("SUCCEEDED on h[12], attempt 1, failures 0; 20 steps$"));
  EXPECT_THAT(client.output(), ContainsRegex("5 % on h[12]: step [0-9]+ under fence [0-9]+\\.1\n"));
}

TEST_F(SdkExamples, ACancelledJobIsStoppedAndSaysSo) {
  start_long_job_workers();
  ChildProcess& client = start_client("long_job/long_job_client", {"10000", "50", "rerun", "cancel"});
  EXPECT_THAT(last_line(client, 1),
              ContainsRegex("CANCELLED on h[12], .*stopped on request: stopped at step"));
}

TEST_F(SdkExamples, AWorkerThatStopsGivesItsJobBackAndAnotherFinishesItWithoutAnAttemptLost) {
  start_long_job_workers();
  ChildProcess& client = start_client("long_job/long_job_client", {"60", "50", "fail"});
  const std::string worker = worker_of(client);
  workers_.at(worker)->signal(SIGTERM);
  EXPECT_EQ(workers_.at(worker)->wait(seconds(20)), 0);
  EXPECT_THAT(last_line(client, 0), HasSubstr("SUCCEEDED on " + other_than(worker) +
                                              ", attempt 2, failures 0; before: released on " + worker));
}

TEST_F(SdkExamples, AKilledWorkersJobRunsAgainElsewhere) {
  start_long_job_workers();
  ChildProcess& client = start_client("long_job/long_job_client", {"60", "50", "rerun"});
  const std::string worker = worker_of(client);
  workers_.at(worker)->signal(SIGKILL);
  EXPECT_THAT(last_line(client, 0), HasSubstr("SUCCEEDED on " + other_than(worker) +
                                              ", attempt 2, failures 0; before: lost on " + worker));
}

TEST_F(SdkExamples, AKilledWorkersJobIsLostIfItMustNotRunTwice) {
  start_long_job_workers();
  ChildProcess& client = start_client("long_job/long_job_client", {"60", "50", "fail"});
  const std::string worker = worker_of(client);
  workers_.at(worker)->signal(SIGKILL);
  const std::string end = last_line(client, 1);
  EXPECT_THAT(end, HasSubstr("LOST on " + worker + ", attempt 1"));
  EXPECT_THAT(end, Not(HasSubstr("before:")));
}

TEST_F(SdkExamples, TwoWorkersOfOneNameDoNotServeTogether) {
  start_worker("long_job/long_job_worker", "h1");
  cluster_.wait_for(1, 1);
  // The same data directory: refused at once, by what holds it.
  ChildProcess second({sdk_.example("long_job/long_job_worker"), "h1", cluster_.directory() / "h1",
                       cluster_.zookeeper(), "test"},
                      {.output = cluster_.directory() / "second.log"});
  EXPECT_EQ(second.wait(seconds(20)), 1);
  EXPECT_THAT(second.output(), HasSubstr("another worker daemon uses"));
}

}  // namespace
}  // namespace ringmaster
