// What an attempt is given and what it tells, through real daemons.
#include <fstream>

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/servers/cluster.h"

namespace ringmaster {
namespace {

using std::chrono::seconds;
using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;

TaskId submit(Cluster& cluster, const std::string& spec) {
  NewTask task;
  task.spec = spec;
  const auto reply = cluster.client("m1").submit({{task}});
  if (!reply) throw std::runtime_error(reply.error().message);
  return reply->ids.at(0);
}

WaitReply::Item wait(Cluster& cluster, TaskId id) {
  const auto reply = cluster.client("m1").wait({.ids = {id}, .wait = seconds(30)});
  if (!reply) throw std::runtime_error(reply.error().message);
  return reply->items.at(0);
}

TEST(Attempts, TellHowFarTheyAreAndKeepTheirNewestOutput) {
  Cluster cluster;
  cluster.start_master("m1");
  cluster.start_master("m2");
  cluster.start_worker("w1", {"--log-max-size", "4KiB"});
  cluster.wait_for(2, 1);
  const std::string go = cluster.directory() / "go";
  const auto id =
      submit(cluster, R"({"shell": "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done; )"
                      R"(echo 0.5 half >&$RINGMASTER_PROGRESS_FD; )"
                      R"(while ! test -e )" +
                          go + R"(; do sleep 0.02; done; echo the end"})");
  for (const char* master : {"m1", "m2"}) {
    std::optional<Progress> progress;
    EXPECT_TRUE(Cluster::eventually(
        [&] {
          const auto reply = cluster.client(master).get({.id = id});
          if (reply) progress = reply->view.progress;
          return progress.has_value();
        },
        seconds(20)))
        << master;
    EXPECT_EQ(progress.value_or(Progress{}).fraction, 0.5);
    EXPECT_EQ(progress.value_or(Progress{}).message, "half");
  }
  std::ofstream(go) << "go";
  EXPECT_EQ(wait(cluster, id).state, TaskState::succeeded);
  const auto log = cluster.ringctl({"task", "log", "--follow", to_string(id)});
  EXPECT_EQ(log.code, 0);
  EXPECT_THAT(log.output, AllOf(HasSubstr("ringctl: bytes 0 to "), HasSubstr(" are not kept any more\n"),
                                EndsWith("line 1999\nthe end\n")));
  EXPECT_THAT(log.output, testing::Not(HasSubstr("line 0\n")));
  const auto late = cluster.client("m2").log({.id = id, .offset = 18'890});  // of 18,898
  ASSERT_TRUE(late) << late.error().message;
  EXPECT_EQ(late->bytes, "the end\n");
  EXPECT_TRUE(late->over);
}

TEST(Attempts, RunAsTheUserThatTheWorkerAllowsWithItsSecrets) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can run an attempt as another user";
  Cluster cluster;
  const std::string secrets = cluster.directory() / "secrets";
  std::filesystem::create_directory(secrets);
  ::chmod(secrets.c_str(), 0700);
  std::ofstream(secrets + "/key") << "s3cr3t-of-the-house\n";
  ::chmod((secrets + "/key").c_str(), 0600);
  cluster.start_master("m1");
  cluster.start_worker("w1", {"--allowed-users", "nobody", "--secrets-dir", secrets});
  cluster.wait_for(1, 1);
  const auto ran =
      wait(cluster, submit(cluster, R"({"shell": "id -un; echo ${#KEY}; cat )" + secrets +
                                        R"(/key; exit 0", "run_as": "nobody", "secrets": {"KEY": "key"}})"));
  EXPECT_EQ(ran.state, TaskState::succeeded);
  const auto id = submit(cluster, R"({"shell": "echo $KEY", "run_as": "nobody", "secrets": {"KEY": "key"}})");
  EXPECT_EQ(wait(cluster, id).state, TaskState::succeeded);
  EXPECT_THAT(cluster.ringctl({"task", "get", to_string(id)}).output, HasSubstr("[secret]"));
  const auto refused = submit(cluster, R"({"argv": ["true"], "run_as": "daemon"})");
  EXPECT_EQ(wait(cluster, refused).state, TaskState::failed);
  EXPECT_THAT(cluster.ringctl({"task", "get", to_string(refused)}).output,
              HasSubstr("spec.run_as: user daemon is not allowed here"));
  // Nowhere on the way: neither stored nor logged.
  EXPECT_EQ(cluster.query("SELECT count(*) FROM ringmaster.task_history h WHERE h::text LIKE '%s3cr3t%'"),
            "0");
  for (const char* daemon : {"m1", "w1"})
    EXPECT_THAT(cluster.log_of(daemon), testing::Not(HasSubstr("s3cr3t")));
  std::size_t journals = 0;
  for (const auto& file :
       std::filesystem::recursive_directory_iterator(cluster.directory() / "w1" / "spool")) {
    if (!file.is_regular_file()) continue;
    ++journals;
    std::ifstream in(file.path(), std::ios::binary);
    EXPECT_THAT(std::string(std::istreambuf_iterator<char>(in), {}), testing::Not(HasSubstr("s3cr3t")));
  }
  EXPECT_GT(journals, 0U);
}

}  // namespace
}  // namespace ringmaster
