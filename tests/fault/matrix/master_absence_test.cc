// No master for a while: a minute with RINGMASTER_FAULTS=full, else ten seconds.
#include "tests/fault/fault_test.h"
#include "tests/fault/matrix/known_work.h"

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

class MasterAbsences : public FaultTest {};

// What runs goes on; all its results are recorded soon after a master is back.
TEST_F(MasterAbsences, OfAllLoseNoResultAndStopNothingThatRuns) {
  const seconds absence = full_or(seconds(60), seconds(10));
  constexpr int kNoops = 200, kProcesses = 30;
  Shape shape;
  shape.worker_flags = {"--slots", "256"};
  shape.load.noops = 12;
  shape.load.processes = 2;
  shape.load.leases = false;  // those are stopped when nobody grants their leases for 30 s
  start(shape);
  KnownWork work(witness());
  const auto client = cluster().client_of_all();
  for (const OnWorkerLost policy : {OnWorkerLost::rerun, OnWorkerLost::fail}) {
    work.submit_noops(*client, kNoops / 2, absence / 2, policy);
    work.submit_processes(*client, kProcesses / 2, absence / 2, policy);
  }
  ASSERT_TRUE(Cluster::eventually([&] { return work.began(1).size() >= kProcesses; }, seconds(30)));
  const auto gone_at = Clock::now();
  for (const char* master : {"m1", "m2", "m3"}) cluster().signal(master, SIGKILL);
  for (const char* master : {"m1", "m2", "m3"}) cluster().stop_master(master, SIGKILL);

  const auto ended_of_work = [&] {
    std::string ids;
    for (const auto& [id, task] : work.accepted()) ids += (ids.empty() ? "" : ",") + std::to_string(id.value);
    return std::stoul(
        cluster().query("SELECT count(*) FROM ringmaster.task_history WHERE id IN (" + ids + ")"));
  };
  EXPECT_TRUE(Cluster::eventually([&] { return work.ended() == kProcesses; }, absence + seconds(20)));
  Cluster::eventually([&] { return Clock::now() >= gone_at + absence; }, absence);
  EXPECT_EQ(ended_of_work(), 0U) << "nobody could record it";

  const auto started_at = Clock::now();
  start_master("m1");
  cluster().client("m1");
  const auto back_at = Clock::now();
  EXPECT_TRUE(Cluster::eventually([&] { return ended_of_work() == work.accepted().size(); }, seconds(60)));
  const auto took = [&](Clock::time_point since) {
    return std::chrono::duration_cast<milliseconds>(Clock::now() - since);
  };
  const milliseconds after_start = took(started_at), after_back = took(back_at);
  std::printf("no master for %ld s; %zu results recorded %ld ms after one answers, %ld ms after its start\n",
              static_cast<long>(absence.count()), work.accepted().size(),
              static_cast<long>(after_back.count()), static_cast<long>(after_start.count()));
  EXPECT_LE(after_back, seconds(5));
  for (const char* master : {"m2", "m3"}) start_master(master);
  cluster().wait_for(3, 3);
  expect_progress();
  load().stop();
  auto all = load().accepted();
  all.insert(work.accepted().begin(), work.accepted().end());
  expect_promises_kept(all, Workers::none_was_lost);
}

}  // namespace
}  // namespace ringmaster
