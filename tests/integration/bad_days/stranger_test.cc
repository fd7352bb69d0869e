// Bad company: strangers on every port, and nodes of another secret, cluster or database. They are told why,
// or dropped; nobody else notices.
#include <sys/stat.h>

#include "tests/integration/bad_days/bad_day.h"

namespace ringmaster {
namespace {

using ::testing::HasSubstr;

class Strangers : public BadDay {
 protected:
  void SetUp() override {
    master_ = &cluster_.start_master("m1");
    worker_ = &cluster_.start_worker("w1");
    cluster_.wait_for(1, 1);
  }
  std::vector<std::string> ports() const {
    return {rpc_address("m1"), http_address("m1"), rpc_address("w1")};
  }
  void expect_all_is_well() {
    EXPECT_EQ(ended("m1", submit("m1", R"({"spec": {"argv": ["true"]}})")), "SUCCEEDED");
    EXPECT_LT(load_of(master_->pid()), 0.3);
    EXPECT_LT(load_of(worker_->pid()), 0.3);
  }
  std::string secret_file(const std::string& name, const std::string& secret) const {
    const std::string path = cluster_.directory() / name;
    std::ofstream(path) << secret;
    ::chmod(path.c_str(), 0600);
    return path;
  }

  ChildProcess* master_ = nullptr;
  ChildProcess* worker_ = nullptr;
};

TEST_F(Strangers, GarbageIsAnsweredOrDroppedOnEveryPort) {
  const std::vector<std::string> garbage{
      std::string(100'000, '\xff'), std::string(1'000, '\0'), "\x16\x03\x01\x02",
      "GET / HTTP/1.1\r\n\r\n",     "SSH-2.0-x\r\n",          "RNGM\x01" + std::string(15, '\xff')};
  for (const std::string& port : ports()) {
    for (const std::string& bytes : garbage) {
      const RawConnection stranger(port);
      ASSERT_TRUE(stranger.connected()) << port;
      stranger.send(bytes);
    }
  }
  const RawConnection http(http_address("m1"));
  http.send("BREW coffee\r\n\r\n");
  EXPECT_THAT(http.read_to_end(), HasSubstr("This is not HTTP/1.1: bad target."));
  EXPECT_TRUE(says("m1", "refused a connection: "));
  EXPECT_TRUE(says("w1", "refused a connection: "));
  expect_all_is_well();
}

TEST_F(Strangers, WhoStaysSilentOrSlowDisturbsNobody) {
  std::vector<RawConnection> strangers;
  for (const std::string& port : ports()) {
    for (int i = 0; i < 100; ++i) {
      strangers.emplace_back(port);
      if (i % 2 == 0) strangers.back().send(i % 4 == 0 ? "P" : "RNGM");
    }
  }
  expect_all_is_well();
}

TEST_F(Strangers, AWorkerWithAnotherSecretIsExplainedToWhoWaitsForIt) {
  cluster_.start_worker("w2",
                        {"--groups", "gpu", "--secret-file", secret_file("other", std::string(40, 'x'))});
  const std::string task = submit("m1", R"({"kind": "noop", "group": "gpu"})");
  EXPECT_THAT(explained("m1", task, "wrong cluster secret"),
              HasSubstr("worker_unreachable: w2 is out of reach: the peer refused: wrong cluster secret\n"));
  EXPECT_THAT(cluster_.log_of("m1"), HasSubstr("dialling w2: the peer refused: wrong cluster secret"));
  EXPECT_TRUE(says("w2", "refused a connection: wrong cluster secret"));
  cluster_.stop_worker("w2");
  cluster_.start_worker("w2", {"--groups", "gpu"});
  EXPECT_EQ(ended("m1", task), "SUCCEEDED");
}

TEST_F(Strangers, AClientWithAnotherSecretOrClusterIsToldWhatToCheck) {
  const std::string address = "127.0.0.1:" + cluster_.port_of("m1");
  const auto ask = [&](std::vector<std::string> flags) {
    std::vector<std::string> argv{BINARY_ROOT "/ringctl", "--address", address};
    argv.insert(argv.end(), flags.begin(), flags.end());
    argv.insert(argv.end(), {"worker", "list"});
    return outcome_of(std::move(argv));
  };
  EXPECT_EQ(ask({"--cluster", "test", "--secret-file", secret_file("other", std::string(40, 'x'))}),
            "125, ringctl: no master can be reached: " + address +
                ": the peer refused: wrong cluster secret (check --cluster and --secret-file)");
  EXPECT_EQ(ask({"--cluster", "other"}), "125, ringctl: no master can be reached: " + address +
                                             ": the peer refused: wrong cluster: 'test' here, 'other' there "
                                             "(check --cluster and --secret-file)");
}

// As after a restore from a backup: the worker's journal belongs to the database that was.
TEST_F(Strangers, AWorkerOfAnotherDatabaseTakesNoWorkAndSaysWhy) {
  cluster_.stop_master("m1");
  cluster_.query("UPDATE ringmaster.meta SET store_id = gen_random_uuid()");
  cluster_.start_master("m2");
  ASSERT_TRUE(says("m2", "took 256 shards"));
  ASSERT_TRUE(says("m2",
                   "dialling w1: the peer refused: wrong store: the two ends belong to different databases "
                   "(store_id)"));
  const std::string task = submit("m2", R"({"kind": "noop"})");
  EXPECT_THAT(
      explained("m2", task, "wrong store"),
      HasSubstr(
          "worker_unreachable: w1 is out of reach: the peer refused: wrong store: the two ends belong to "
          "different databases (store_id)\n"));
}

}  // namespace
}  // namespace ringmaster
