// A daemon that is killed or frozen at each of its failpoints, under load: everything accepted ends once, the
// frozen one changes nothing afterwards, its shards move, and what runs on healthy workers notices nothing.
// A row of the table of sites is a case; by default some of them, with RINGMASTER_FAULTS=full all, with
// RINGMASTER_FAULT_SITE=take_over. those whose names begin so.
#include <algorithm>
#include <set>

#include "base/failpoint_config.h"
#include "base/failpoint_sites.h"
#include "tests/fault/fault_test.h"

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Daemon = FailpointSite::Daemon;

constexpr int kProgress = 200;
constexpr auto kAcrossTheTurn = milliseconds(1'200);  // long enough for a running mark

class Failpoints : public FaultTest {
 protected:
  void SetUp() override {
    if (RINGMASTER_FAILPOINTS == 0) GTEST_SKIP() << "these daemons have no failpoints: cmake --preset dev";
    FaultTest::SetUp();
    if (IsSkipped()) return;
    Shape shape{.masters = 2, .workers = 2};
    shape.worker_flags = {"--slots", "128"};
    shape.load.noops = 12;
    shape.load.processes = 2;
    shape.load.lengths = {milliseconds(0), milliseconds(20), milliseconds(200), kAcrossTheTurn};
    start_daemons(shape);
  }

  static std::vector<FailpointSite> sites(Daemon daemon, const std::set<std::string_view>& brief) {
    const char* asked = std::getenv("RINGMASTER_FAULT_SITE");
    std::vector<FailpointSite> chosen;
    for (const FailpointSite& site : kFailpointSites) {
      const bool wanted =
          asked != nullptr ? site.name.starts_with(asked) : full_faults() || brief.contains(site.name);
      if (wanted && site.daemon == daemon && site.kind == FailpointSite::Kind::moment) chosen.push_back(site);
    }
    return chosen;
  }

  static bool is_of(const FailpointSite& site, std::string_view step) {
    return site.name.starts_with(std::string(step) + ".");
  }

  // Killed or frozen, as `action` says. False: it was not, within a minute.
  bool wait_until_struck(const std::string& victim, const FailpointSite& site, const std::string& action) {
    ChildProcess& process = cluster().process(victim);
    const bool struck = Cluster::eventually(
        [&] { return action == "kill" ? !process.running() : process.frozen(); }, seconds(60));
    EXPECT_TRUE(struck) << victim << " never came there";
    const std::string here =
        std::string(site.name) + ": " + (action == "kill" ? "killed" : "frozen") + " here";
    EXPECT_THAT(cluster().log_of(victim), ::testing::HasSubstr("FAILPOINT " + here));
    return struck;
  }

  // Each site on its own: the next one begins with nothing.
  void judge(const FailpointSite& site, Workers workers) {
    std::printf("%-24s ", std::string(site.name).c_str());
    expect_promises_kept(workers);
    cluster().query("TRUNCATE ringmaster.task_history, ringmaster.late_result");
    std::filesystem::remove(witness());
  }

  // The 99th percentile, in milliseconds.
  static std::int64_t tell(const std::string& what, std::vector<std::int64_t> times) {
    if (times.empty()) return 0;
    std::ranges::sort(times);
    const std::int64_t p99 = times[(times.size() * 99 + 99) / 100 - 1];
    std::printf("%s at %zu places: p50 %ld ms, p99 %ld ms, max %ld ms\n", what.c_str(), times.size(),
                static_cast<long>(times[times.size() / 2]), static_cast<long>(p99),
                static_cast<long>(times.back()));
    return p99;
  }

  // ---- masters ----

  // `victim` serves the load; it is struck on the way. In milliseconds: until its shards were others'.
  std::int64_t strike_master(const FailpointSite& site, const std::string& action) {
    const std::string victim = "v" + std::to_string(++strikes_);
    start_master(victim, {{"RINGMASTER_FAILPOINTS", arming(site, action)}});
    const std::string other = "o" + std::to_string(strikes_);
    const bool by_death = is_of(site, "take_over") || is_of(site, "take");
    const bool by_arrival = is_of(site, "release");
    if (by_death) start_master(other);
    cluster().wait_for(by_death ? 4 : 3, 2);
    const std::string incarnation = living_incarnation(victim);
    begin_load(cluster().client_of({victim, "m1", "m2"}));
    if (by_death) give_it_the_shards_of(other);
    if (by_arrival) start_master(other);
    if (!wait_until_struck(victim, site, action)) return -1;
    if (by_death) wake_the_others();
    const std::int64_t moved = wait_until_replaced(incarnation);
    expect_progress(kProgress);
    if (action == "freeze") expect_it_comes_back(victim, incarnation);
    judge(site, Workers::none_was_lost);
    if (action == "kill") {
      kill(victim);  // it is dead; forget it
    } else {
      cluster().stop_master(victim);
    }
    if (by_arrival) cluster().stop_master(other);
    cluster().wait_for(2, 2);
    return moved;
  }

  static std::string arming(const FailpointSite& site, const std::string& action) {
    // Amid the load; what is rare, soon. Shards are also taken at a start, which is not meant.
    const bool often = is_of(site, "accept") || is_of(site, "record") || is_of(site, "ack") ||
                       site.name == "dispatch.decided" || site.name == "dispatch.sent";
    const std::string first = is_of(site, "take") ? "take_over.committed>" : "";
    return first + std::string(site.name) + "=" + action + (often ? "@20" : "");
  }

  // So that nobody else is faster.
  void give_it_the_shards_of(const std::string& dead) {
    cluster().signal("m1", SIGSTOP);
    cluster().signal("m2", SIGSTOP);
    cluster().stop_master(dead, SIGKILL);
  }
  void wake_the_others() {
    cluster().signal("m1", SIGCONT);
    cluster().signal("m2", SIGCONT);
  }

  void expect_it_comes_back(const std::string& victim, const std::string& incarnation) {
    cluster().signal(victim, SIGCONT);
    EXPECT_TRUE(Cluster::eventually(
        [&] {
          const std::string living = living_incarnation(victim);
          return !living.empty() && living != incarnation;
        },
        seconds(30)))
        << victim << " does not come back";
    EXPECT_EQ(cluster().query("SELECT state FROM ringmaster.master WHERE incarnation = " + incarnation),
              "dead");
    expect_progress(kProgress);
  }

  std::vector<std::int64_t> strike_masters(const std::string& action,
                                           const std::set<std::string_view>& brief) {
    std::vector<std::int64_t> moved;
    for (const FailpointSite& site : sites(Daemon::master, brief)) {
      SCOPED_TRACE(action + " at " + std::string(site.name));
      moved.push_back(strike_master(site, action));
      EXPECT_GE(moved.back(), 0) << "its shards stay where they are";
      if (moved.back() < 0) break;
    }
    return moved;
  }

  int strikes_ = 0;
};

TEST_F(Failpoints, AMasterThatIsKilledAtAnyOfThemLosesAndDoublesNothing) {
  const auto moved = strike_masters("kill", {"accept.sent", "accept.committed", "dispatch.sent",
                                             "record.in_transaction", "take.committed", "release.sent"});
  const std::int64_t p99 = tell("masters killed: their shards moved", moved);
  if (full_faults()) {
    EXPECT_LE(p99, 1'000);
  }
}

TEST_F(Failpoints, AMasterThatIsFrozenAtAnyOfThemChangesNothingWhenItWakes) {
  const auto moved =
      strike_masters("freeze", {"accept.sent", "record.in_transaction", "take_over.in_transaction"});
  tell("masters frozen: their shards moved", moved);
}

// What it had in its spool comes with its next life.
TEST_F(Failpoints, AWorkerThatIsKilledAtAnyOfThemBreaksNoPolicy) {
  for (const FailpointSite& site : sites(
           Daemon::worker, {"attempt.accepted", "attempt.started", "spool.synced", "result.acknowledged"})) {
    SCOPED_TRACE("kill at " + std::string(site.name));
    const std::string victim = "v" + std::to_string(++strikes_);
    start_worker(victim, {{"RINGMASTER_FAILPOINTS", std::string(site.name) + "=kill@20"}});
    cluster().wait_for(2, 3);
    start_load();
    if (!wait_until_struck(victim, site, "kill")) break;
    start_worker(victim);
    expect_progress(kProgress);
    cluster().wait_for(2, 3);
    judge(site, Workers::some_were_lost);
    cluster().stop_worker(victim);  // drained: its spool is empty
  }
}

TEST_F(Failpoints, AWrongOneEndsADaemonBeforeItServes) {
  for (const bool master : {true, false}) {
    ChildProcess& process = master ? start_master("x", {{"RINGMASTER_FAILPOINTS", "ack.send=kill"}})
                                   : start_worker("x", {{"RINGMASTER_FAILPOINTS", "ack.send=kill"}});
    EXPECT_EQ(process.wait(seconds(30)), 2);
    EXPECT_THAT(process.output(), ::testing::HasSubstr("RINGMASTER_FAILPOINTS: there is no site 'ack.send'; "
                                                       "did you mean ack.sent?"));
  }
}

TEST_F(Failpoints, ADaemonThatIsArmedSaysSo) {
  start_worker("x", {{"RINGMASTER_FAILPOINTS", "spool.fsync=fail@1000000"}});
  cluster().wait_for(2, 3);
  EXPECT_THAT(cluster().log_of("x"), ::testing::HasSubstr("FAILPOINTS ARE ARMED"));
}

}  // namespace
}  // namespace ringmaster
