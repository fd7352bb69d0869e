// Strict tasks whose one worker has no credit are parked; they belong to their lane's window all the same.
#include <gmock/gmock.h>

#include "tests/unit/master/core_harness.h"

namespace ringmaster {
namespace {

using ::testing::IsEmpty;

// Strict tasks of w1, which has no credit, in a window of ten. w2 has credit for others.
struct Parked : CoreHarness {
  LinkId w1 = 0, w2 = 0;
  std::vector<TaskRow> rows;  // all of them, in rank order

  explicit Parked(int tasks, NewTask task = {}) : CoreHarness({.lane_window = 10, .page_size = 4}) {
    own_all();
    w1 = add_worker("w1", 0);
    w2 = add_worker("w2", 50);
    const HashRing ring({"w1", "w2"});
    task.routing = Routing::strict;
    do {
      task.routing_key += "a";
    } while (*ring.owner(task.routing_key) != "w1");
    for (int i = 0; i < tasks; ++i) {
      rows.push_back(row(task));
      core.on_accepted({rows.back()}, now);
      take();
      EXPECT_THAT(dispatched(), IsEmpty());
    }
  }
  ClusterReply::Lane lane() const { return core.lanes().at(0); }
  std::vector<bool> in_memory() const {
    std::vector<bool> result;
    for (const TaskRow& row : rows) result.push_back(core.live(row.id).has_value());
    return result;
  }
};

TEST(SchedulerCoreParking, ParkedTasksAreCountedUntilTheyGo) {
  Parked h(5);
  EXPECT_EQ(h.lane().waiting_in_memory, 5u);
  h.core.on_message(h.w1, WorkerStatus{.credit_limit = 3}, h.now);
  h.take();
  EXPECT_EQ(h.dispatched().size(), 3u);
  EXPECT_EQ(h.lane().waiting_in_memory, 2u);
  h.add_worker("w3");  // the ring changes: all are looked at again
  h.core.on_message(h.w1, WorkerStatus{.credit_limit = 50}, h.now);
  h.take();
  EXPECT_EQ(h.lane().waiting_in_memory, 0u);
}

TEST(SchedulerCoreParking, AParkedTaskThatEndsIsNotCountedAnyMore) {
  Parked h(3, {.start_deadline = std::chrono::seconds(2)});
  h.pass(std::chrono::seconds(2));
  h.take();
  EXPECT_EQ(h.last.completions.size(), 3u);
  EXPECT_EQ(h.lane().waiting_in_memory, 0u);
  h.core.on_message(h.w1, WorkerStatus{.credit_limit = 50}, h.now);
  h.take();
  EXPECT_THAT(h.dispatched(), IsEmpty());
}

TEST(SchedulerCoreParking, ParkedTasksBeyondTheWindowLeaveMemoryLastOnesFirst) {
  Parked h(30);
  EXPECT_EQ(h.core.tasks_in_memory(), 10u);
  EXPECT_EQ(h.lane().waiting_in_memory, 10u);
  EXPECT_TRUE(h.lane().more_in_store);
  std::vector<bool> expected(30, false);
  std::fill_n(expected.begin(), 10, true);
  EXPECT_EQ(h.in_memory(), expected);
}

TEST(SchedulerCoreParking, WhatIsLastLeavesFirstWhetherParkedOrReady) {
  Parked h(5);
  h.core.on_message(h.w2, WorkerStatus{.credit_limit = 0}, h.now);
  std::vector<TaskId> urgent;
  for (int i = 0; i < 8; ++i) urgent.push_back(h.accept({.priority = 9}));
  h.take();
  EXPECT_EQ(h.in_memory(), (std::vector<bool>{true, true, false, false, false}));
  for (const TaskId id : urgent) EXPECT_TRUE(h.core.live(id));
  const TaskId late = h.accept({.priority = 0});
  h.take();
  EXPECT_FALSE(h.core.live(late));
  EXPECT_EQ(h.core.tasks_in_memory(), 10u);
}

TEST(SchedulerCoreParking, ParkedTasksThatLeftMemoryRunInTheirTurn) {
  Parked h(30);
  h.core.on_message(h.w1, WorkerStatus{.credit_limit = 50}, h.now);
  std::vector<TaskId> order, expected;
  for (const TaskRow& row : h.rows) expected.push_back(row.id);
  for (int round = 0; round < 100 && order.size() < 30; ++round) {
    h.take();
    for (const auto& [link, token] : h.dispatched()) {
      EXPECT_EQ(link, h.w1);
      order.push_back(token.task);
    }
    for (const ReadRequest& read : std::vector<ReadRequest>(h.last.reads)) h.answer(read, h.rows);
    EXPECT_LE(h.lane().waiting_in_memory, 10u);
  }
  EXPECT_EQ(order, expected);
}

}  // namespace
}  // namespace ringmaster
