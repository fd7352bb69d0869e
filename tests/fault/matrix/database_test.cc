// Faults of PostgreSQL: crashes, backends that are ended amid commits, a server that hangs, a primary that is
// lost while its synchronous standby lags.
#include "tests/fault/fault_test.h"

namespace ringmaster {
namespace {

using std::chrono::seconds;

class DatabaseFaults : public FaultTest {
 protected:
  using Clock = std::chrono::steady_clock;

  // Submissions are answered again.
  void expect_answers_after(Clock::time_point when, seconds within) {
    EXPECT_TRUE(Cluster::eventually([&] { return load().last_answer() > when; }, within))
        << "no submission was answered in " << within.count() << " s";
  }
  void expect_a_crash_is_survived(const std::function<void()>& crash) {
    crash();
    cluster().postgres().start();
    expect_answers_after(Clock::now(), seconds(15));
    expect_progress();
  }
  // Of masters, whose commits wait for the standby.
  int waiting_commits() {
    return std::stoi(cluster().query("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"));
  }
  void start_with_standby() {
    start_servers({});
    cluster().add_standby();
    start_daemons();
    start_load();
  }
};

TEST_F(DatabaseFaults, CrashesAreSurvived) {
  start();
  for (int i = 0; i < full_or(10, 1); ++i) {
    expect_a_crash_is_survived([&] { cluster().postgres().kill(); });
    expect_a_crash_is_survived([&] { cluster().postgres().stop(SIGQUIT); });
  }
  expect_promises_kept(Workers::none_was_lost);
}

TEST_F(DatabaseFaults, BackendsThatAreEndedAmidTheirCommitsLoseAndDoubleNothing) {
  start();
  int ended_backends = 0;
  for (int i = 0; i < full_or(1000, 100); ++i) {
    const std::int64_t before = ended();
    ended_backends += cluster().query(
                          "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity WHERE "
                          "application_name = 'ringmaster' ORDER BY state = 'active' DESC, random() LIMIT 1) "
                          "x") == "t";
    EXPECT_TRUE(Cluster::eventually([&] { return ended() > before; }, seconds(30)));
  }
  EXPECT_GE(ended_backends, full_or(900, 90));
  expect_progress();
  expect_promises_kept(Workers::none_was_lost);
}

// Longer than a statement may take: masters give their connections up, and have to settle what was sent.
TEST_F(DatabaseFaults, APostgresThatHangsForLongerThanStatementsMayTakeIsWaitedFor) {
  start();
  cluster().postgres().freeze_all();
  const auto frozen = Clock::now();
  for (const char* master : {"m1", "m2", "m3"}) {
    EXPECT_TRUE(Cluster::eventually(
        [&] {
          return cluster().log_of(master).contains("did not answer in time") ||
                 Clock::now() > frozen + seconds(20);
        },
        seconds(25)));
  }
  cluster().postgres().thaw_all();
  expect_answers_after(Clock::now(), seconds(15));
  expect_progress();
  expect_promises_kept(Workers::none_was_lost);
}

// What the primary had committed and could not pass on is gone with it; nobody was told. In the long form it
// lags for longer than statements may take: masters have given up connections, and tried to settle them.
TEST_F(DatabaseFaults, APrimaryThatIsLostWhileItsStandbyLagsTakesNothingAcceptedAlong) {
  start_with_standby();
  network().cut("pg", "pg2");
  EXPECT_TRUE(Cluster::eventually([&] { return waiting_commits() >= full_or(24, 6); }, seconds(60)));
  std::printf("%d commits waited for the standby\n", waiting_commits());
  cluster().postgres().kill();
  cluster().promote_standby();
  expect_answers_after(Clock::now(), seconds(15));
  expect_progress();
  expect_promises_kept(Workers::none_was_lost);
}

// No connection is refused, nothing is reset: only packets are lost.
TEST_F(DatabaseFaults, APrimaryThatFallsSilentIsLeftForTheStandbyThatWasPromoted) {
  start_with_standby();
  network().isolate("pg");
  cluster().promote_standby();
  expect_answers_after(Clock::now(), seconds(40));
  expect_progress();
  expect_promises_kept(Workers::none_was_lost);
}

}  // namespace
}  // namespace ringmaster
