#include <gmock/gmock.h>

#include "tests/unit/master/core_harness.h"

namespace ringmaster {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(SchedulerCore, SendsAnAcceptedTaskToAWorkerWithCredit) {
  CoreHarness h;
  h.own_all(7);
  const LinkId w1 = h.add_worker("w1");
  const TaskId id = h.accept();
  h.take();
  ASSERT_THAT(h.dispatched(), SizeIs(1));
  EXPECT_EQ(h.dispatched()[0].first, w1);
  EXPECT_EQ(h.dispatched()[0].second, (Token{id, 7, 1}));
}

TEST(SchedulerCore, NeverSendsMoreThanTheCreditOfAWorker) {
  CoreHarness h;
  h.own_all();
  const LinkId w1 = h.add_worker("w1", 2);
  for (int i = 0; i < 5; ++i) h.accept();
  h.take();
  auto sent = h.dispatched();
  ASSERT_THAT(sent, SizeIs(2));
  h.report(w1, sent[0].second);
  h.take();
  EXPECT_THAT(h.dispatched(), SizeIs(1)) << "a result gives its credit back";
}

TEST(SchedulerCore, SendsNothingBeforeTheInventoryOfANewChannel) {
  CoreHarness h;
  h.own_all();
  h.registered.push_back({"w1", "w1:1", "v", Incarnation{5}, {"default"}, 4, 1, h.now.wall});
  h.core.on_workers(h.registered, h.now);
  h.core.on_link_up(9, "w1", Incarnation{5}, h.now);
  h.core.on_message(9, WorkerStatus{.credit_limit = 10}, h.now);
  const TaskId id = h.accept();
  const std::uint64_t sequence = h.announced(9);
  EXPECT_THAT(h.dispatched(), IsEmpty());
  h.core.on_message(9, Inventory{sequence, true, {}, {}}, h.now);
  h.take();
  ASSERT_THAT(h.dispatched(), SizeIs(1));
  EXPECT_EQ(h.dispatched()[0].second.task, id);
}

TEST(SchedulerCore, RunsTheUrgentBeforeTheOldAndTheAgedBeforeTheUrgent) {
  CoreHarness h;
  h.own_all();
  const TaskId old = h.accept({.priority = 0});
  h.pass(std::chrono::minutes(8));
  const TaskId urgent = h.accept({.priority = 9});
  h.pass(std::chrono::minutes(2));
  const TaskId late_urgent = h.accept({.priority = 9});
  const LinkId w1 = h.add_worker("w1", 1);
  std::vector<TaskId> order;
  for (int i = 0; i < 3; ++i) {
    h.take();
    ASSERT_THAT(h.dispatched(), SizeIs(1));
    order.push_back(h.dispatched()[0].second.task);
    h.report(w1, h.dispatched()[0].second);
  }
  EXPECT_EQ(order, (std::vector<TaskId>{urgent, old, late_urgent}));
}

TEST(SchedulerCore, AFullGroupDoesNotBlockAnother) {
  CoreHarness h;
  h.own_all();
  h.add_worker("w1", 1, {"default"});
  const LinkId w2 = h.add_worker("w2", 1, {"gpu"});
  h.accept();
  h.accept();
  h.accept({.group = "nobody"});
  const TaskId gpu = h.accept({.group = "gpu"});
  h.take();
  EXPECT_THAT(h.dispatched(), ::testing::Contains(std::pair<LinkId, Token>{w2, Token{gpu, 1, 1}}));
  EXPECT_THAT(h.dispatched(), SizeIs(2));
}

TEST(SchedulerCore, StrictTasksWaitForTheirRingOwnerAndLetOthersPass) {
  CoreHarness h;
  h.own_all();
  const LinkId w1 = h.add_worker("w1", 1);
  const LinkId w2 = h.add_worker("w2", 50);
  const HashRing ring({"w1", "w2"});
  std::string key = "a";
  while (*ring.owner(key) != "w1") key += "a";
  const NewTask strict{.routing_key = key, .routing = Routing::strict};
  h.accept(strict);
  const TaskId second = h.accept(strict);
  const TaskId bounded = h.accept({.routing_key = key});
  h.take();
  const auto sent = h.dispatched();
  ASSERT_THAT(sent, SizeIs(2));
  EXPECT_THAT(sent, ::testing::Contains(std::pair<LinkId, Token>{w2, Token{bounded, 1, 1}}));
  const auto first = std::find_if(sent.begin(), sent.end(), [&](const auto& s) { return s.first == w1; });
  ASSERT_NE(first, sent.end());
  h.report(w1, first->second);
  h.take();
  ASSERT_THAT(h.dispatched(), SizeIs(1));
  EXPECT_EQ(h.dispatched()[0], (std::pair<LinkId, Token>{w1, Token{second, 1, 1}}));
}

TEST(SchedulerCore, ABusyAnswerSendsTheTaskElsewhere) {
  CoreHarness h;
  h.own_all();
  const LinkId w1 = h.add_worker("w1");
  const TaskId id = h.accept();
  h.take();
  ASSERT_THAT(h.dispatched(), SizeIs(1));
  const LinkId w2 = h.add_worker("w2");
  h.core.on_message(w1, AckBatch{{{Token{id, 1, 1}, AckVerdict::busy}}}, h.now);
  h.take();
  ASSERT_THAT(h.dispatched(), SizeIs(1));
  EXPECT_EQ(h.dispatched()[0], (std::pair<LinkId, Token>{w2, Token{id, 1, 1}}));
}

TEST(SchedulerCore, DelayedTasksStartWhenDueNotBefore) {
  CoreHarness h;
  h.own_all();
  h.add_worker("w1");
  const TaskId id = h.accept({.run_at = h.now.wall + std::chrono::seconds(3)});
  h.take();
  EXPECT_THAT(h.dispatched(), IsEmpty());
  ASSERT_TRUE(h.core.next_wake());
  EXPECT_EQ(*h.core.next_wake(), h.now.wall + std::chrono::seconds(3));
  h.pass(std::chrono::milliseconds(2'999));
  h.take();
  EXPECT_THAT(h.dispatched(), IsEmpty());
  h.pass(std::chrono::milliseconds(1));
  h.take();
  ASSERT_THAT(h.dispatched(), SizeIs(1));
  EXPECT_EQ(h.dispatched()[0].second.task, id);
}

TEST(SchedulerCore, ATaskThatCannotStartInTimeEndsWithAReason) {
  CoreHarness h;
  h.own_all();
  h.accept({.group = "nobody", .start_deadline = std::chrono::seconds(5)});
  h.take();
  h.pass(std::chrono::seconds(5));
  h.take();
  ASSERT_THAT(h.last.completions, SizeIs(1));
  EXPECT_EQ(h.last.completions[0].state, TaskState::timed_out);
  EXPECT_EQ(h.last.completions[0].result.message,
            "not started within its start_deadline of 5s: no worker serves group nobody");
}

TEST(SchedulerCore, RecordsTheDispatchOfATaskThatMustNotRerunBeforeItSendsIt) {
  CoreHarness h;
  h.own_all();
  const LinkId w1 = h.add_worker("w1");
  const TaskId id = h.accept({.on_worker_lost = OnWorkerLost::fail});
  h.take();
  EXPECT_THAT(h.dispatched(), IsEmpty());
  ASSERT_THAT(h.last.records, SizeIs(1));
  h.commit();
  h.take();
  ASSERT_THAT(h.dispatched(), SizeIs(1));
  EXPECT_EQ(h.dispatched()[0], (std::pair<LinkId, Token>{w1, Token{id, 1, 1}}));
}

TEST(SchedulerCore, SendsNothingWhileFrozen) {
  CoreHarness h;
  h.own_all();
  h.add_worker("w1");
  h.core.freeze();
  h.accept();
  h.take();
  EXPECT_THAT(h.dispatched(), IsEmpty());
  h.core.unfreeze();
  h.take();
  EXPECT_THAT(h.dispatched(), SizeIs(1));
}

}  // namespace
}  // namespace ringmaster
