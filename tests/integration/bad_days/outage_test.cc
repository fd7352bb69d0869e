// Bad days midway: a database, a registry, a disk or the descriptors are gone for a while. What was accepted
// ends all the same, what cannot be done is refused with a reason, and nothing spins.
#include <sys/resource.h>

#include "tests/integration/bad_days/bad_day.h"
#include "tests/servers/small_disk.h"

namespace ringmaster {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr double kIdle = 0.3;

class Outage : public BadDay {
 protected:
  // A task that runs until finish().
  std::string start_running() {
    const std::string go = cluster_.directory() / "go";
    const std::string task =
        submit("m1", R"({"spec": {"shell": "while ! test -e )" + go + R"(; do sleep 0.02; done"}})");
    EXPECT_THAT(explained("m1", task, "running: "), HasSubstr("running: attempt 1 runs on w1"));
    return task;
  }
  void finish() { std::ofstream(cluster_.directory() / "go") << "go"; }
  int attempts_of(const std::string& task) {
    return std::stoi(cluster_.query("SELECT attempt FROM ringmaster.task_history WHERE id = " +
                                    std::to_string(parse_task_id(task)->value)));
  }
};

TEST_F(Outage, WithoutItsDatabaseAMasterRefusesAndWhatRunsIsRecordedAfterwards) {
  ChildProcess& master = cluster_.start_master("m1");
  ChildProcess& worker = cluster_.start_worker("w1");
  cluster_.wait_for(1, 1);
  const std::string task = start_running();
  PostgresServer::shared().stop();
  finish();
  const auto refused = http("m1", "POST", "/v1/tasks", R"({"kind": "noop"})");
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.detail(), "the database cannot be reached");
  EXPECT_TRUE(Cluster::eventually(
      [&] { return http("m1", "GET", "/readyz").detail() == "Not ready: the database cannot be reached."; },
      seconds(10)));
  EXPECT_LT(load_of(master.pid()), kIdle);
  EXPECT_LT(load_of(worker.pid()), kIdle);
  PostgresServer::shared().start();
  EXPECT_EQ(ended("m1", task), "SUCCEEDED");
  EXPECT_EQ(attempts_of(task), 1);
  EXPECT_EQ(ended("m1", submit("m1", R"({"kind": "noop"})")), "SUCCEEDED");
}

TEST_F(Outage, WithoutZooKeeperWorkGoesOn) {
  ChildProcess& master = cluster_.start_master("m1");
  cluster_.start_worker("w1");
  cluster_.wait_for(1, 1);
  cluster_.zookeeper_server().stop();
  for (const char* node : {"m1", "w1"}) EXPECT_TRUE(says(node, " does not answer: "));
  EXPECT_EQ(http("m1", "GET", "/readyz").detail(), "Not ready: the registry cannot be reached.");
  EXPECT_EQ(ended("m1", submit("m1", R"({"spec": {"argv": ["true"]}})")), "SUCCEEDED");
  EXPECT_LT(load_of(master.pid()), kIdle);
  cluster_.zookeeper_server().start();
  EXPECT_TRUE(Cluster::eventually([&] { return http("m1", "GET", "/readyz").status == 200; }, seconds(20)));
}

TEST_F(Outage, AWorkerDoesNotStartOnAFullDisk) {
  const SmallDisk disk(cluster_.directory() / "disk", "1m");
  if (!disk.made()) GTEST_SKIP() << "mounting a small file system needs root";
  disk.fill();
  const std::string data = disk.path() / "w1";
  EXPECT_EQ(outcome_of(worker_argv({"--node-id", "w1", "--listen", "127.0.0.1:0", "--data-dir", data})),
            "1, ringworker: cannot write " + data + "/spool/0000000001.spool: No space left on device");
}

std::size_t descriptors_of(pid_t pid) {
  const std::filesystem::directory_iterator all("/proc/" + std::to_string(pid) + "/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

// So many descriptors and no more; 0: as many as before.
void limit_descriptors(pid_t pid, std::size_t most) {
  rlimit limit{};
  ASSERT_EQ(::prlimit(pid, RLIMIT_NOFILE, nullptr, &limit), 0);
  limit.rlim_cur = most != 0 ? most : limit.rlim_max;
  ASSERT_EQ(::prlimit(pid, RLIMIT_NOFILE, &limit, nullptr), 0);
}

TEST_F(Outage, AMasterWithoutDescriptorsServesWhoIsConnectedAndTheOthersLater) {
  ChildProcess& master = cluster_.start_master("m1");
  cluster_.start_worker("w1");
  cluster_.wait_for(1, 1);
  limit_descriptors(master.pid(), descriptors_of(master.pid()) + 2);
  {
    std::vector<RawConnection> strangers;
    for (int i = 0; i < 20; ++i) strangers.emplace_back(http_address("m1"));
    EXPECT_TRUE(
        says("m1",
             "cannot accept an HTTP connection: Too many open files; if this lasts, raise the limit of "
             "open files"));
    EXPECT_LT(load_of(master.pid()), kIdle);
    NewTask task;
    task.kind = "noop";
    EXPECT_TRUE(cluster_.client("m1").submit({{task}})) << "the channel was there before";
  }
  EXPECT_EQ(ended("m1", submit("m1", R"({"kind": "noop"})")), "SUCCEEDED");
}

TEST_F(Outage, AWorkerWithoutDescriptorsSaysSoInTheResult) {
  cluster_.start_master("m1");
  ChildProcess& worker = cluster_.start_worker("w1");
  cluster_.wait_for(1, 1);
  const std::string process = "/proc/" + std::to_string(worker.pid());
  std::ifstream children(process + "/task/" + std::to_string(worker.pid()) + "/children");
  pid_t supervisor = 0;
  ASSERT_TRUE(children >> supervisor);
  limit_descriptors(supervisor, descriptors_of(supervisor));
  const std::string shell =
      R"({"spec": {"shell": "echo hi"}, "retry": {"max_attempts": 2, "backoff": "100ms"}})";
  EXPECT_THAT(ended("m1", submit("m1", shell)),
              StartsWith("FAILED: cannot make a pipe: Too many open files"));
  EXPECT_LT(load_of(worker.pid()), kIdle);
  EXPECT_LT(load_of(supervisor), kIdle);
  limit_descriptors(supervisor, 0);
  EXPECT_EQ(ended("m1", submit("m1", shell)), "SUCCEEDED");
}

}  // namespace
}  // namespace ringmaster
