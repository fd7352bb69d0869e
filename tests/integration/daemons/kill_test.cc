// kill -9 of masters and workers under load, with real processes: nothing is lost, nothing runs twice that
// must not, and it is told how long recovery took. RINGMASTER_KILLS sets how often each is killed (default
// 2).
#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>

#include <gmock/gmock.h>

#include "tests/servers/cluster.h"
#include "tests/servers/network_namespace.h"

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

int kills() {
  const char* wanted = std::getenv("RINGMASTER_KILLS");
  return wanted != nullptr ? std::atoi(wanted) : 2;
}

// Submits 5,000 short tasks a second, and some real processes that leave a line in a witness file, until it
// is told to stop; remembers what was accepted.
class Load {
 public:
  Load(std::unique_ptr<Client> client, std::string witness)
      : client_(std::move(client)), witness_(std::move(witness)), thread_([this] { run(); }) {}
  ~Load() { stop(); }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    stopped_.notify_all();
    if (thread_.joinable()) thread_.join();
  }
  // After stop().
  const std::vector<TaskId>& accepted() const { return accepted_; }
  int unknown() const { return unknown_; }

 private:
  static constexpr int kBatch = 250;
  static constexpr auto kEvery = milliseconds(50);

  std::vector<NewTask> batch() const {
    std::vector<NewTask> tasks(kBatch);
    for (NewTask& task : tasks) {
      task.kind = "noop";
      task.spec = R"({"sleep": "10ms"})";
    }
    tasks[0].on_worker_lost = OnWorkerLost::fail;
    // Longer than until the next batch: whoever is killed was at work.
    for (std::size_t i = 0; i < tasks.size(); i += 25) tasks[i].spec = R"({"sleep": "200ms"})";
    NewTask once;
    once.on_worker_lost = OnWorkerLost::fail;
    once.spec = R"({"shell": "echo $RINGMASTER_TASK_ID >> )" + witness_ + R"("})";
    tasks.push_back(once);
    return tasks;
  }

  void run() {
    auto next = std::chrono::steady_clock::now();
    do {
      const auto reply = client_->submit({batch()});
      if (reply) {
        accepted_.insert(accepted_.end(), reply->ids.begin(), reply->ids.end());
      } else if (reply.error().code == ErrorCode::unknown_outcome) {
        ++unknown_;  // may be there or not: it is not repeated, and not counted
      }
      next += kEvery;
    } while (!stopped_before(next));
  }
  bool stopped_before(std::chrono::steady_clock::time_point next) {
    std::unique_lock lock(mutex_);
    return stopped_.wait_until(lock, next, [this] { return stopping_; });
  }

  std::unique_ptr<Client> client_;
  const std::string witness_;
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::vector<TaskId> accepted_;
  int unknown_ = 0;
  std::thread thread_;
};

class Kills : public ::testing::Test {
 protected:
  explicit Kills(Cluster::Database database = Cluster::Database::by_tcp) : cluster_(database) {}
  void SetUp() override {
    for (const char* id : {"m1", "m2", "m3"}) cluster_.start_master(id);
    for (const char* id : {"w1", "w2", "w3"}) start_worker(id);
    cluster_.wait_for(3, 3);
    witness_ = cluster_.directory() / "witness";
    load_ = std::make_unique<Load>(cluster_.client_of_all(), witness_);
    wait_for_progress();
  }

  void start_worker(const std::string& id) { cluster_.start_worker(id, {"--slots", "64"}); }

  // The cluster is at work: so many more tasks have ended.
  void wait_for_progress(int tasks = 5'000) {
    const int before = ended();
    EXPECT_TRUE(Cluster::eventually([&] { return ended() >= before + tasks; }, seconds(60)));
  }
  int ended() { return std::stoi(cluster_.query("SELECT count(*) FROM ringmaster.task_history")); }
  void wait_until_replaced(const std::string& incarnation) {
    EXPECT_TRUE(Cluster::eventually(
        [&] {
          return cluster_.query("SELECT count(*) FROM ringmaster.shard WHERE owner IS NULL OR owner = " +
                                incarnation) == "0";
        },
        seconds(30)));
  }
  std::string incarnation_of(const std::string& master) {
    return cluster_.query("SELECT incarnation FROM ringmaster.master WHERE node_id = '" + master +
                          "' AND state = 'living'");
  }

  // Everything accepted has ended, once, as its policy allows.
  void check() {
    load_->stop();
    EXPECT_TRUE(Cluster::eventually(
        [&] { return cluster_.query("SELECT count(*) FROM ringmaster.task") == "0"; }, seconds(120)))
        << cluster_.query(
               "SELECT string_agg(DISTINCT state || ' on ' || coalesce(worker, 'nobody'), ', ') FROM "
               "ringmaster.task");
    std::set<std::int64_t> ended;
    std::istringstream ids(cluster_.query("SELECT string_agg(id::text, ' ') FROM ringmaster.task_history"));
    for (std::int64_t id = 0; ids >> id;) ended.insert(id);
    const auto lost =
        std::ranges::count_if(load_->accepted(), [&](TaskId id) { return !ended.contains(id.value); });
    EXPECT_EQ(lost, 0) << "accepted and lost";
    EXPECT_EQ(cluster_.query("SELECT count(*) - count(DISTINCT id) FROM ringmaster.task_history"), "0")
        << "ended twice";
    EXPECT_EQ(cluster_.query("SELECT count(*) FROM ringmaster.task_history WHERE state NOT IN (10, 14)"),
              "0");
    EXPECT_EQ(cluster_.query(
                  "SELECT count(*) FROM ringmaster.task_history WHERE on_worker_lost = 2 AND attempt > 1"),
              "0")
        << "at most once";
    EXPECT_EQ(
        cluster_.query("SELECT count(*) FROM ringmaster.task_history WHERE state = 14 AND on_worker_lost IS "
                       "DISTINCT FROM 2"),
        "0")
        << "only what may not run again ends as LOST";
    std::map<std::string, int> runs;
    std::ifstream lines(witness_);
    for (std::string line; std::getline(lines, line);) ++runs[line];
    for (const auto& [id, times] : runs) EXPECT_EQ(times, 1) << id << " is at most once";
    std::printf(
        "%zu tasks accepted, %zu of them processes with a witness; %d submissions of unknown outcome; %s "
        "ended LOST, "
        "%s ran again, late results kept: %s\n",
        load_->accepted().size(), runs.size(), load_->unknown(),
        cluster_.query("SELECT count(*) FROM ringmaster.task_history WHERE state = 14").c_str(),
        cluster_.query("SELECT count(*) FROM ringmaster.task_history WHERE attempt > 1").c_str(),
        cluster_.query("SELECT count(*) FROM ringmaster.late_result").c_str());
  }

  void tell(const std::string& what, std::vector<double> recovery) {
    std::sort(recovery.begin(), recovery.end());
    std::printf("%s %zu times: recovery median %.0f ms, max %.0f ms\n", what.c_str(), recovery.size(),
                recovery[recovery.size() / 2] * 1e3, recovery.back() * 1e3);
  }

  double now() { return std::stod(cluster_.query("SELECT extract(epoch FROM clock_timestamp())")); }

  Cluster cluster_;
  std::string witness_;
  std::unique_ptr<Load> load_;
};

TEST_F(Kills, OfMastersLoseAndDoubleNothing) {
  std::vector<double> recovery;
  for (int i = 0; i < kills(); ++i) {
    const std::string victim = "m" + std::to_string(1 + i % 3);
    const std::string incarnation = incarnation_of(victim);
    const double killed_at = now();
    cluster_.stop_master(victim, SIGKILL);
    wait_until_replaced(incarnation);
    recovery.push_back(now() - killed_at);
    wait_for_progress();
    cluster_.start_master(victim);
    cluster_.wait_for(3, 3);
    wait_for_progress();
  }
  tell("a master was killed", recovery);
  check();
}

// Nothing refuses a connection here: a stopped process's sockets still accept. Only its registry node goes.
TEST_F(Kills, AMasterThatIsFrozenIsReplacedAndChangesNothingWhenItWakes) {
  const std::string incarnation = incarnation_of("m2");
  const double frozen_at = now();
  cluster_.signal("m2", SIGSTOP);
  wait_until_replaced(incarnation);
  tell("a master was frozen", {now() - frozen_at});
  wait_for_progress();
  cluster_.signal("m2", SIGCONT);
  EXPECT_TRUE(Cluster::eventually(
      [&] {
        const std::string living = incarnation_of("m2");
        return !living.empty() && living != incarnation;
      },
      seconds(30)))
      << "it comes back as a new incarnation";
  EXPECT_EQ(cluster_.query("SELECT state FROM ringmaster.master WHERE incarnation = " + incarnation), "dead");
  check();
}

// Started before the network is changed, so that other tests reach it too.
struct OuterPostgres {
  OuterPostgres() { PostgresServer::shared(); }
};

class KillsInTheirOwnNetwork : private OuterPostgres, private NetworkNamespace, public Kills {
 protected:
  KillsInTheirOwnNetwork() : Kills(Cluster::Database::by_socket) {}
  void SetUp() override {
    if (!made()) GTEST_SKIP() << "only root can make a network";
    Kills::SetUp();
  }
  // Whatever goes to this port or comes from it is lost, without a word to anybody.
  void black_hole(const std::string& port) {
    ChildProcess nft({"nft",
                      "add table inet hole; add chain inet hole in { type filter hook input priority 0; }; "
                      "add rule inet hole in tcp dport " +
                          port + " drop; add rule inet hole in tcp sport " + port + " drop"},
                     {.output = cluster_.directory() / "nft.log"});
    EXPECT_EQ(nft.wait(seconds(10)), 0) << nft.output();
  }
};

// No connection is refused, none ends: its registry node is all that tells of its death.
TEST_F(KillsInTheirOwnNetwork, AMasterThatDiesBehindABlackHoleIsReplaced) {
  const std::string incarnation = incarnation_of("m2");
  black_hole(cluster_.port_of("m2"));
  const double killed_at = now();
  cluster_.stop_master("m2", SIGKILL);
  wait_until_replaced(incarnation);
  tell("a master died behind a black hole", {now() - killed_at});
  wait_for_progress();
  check();
}

TEST_F(Kills, OfWorkersLoseAndDoubleNothing) {
  std::vector<double> recovery;
  for (int i = 0; i < kills(); ++i) {
    const std::string victim = "w" + std::to_string(1 + i % 3);
    const double killed_at = now();
    cluster_.stop_worker(victim, SIGKILL);
    // What it held started again elsewhere.
    EXPECT_TRUE(Cluster::eventually(
        [&] {
          return cluster_.query("SELECT count(*) FROM ringmaster.task WHERE created_at < to_timestamp(" +
                                std::to_string(killed_at) + ")") == "0";
        },
        seconds(30)));
    recovery.push_back(std::stod(cluster_.query(
        "SELECT coalesce(max(extract(epoch FROM started_at)), " + std::to_string(killed_at) + ") - " +
        std::to_string(killed_at) +
        " FROM ringmaster.task_history WHERE attempt > 1 AND created_at < to_timestamp(" +
        std::to_string(killed_at) + ") AND started_at > to_timestamp(" + std::to_string(killed_at) + ")")));
    start_worker(victim);
    cluster_.wait_for(3, 3);
    wait_for_progress();
  }
  tell("a worker was killed", recovery);
  check();
}

}  // namespace
}  // namespace ringmaster
