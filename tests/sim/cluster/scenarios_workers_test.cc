// H4 to H10: what may start on a worker, what must have died before, and what a channel may repeat.
#include "tests/sim/cluster/scenario.h"

namespace ringmaster {
namespace {

using namespace std::chrono_literals;
using enum OnWorkerLost;

Scenario h04() {
  return {"H04_AFencedMasterGrantsNoLease", PlantedBug::zombie_renews_the_lease, "silent overlap",
          [](Story& s) {
            s.cut("m2", "w1");
            s.start({"m1", "m2", "w1", "w2"});
            const TaskId task = s.submit("m1", {rerun_after_lease, "30s", "w1"});
            s.until_it_runs_on("w1", task);
            // m1 loses the registry and the database. m2 takes its shards, m1 does not know, and w1 hears m1
            // only.
            s.world.isolate("m1");
            s.until("m2 has taken over", [&] { return s.shards_of("m1") == 0; });
            // The attempt on w1 is dead before m2 may believe so.
            s.until_it_runs_on("w2", task);
            s.expect("w1 has stopped it", !s.world.witness.runs_on(task, "w1"));
            s.settle({"m1", "m2", "w1", "w2"});
          }};
}

Scenario h05() {
  return {"H05_AFrameThatWaitedInABufferStartsNothing", PlantedBug::start_without_lease,
          "though its task has ended", [](Story& s) {
            s.cut("m2", "w1");
            s.start({"m1", "m2", "w1", "w2"});
            // m1 records both on w1 and sends them. The frame stays in a buffer.
            s.world.network.hold("m1", "w1");
            const TaskId once = s.submit("m1", {fail, "20s", "w1"});
            const TaskId again = s.submit("m1", {rerun_after_lease, "20s", "w1"});
            s.until("they were sent", [&] { return s.dispatched("m1", once) && s.dispatched("m1", again); });
            // m1 is fenced and does not know. m2 cannot reach w1, and waits until nothing can run there any
            // more.
            s.world.isolate("m1");
            s.until_ended(once);
            s.expect("it is lost", s.end_of(once) == TaskState::lost);
            s.until_it_runs_on("w2", again);
            // Only now w1 reads the frame, from the only owner that it knows.
            s.world.network.release("m1", "w1");
            s.pass(2s);
            s.settle({"m1", "m2", "w1", "w2"});
            s.expect("it ran once", s.world.witness.runs() == 1);
          }};
}

Scenario h06() {
  return {"H06_ARecordedDispatchStaysWhereItIs", PlantedBug::recorded_is_never_sent, "silent overlap",
          [](Story& s) {
            s.cut("m2", "w1");
            s.start({"m1", "m2", "w1", "w2"});
            const TaskId task = s.submit("m1", {rerun_after_lease, "5s", "w1"});
            s.until_it_runs_on("w1", task);
            // m1 dies. m2 reads the record, and cannot ask w1.
            s.world.crash_master("m1");
            s.until("m2 has taken over", [&] { return s.shards_of("m2") == kShardCount; });
            s.until("w1 has its result", [&] { return s.results_on("w1") == 1; });
            s.heal("m2", "w1");
            s.until_ended(task);
            s.settle({"m1", "m2", "w1", "w2"});
            s.expect("it ran once", s.world.witness.runs() == 1);
          }};
}

Scenario h07() {
  return {"H07_AnotherLifeOfTheWorkerIsSentNothingAgain", PlantedBug::any_life_will_do,
          "an at-most-once task runs again", [](Story& s) {
            s.world.longest_orphan_life = 10ms;
            s.start({"m1", "w1"});
            const TaskId task = s.submit("m1", {fail, "20s"});
            s.until_it_runs_on("w1", task);
            // w1 crashes and is back before anybody has noticed.
            s.world.crash_worker("w1");
            s.world.start_worker("w1");
            s.until_ended(task);
            s.expect("it is lost", s.end_of(task) == TaskState::lost);
            s.settle({"m1", "w1"});
          }};
}

Scenario h08() {
  return {"H08_ADispatchIsSentOnceOnAChannel", PlantedBug::repeat_a_dispatch, "this token ran before",
          [](Story& s) {
            double& repeat = s.world.network.faults.repeat;
            if (repeat > 0) repeat = 1;
            s.start({"m1", "w1"});
            // It is lost with its channel, and sent again on the next one, after that one's inventory.
            s.world.network.hold("m1", "w1");
            const TaskId task = s.submit("m1", {});
            s.until("it was sent", [&] { return s.dispatched("m1", task); });
            s.world.network.reset("m1", "w1");
            s.until_ended(task);
            // w1 has run it and forgotten it: it would run a second D, were one to come.
            s.pass(5s);
            s.settle({"m1", "w1"});
            s.expect("it ran once", s.world.witness.runs() == 1);
          }};
}

Scenario h09() {
  return {"H09_ANewChannelDropsWhatTheOlderOneHadUnread", PlantedBug::keep_replaced_frames,
          "this token ran before", [](Story& s) {
            s.start({"m1", "w1"});
            s.world.network.hold("m1", "w1");
            const TaskId task = s.submit("m1", {});
            s.until("it was sent", [&] { return s.dispatched("m1", task); });
            // m1 connects anew, hears that w1 does not hold it, sends it again, and it runs.
            s.world.network.reset("m1", "w1");
            s.until_ended(task);
            s.pass(1s);
            // What was unread on the old socket: the same epoch, so that w1 could not tell.
            s.world.network.release("m1", "w1");
            s.pass(1s);
            s.settle({"m1", "w1"});
            s.expect("it ran once", s.world.witness.runs() == 1);
          }};
}

Scenario h10_gone() {
  return {"H10_AnAttemptDiesSoonAfterItsDaemon", PlantedBug::children_outlive_leases, "silent overlap",
          [](Story& s) {
            s.world.shortest_orphan_life = s.world.longest_orphan_life = 1200ms;
            s.start({"m1", "w1", "w2"});
            const TaskId task = s.submit("m1", {rerun_after_lease, "20s", "w1"});
            s.until_it_runs_on("w1", task);
            // The daemon is gone: connections are refused. Its supervisor still has to kill what ran.
            s.world.crash_worker("w1");
            s.expect("it runs on", s.world.witness.runs_on(task, "w1"));
            s.until_it_runs_on("w2", task);
            s.settle({"m1", "w1", "w2"});
          }};
}

Scenario h10_next_life() {
  return {"H10_ANewLifeWaitsForTheDeathOfItsPredecessorsAttempts", PlantedBug::children_outlive_leases,
          "silent overlap", [](Story& s) {
            s.world.shortest_orphan_life = s.world.longest_orphan_life = 1200ms;
            s.start({"m1", "w1", "w2"});
            const TaskId task = s.submit("m1", {rerun_after_lease, "20s", "w1"});
            s.until_it_runs_on("w1", task);
            // Its next life proves the death of all older ones: it must not be heard before they are dead.
            s.world.crash_worker("w1");
            s.world.start_worker("w1");
            s.until("it runs again", [&] { return s.world.witness.runs() == 2; });
            s.settle({"m1", "w1", "w2"});
          }};
}

Scenario h10_frozen() {
  return {"H10_ALeaseEndsWhileItsDaemonIsFrozen", PlantedBug::children_outlive_leases, "silent overlap",
          [](Story& s) {
            s.start({"m1", "w1", "w2"});
            const TaskId task = s.submit("m1", {rerun_after_lease, "20s", "w1"});
            s.until_it_runs_on("w1", task);
            s.world.freeze("w1");
            s.cut("m1", "w1");
            s.until_it_runs_on("w2", task);
            s.expect("w1 has stopped it", !s.world.witness.runs_on(task, "w1"));
            s.settle({"m1", "w1", "w2"});
          }};
}

// Not among the fourteen, and part of H5, H9 and H12: whoever was deposed stays so at a worker.
Scenario epochs() {
  return {"ARestartedWorkerStillRefusesADeposedMaster", PlantedBug::forget_the_epochs, "was told epoch",
          [](Story& s) {
            s.start({"m1", "m2", "w1"});
            const TaskId task = s.submit("m1", {.due_in = 8s});
            // m1 is fenced and does not know. w1 has heard of its successor.
            s.world.isolate("m1");
            s.world.hub.expire(s.world.session_of("m1"));
            s.until("m2 has taken over", [&] { return s.shards_of("m1") == 0; });
            s.pass(1s);
            // w1 comes back and hears m1 only, which sends the task when it is due.
            s.cut("m2", "w1");
            s.world.crash_worker("w1");
            s.world.start_worker("w1");
            s.until("m1 has sent it", [&] { return s.dispatched("m1", task); });
            s.pass(5s);
            s.expect("w1 has not run it", s.world.witness.runs() == 0);
            s.settle({"m1", "m2", "w1"});
          }};
}

// Found by random seeds. w1 has told m1 that somebody else owns the shard: that it does not hold the task
// says nothing then, and w2, which has heard of nobody else, must not get the same token.
TEST(ProtocolStory, ADeposedMasterSendsNoTokenAgain) {
  Story s(PlantedBug::none);
  s.cut("m2", "w2");
  s.start({"m1", "m2", "w1", "w2"});
  const TaskId task = s.submit("m1", {.sleep = "10s", .worker = "w1"});
  s.until_it_runs_on("w1", task);
  // m1 is deposed and does not know. w1's result goes to its successor.
  s.world.isolate("m1");
  s.until_ended(task);
  s.world.network.reset("m1", "w1");
  s.pass(5s);
  s.settle({"m1", "m2", "w1", "w2"});
  EXPECT_THAT(s.world.witness.violations(), testing::IsEmpty());
}

// Found by random seeds. A result that came too late is told on two channels of its worker, one after the
// other, and what the older one brought is judged last.
TEST(ProtocolStory, ALateResultIsAnsweredOnTheNewestChannel) {
  Story s(PlantedBug::none);
  s.start({"m1", "w1"});
  const TaskId task = s.submit("m1", {.sleep = "2s"});
  s.until_it_runs_on("w1", task);
  // w1 is out of reach for so long that it is given up; that this is recorded takes a while.
  const auto retry = s.world.gate.stop("m1", "retry");
  s.cut("m1", "w1");
  s.until("it is given up", [&] { return s.world.gate.has(retry); });
  // Meanwhile w1 tells its result: the database has to be asked about it.
  s.heal("m1", "w1");
  s.pass(5s);
  const auto lookup = s.world.gate.stop("m1", "lookup");
  s.world.gate.release(retry);
  s.until("it is asked", [&] { return s.world.gate.has(lookup); });
  // w1 tells it again on a new channel: that attempt is over by now.
  const auto keep = s.world.gate.stop("m1", "keep_late");
  s.world.network.reset("m1", "w1");
  s.until("it is kept", [&] { return s.world.gate.has(keep); });
  s.world.gate.release(lookup);
  s.pass(1s);
  s.world.gate.release(keep);
  s.settle({"m1", "w1"});
  EXPECT_THAT(s.world.witness.violations(), testing::IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Workers, Protocol,
                         testing::Values(h04(), h05(), h06(), h07(), h08(), h09(), h10_gone(),
                                         h10_next_life(), h10_frozen(), epochs()),
                         name_of);

}  // namespace
}  // namespace ringmaster
