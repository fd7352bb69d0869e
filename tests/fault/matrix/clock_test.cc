// Faults of clocks: wall clocks that jump by two hours, forwards and back. Leases, deadlines and ownership
// trust none of them; what is due is due by PostgreSQL's.
#include "tests/fault/fault_test.h"
#include "tests/servers/fake_clock.h"

namespace ringmaster {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kJump = hours(2);
// Nothing waits for a slot, on a busy machine neither.
const LoadOptions kLightLoad{.noops = 10, .processes = 2, .every = milliseconds(100)};

class ClockFaults : public FaultTest {
 protected:
  void SetUp() override {
    if (!FakeClock::is_installed()) GTEST_SKIP() << "libfaketime is not installed";
    FaultTest::SetUp();
  }
  void start_with_a_clock_for(const std::string& node) {
    start({.load = kLightLoad, .environments = {{node, clock_.environment()}}});
  }
  NewTask witness_task(milliseconds length) const {
    NewTask task;
    task.spec = R"({"argv":[")" BINARY_ROOT R"(/witness_task",")" + witness() + R"(",")" +
                std::to_string(length.count()) + R"("]})";
    return task;
  }

  // Some tasks of one master that are due so much later.
  struct Delayed {
    std::vector<TaskId> ids;
    MonoTime due;
  };
  Delayed submit_delayed(const std::string& master, seconds delay) {
    Delayed delayed{.ids = {}, .due = read_mono_clock() + delay};
    NewTask task = witness_task({});
    const std::string due = "clock_timestamp() + interval '" + std::to_string(delay.count()) + " s'";
    task.run_at = WallTime{
        Duration{std::stoll(cluster().query("SELECT (extract(epoch FROM " + due + ") * 1000000)::int8"))}};
    const auto reply = cluster().client(master).submit({std::vector<NewTask>(10, task)});
    EXPECT_TRUE(reply) << reply.error().message;
    if (reply) delayed.ids = reply->ids;
    return delayed;
  }
  void expect_end(const std::vector<TaskId>& ids, const std::string& state) {
    std::string list;
    for (const TaskId id : ids) list += (list.empty() ? "" : ",") + std::to_string(id.value);
    const std::string question =
        "SELECT count(*) FROM ringmaster.task_history WHERE id IN (" + list + ") AND state = " + state;
    EXPECT_TRUE(Cluster::eventually([&] { return cluster().query(question) == std::to_string(ids.size()); },
                                    seconds(40)))
        << cluster().query(question) << " of " << ids.size();
  }
  void expect_not_early(const Delayed& delayed) {
    expect_end(delayed.ids, kSucceeded);
    std::ifstream file(witness());
    for (const WitnessLine& line : parse_witness({std::istreambuf_iterator<char>(file), {}})) {
      if (line.what != WitnessLine::What::begin ||
          std::ranges::find(delayed.ids, line.token.task) == delayed.ids.end())
        continue;
      EXPECT_GE(line.boot_us + kAllowance, delayed.due.time_since_epoch().count());
    }
  }

  int alarms_of(const std::string& master) {
    const std::string log = cluster().log_of(master), alarm = "PostgreSQL's clock jumped by ";
    int count = 0;
    for (auto at = log.find(alarm); at != std::string::npos; at = log.find(alarm, at + 1)) ++count;
    return count;
  }

  static constexpr const char* kSucceeded = "10";
  static constexpr const char* kTimedOut = "13";
  static constexpr std::int64_t kAllowance = 500'000;  // microseconds
  FakeClock clock_;
};

TEST_F(ClockFaults, OfAMasterMakeNothingEarlyLateOrDouble) {
  start_with_a_clock_for("m1");
  for (const auto offset : {kJump, -kJump, hours(0)}) {
    const Delayed delayed = submit_delayed("m1", seconds(3));
    clock_.set(offset);
    expect_not_early(delayed);
    expect_progress(100);
  }
  EXPECT_EQ(alarms_of("m1"), 0);
  expect_promises_kept(Workers::none_was_lost);
}

TEST_F(ClockFaults, OfAWorkerCutNoAttemptShortAndNoLease) {
  start_with_a_clock_for("w1");
  for (const auto offset : {kJump, -kJump, hours(0)}) {
    NewTask patient = witness_task(seconds(3)), endless = witness_task(hours(1));
    patient.timeout = seconds(30);
    endless.timeout = seconds(2);
    patient.on_worker_lost = endless.on_worker_lost = OnWorkerLost::rerun_after_lease;
    // Enough for every worker.
    const auto in_time = cluster().client("m1").submit({std::vector<NewTask>(12, patient)});
    const auto too_long = cluster().client("m1").submit({std::vector<NewTask>(12, endless)});
    ASSERT_TRUE(in_time && too_long);
    clock_.set(offset);
    expect_end(in_time->ids, kSucceeded);
    expect_end(too_long->ids, kTimedOut);
    expect_progress(100);
  }
  expect_promises_kept(Workers::none_was_lost);
}

TEST_F(ClockFaults, OfPostgresMoveWhatIsDueAndLoseAndDoubleNothing) {
  start_with_a_clock_for("pg");
  int jumps = 0;
  for (const auto offset : {kJump, -kJump, hours(0)}) {
    clock_.set(offset);
    ++jumps;
    EXPECT_TRUE(Cluster::eventually([&] { return alarms_of("m1") == jumps; }, seconds(20)));
    expect_not_early(submit_delayed("m1", seconds(2)));
    expect_progress(100);
  }
  expect_promises_kept(Workers::none_was_lost);
}

// An answer that was long on its way does not say when it was given.
TEST_F(ClockFaults, NoTaskBeginsBeforeItsTimeWhenTheDatabaseWasFrozen) {
  start_daemons({.masters = 1, .workers = 1});
  const auto client = cluster().client_of_all();
  // The master asks for the time every 5 s: so long that it has, and is answered at the end.
  cluster().postgres().freeze_all();
  EXPECT_FALSE(Cluster::eventually([] { return false; }, milliseconds(7'500)));
  cluster().postgres().thaw_all();

  // Until it has asked again.
  const auto until = std::chrono::steady_clock::now() + seconds(6);
  while (std::chrono::steady_clock::now() < until) {
    NewTask task;
    task.kind = "noop";
    task.run_at = read_wall_clock() + seconds(1);
    const auto reply = client->submit({{task}});
    ASSERT_TRUE(reply) << reply.error().message;
    ASSERT_TRUE(client->get({.id = reply->ids.front(), .wait = seconds(10)}));
  }
  EXPECT_EQ(cluster().query(
                "SELECT count(*) FROM ringmaster.task_history WHERE started_at < run_at - interval '50 ms'"),
            "0");
  EXPECT_THAT(cluster().log_of("m1"), ::testing::Not(::testing::HasSubstr("clock jumped")));
}

}  // namespace
}  // namespace ringmaster
