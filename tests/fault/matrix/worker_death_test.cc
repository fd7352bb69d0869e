// A worker that dies with a thousand processes, and one that dies with a full spool.
#include <signal.h>

#include "tests/fault/fault_test.h"
#include "tests/fault/matrix/known_work.h"
#include "worker/file_spool_replay.h"

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class WorkerDeaths : public FaultTest {
 protected:
  // Of attempts that began, a second; measured on the machine and under the load of this very test.
  static double spawn_rate(const std::vector<KnownWork::Began>& begun) {
    std::int64_t first = begun.front().boot_us, last = first;
    for (const auto& each : begun) {
      first = std::min(first, each.boot_us);
      last = std::max(last, each.boot_us);
    }
    return 1e6 * static_cast<double>(begun.size() - 1) / static_cast<double>(std::max(last - first, 1L));
  }

  static bool lives(const KnownWork::Began& attempt) {
    return ::kill(attempt.process, 0) == 0 || errno != ESRCH;
  }

  // Results in the spool of a living daemon: of a copy, because reading one back mends it.
  std::size_t spooled(const std::string& worker) {
    const auto copy = cluster().directory() / "spool-copy";
    std::filesystem::remove_all(copy);
    std::filesystem::copy(cluster().directory() / worker / "spool", copy);
    const auto replay = replay_spool(copy);
    return replay ? replay->contents.results.size() : 0;
  }

  std::string count(const std::string& what) {
    return cluster().query("SELECT count(*) FROM ringmaster.task_history WHERE " + what);
  }
};

// Its children die at once, and what may run again does so elsewhere, as fast as processes can be started.
TEST_F(WorkerDeaths, UnderAThousandRunningProcesses) {
  constexpr int kRerun = 800, kOnce = 100, kLeased = 100;
  constexpr std::size_t kAll = kRerun + kOnce + kLeased;
  constexpr auto kLength = seconds(20), kBeat = seconds(1);
  start_daemons({.masters = 2, .workers = 1, .worker_flags = {"--slots", "1000"}});
  KnownWork work(witness());
  const auto client = cluster().client_of_all();
  work.submit_processes(*client, kRerun, kLength, OnWorkerLost::rerun, kBeat);
  work.submit_processes(*client, kOnce, kLength, OnWorkerLost::fail, kBeat);
  work.submit_processes(*client, kLeased, kLength, OnWorkerLost::rerun_after_lease, kBeat);
  ASSERT_TRUE(Cluster::eventually([&] { return work.began(1).size() == kAll; }, seconds(60)));
  const auto first = work.began(1);
  const double rate = spawn_rate(first);
  start_worker("w2");
  cluster().wait_for(2, 2);
  ASSERT_EQ(work.ended(), 0U) << "too slow: they end before their worker does";

  const std::int64_t killed_at = boot_now_us();
  cluster().stop_worker("w1", SIGKILL);
  EXPECT_TRUE(Cluster::eventually([&] { return std::ranges::none_of(first, lives); }, seconds(10)));
  const std::int64_t dead_at = boot_now_us();
  EXPECT_TRUE(Cluster::eventually([&] { return work.began(2).size() == kRerun + kLeased; }, seconds(60)));
  std::map<OnWorkerLost, std::int64_t> last_of;
  for (const auto& again : work.began(2)) {
    std::int64_t& last = last_of[work.accepted().at(again.token.task).policy];
    last = std::max(last, again.boot_us - killed_at);
  }
  const double bound_ms = 1'000 + 1e3 * (kRerun + kLeased) / rate;
  const double rerun_ms = 1e-3 * static_cast<double>(last_of[OnWorkerLost::rerun]);
  const double leased_ms = 1e-3 * static_cast<double>(last_of[OnWorkerLost::rerun_after_lease]);
  std::printf(
      "%zu processes, spawned at %.0f a second; dead after %.0f ms; all run again after %.0f ms "
      "(rerun), %.0f ms (rerun_after_lease), bound %.0f ms\n",
      kAll, rate, 1e-3 * static_cast<double>(dead_at - killed_at), rerun_ms, leased_ms, bound_ms);
  EXPECT_LE(dead_at - killed_at, kSlower * 2'000'000);
  EXPECT_LE(rerun_ms, kSlower * bound_ms);
  expect_promises_kept(work.accepted(), Workers::some_were_lost);
  EXPECT_EQ(count("state = 14"), std::to_string(kOnce)) << "each of those that may run only once";
  EXPECT_EQ(count("attempt > 1"), std::to_string(kRerun + kLeased));
}

// Its masters are gone, it finishes its work, and is killed: the results come from its next life.
TEST_F(WorkerDeaths, WithAFullSpoolLosesNoResultAndRunsNothingAgain) {
  constexpr int kNoops = 150, kProcesses = 20;  // of each policy
  constexpr std::size_t kAll = 2 * kNoops + 2 * kProcesses;
  start_daemons({.masters = 2, .workers = 1, .worker_flags = {"--slots", "400"}});
  KnownWork work(witness());
  const auto client = cluster().client_of_all();
  for (const OnWorkerLost policy : {OnWorkerLost::rerun, OnWorkerLost::fail}) {
    work.submit_noops(*client, kNoops, seconds(4), policy);
    work.submit_processes(*client, kProcesses, seconds(4), policy);
  }
  // With the running marks: who comes back knows where all of it is.
  ASSERT_TRUE(Cluster::eventually(
      [&] {
        return cluster().query("SELECT count(*) FROM ringmaster.task WHERE state = 2") ==
               std::to_string(kAll);
      },
      seconds(30)));
  for (const char* master : {"m1", "m2"}) cluster().stop_master(master, SIGKILL);
  ASSERT_TRUE(Cluster::eventually([&] { return spooled("w1") == kAll; }, seconds(30))) << spooled("w1");
  EXPECT_EQ(work.ended(), 2U * kProcesses);
  cluster().stop_worker("w1", SIGKILL);
  start_worker("w1");
  ASSERT_TRUE(Cluster::eventually(
      [&] {
        return cluster().log_of("w1").rfind("registered in cluster") >
               cluster().log_of("w1").find("registered in cluster");
      },
      seconds(30)));
  for (const char* master : {"m1", "m2"}) start_master(master);
  expect_promises_kept(work.accepted(), Workers::none_was_lost);
  EXPECT_EQ(count("attempt = 1 AND state = 10"), std::to_string(kAll));
  EXPECT_EQ(cluster().query("SELECT count(*) FROM ringmaster.late_result"), "0");
}

}  // namespace
}  // namespace ringmaster
