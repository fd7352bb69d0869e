// H1 to H3 and H11 to H14: who owns a shard, whose statements count, and whose results.
// H3 (a take-over that starves behind share locks, or hangs on a master that is frozen inside a transaction)
// is PostgreSQL's own: tests/contract/sql/pg_take_over_test.cc.
#include "tests/sim/cluster/scenario.h"

namespace ringmaster {
namespace {

using namespace std::chrono_literals;
using Stop = StatementGate::Stop;

Scenario h01() {
  return {"H01_WhatWasSentBeforeAReleaseDoesNotApplyAfterIt", PlantedBug::ignore_the_generation,
          "without owning its shard", [](Story& s) {
            s.start({"m1", "w1"});
            // An insert of m1 hangs on its way. Its tasks are of several shards.
            const auto insert = s.world.gate.stop("m1", "accept");
            s.world.submit("m1", std::vector<NewTask>(8, Story::task({})));
            s.until("the insert hangs", [&] { return s.world.gate.has(insert); });
            // m2 comes. m1 would hand over to it, and waits for the insert.
            s.world.start_master("m2");
            SimMaster& m1 = *s.world.masters.at("m1");
            s.until("m1 has shards for m2", [&] { return !m1.node.core().shards().to_release().empty(); });
            s.pass(2s);
            s.expect("it keeps them", s.shards_of("m2") == 0);
            // The release that does not wait: the generation alone is tried.
            m1.store.release_shards(m1.node.core().shards().to_release(), [](Result<>) {});
            s.until("m2 has taken them", [&] { return s.shards_of("m2") > 0; });
            // m2 has read what waits there, and would never look at what comes now.
            s.pass(500ms);
            s.world.gate.release(insert);
            s.settle({"m1", "m2", "w1"});
          }};
}

Scenario h02() {
  return {"H02_AFormerLifeChangesNothing", PlantedBug::skip_the_fence, "without owning its shard",
          [](Story& s) {
            s.start({"m1", "w1"});
            const auto insert = s.world.gate.stop("m1", "accept");
            s.world.submit("m1", {Story::task({})});
            s.until("an insert hangs on its way", [&] { return s.world.gate.has(insert); });
            // m1 crashes and comes back: its shards are its own again, under higher epochs.
            const std::vector<ShardRow> before = s.world.database.shards();
            s.world.crash_master("m1");
            s.start({"m1"});
            const std::vector<ShardRow> after = s.world.database.shards();
            for (std::size_t i = 0; i < after.size(); ++i) EXPECT_GT(after[i].epoch, before[i].epoch);
            s.pass(2s);
            // The frozen connection of its former life wakes.
            s.world.gate.release(insert);
            s.settle({"m1", "w1"});
          }};
}

Scenario h11() {
  return {"H11_AnOlderTokensResultIsRefused", PlantedBug::any_token_will_do, "which still runs",
          [](Story& s) {
            s.cut("m2", "w1");
            s.start({"m1", "m2", "w1", "w2"});
            // Attempt 1 runs on w1 under m1's epoch, and the database knows nothing of it: its mark hangs.
            const auto mark = s.world.gate.stop("m1", "mark_running");
            const TaskId task = s.submit("m1", {.sleep = "10s", .worker = "w1"});
            s.until_it_runs_on("w1", task);
            s.pass(6s);
            // m1 dies. m2 cannot ask w1: attempt 1 runs again, on w2 and under m2's epoch.
            s.world.crash_master("m1");
            s.until_it_runs_on("w2", task);
            s.world.gate.release(mark);
            // w1 can tell its result while w2 still runs: only w2's counts.
            s.until("w1 is done", [&] { return !s.world.witness.runs_on(task, "w1"); });
            s.heal("m2", "w1");
            s.until("w1 has an answer", [&] { return s.results_on("w1") == 0; });
            s.expect("w2 still runs it", s.world.witness.runs_on(task, "w2"));
            s.until_ended(task);
            s.expect("what w1 said is kept as late", s.world.database.late().size() == 1);
            s.settle({"m1", "m2", "w1", "w2"});
          }};
}

Scenario h12() {
  return {"H12_WhoDoesNotOwnAShardJudgesNoResultOfIt", PlantedBug::zombie_judges, "this token ran before",
          [](Story& s) {
            s.start({"m1", "m2", "w1"});
            const TaskId task = s.submit("m2", {.sleep = "2s"});
            s.until_it_runs_on("w1", task);
            // Its result does not get through to m2. After a while w1 offers it to m1, which passes it on.
            s.world.network.hold("w1", "m2");
            s.until("w1 has its result", [&] { return s.results_on("w1") == 1; });
            s.until("w1 has an answer", [&] { return s.results_on("w1") == 0; });
            // What waited for m2 is lost with its channel. Had m1 refused the result, nobody had it now.
            s.world.network.reset("w1", "m2");
            s.pass(2s);
            s.world.network.release("w1", "m2");
            s.settle({"m1", "m2", "w1"});
          }};
}

Scenario h13() {
  return {"H13_ARecordComparesWithTheOneBefore", PlantedBug::record_without_compare, "silent overlap",
          [](Story& s) {
            s.cut("m2", "w2");
            s.start({"m1", "m2", "w1", "w2"});
            // The record (1, w1) comes back unknown, and is repeated. It may still apply: that it cannot is
            // H14's rule, and the comparison alone is tried here.
            const auto first = s.world.gate.stop("m1", "mark_running", Stop::lose_unsettled);
            const auto second = s.world.gate.stop("m1", "mark_running");
            const TaskId task = s.submit("m1", {OnWorkerLost::rerun_after_lease, "20s", "w1"});
            s.until("it is repeated", [&] { return s.world.gate.has(second); });
            // By the time it is there, w1 cannot take it. So (1, w2) is recorded, and w2 runs it.
            s.cut("m1", "w1");
            s.pass(5s);
            s.world.gate.release(second);
            s.until_it_runs_on("w2", task);
            s.expect("w2 is recorded", s.recorded_worker(task) == "w2");
            s.world.gate.release(first);
            // m1 dies. m2 reaches w1 only, and believes the record: w1 would say that it never had it.
            s.world.crash_master("m1");
            s.pass(4s);
            s.heal("m2", "w2");
            s.until_ended(task);
            s.settle({"m1", "m2", "w1", "w2"});
          }};
}

Scenario h14() {
  return {"H14_AnInsertThatCameBackUnknownAppliesNoMore", PlantedBug::settle_nothing,
          "is waiting and ended at once", [](Story& s) {
            s.start({"m1", "w1"});
            // The link to the database breaks with an insert under way. m1 looks, finds nothing, repeats it.
            const auto first = s.world.gate.stop("m1", "accept", Stop::lose);
            const TaskId task = s.submit("m1", {});
            s.expect("the first one is still under way", s.world.gate.has(first));
            s.until_ended(task);
            // The server gets round to the first one.
            s.world.gate.release(first);
            s.settle({"m1", "w1"});
            s.expect("it ran once", s.world.witness.runs() == 1);
          }};
}

INSTANTIATE_TEST_SUITE_P(Ownership, Protocol, testing::Values(h01(), h02(), h11(), h12(), h13(), h14()),
                         name_of);

}  // namespace
}  // namespace ringmaster
