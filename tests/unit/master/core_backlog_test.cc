// Tasks that wait in the store: they are read in rank order, memory stays within its windows; many lanes
// share it, and those that have workers come first.
#include <set>

#include <gmock/gmock.h>

#include "tests/unit/master/core_harness.h"

namespace ringmaster {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(SchedulerCoreBacklog, WaitsForADrainingWorkerThatMayHoldATask) {
  CoreHarness h;
  const TaskRow row = h.row();
  const Token token{row.id, 1, 1};
  const LinkId w1 = h.add_worker("w1"), w2 = h.add_worker("w2");
  h.core.on_message(w1, WorkerStatus{.credit_limit = 0, .draining = true}, h.now);
  h.take();
  h.core.on_shards_taken({{row.id.shard(), 2}}, h.now);
  const std::uint64_t asked1 = h.announced(w1);
  const std::uint64_t asked2 = [&] {
    for (const auto& [to, message] : h.last.sends) {
      const auto* announce = std::get_if<Announce>(&message);
      if (announce != nullptr && to == w2) return announce->sequence;
    }
    return std::uint64_t{0};
  }();
  h.core.on_message(w2, Inventory{asked2, true, {}, {}}, h.now);
  h.answer_reads({row});
  EXPECT_THAT(h.dispatched(), IsEmpty()) << "w1 has not spoken yet";
  h.core.on_message(w1, Inventory{asked1, true, {}, {{token, HeldState::running, h.now.wall}}}, h.now);
  h.answer_reads({row});
  EXPECT_THAT(h.dispatched(), IsEmpty());
  EXPECT_EQ(h.core.counters().adopted, 1u);
}

TEST(SchedulerCoreBacklog, WaitsForTheInventoriesOfTheGroupThenPagesInRankOrder) {
  CoreHarness h({.page_size = 3});
  std::vector<TaskRow> rows;
  for (int i = 0; i < 10; ++i) {
    rows.push_back(h.row());
    h.now.wall += std::chrono::milliseconds(1);
  }
  h.registered.push_back({"w1", "w1:1", "v", Incarnation{5}, {"default"}, 4, 1, h.now.wall});
  h.core.on_workers(h.registered, h.now);
  std::vector<ShardEpoch> all;
  for (int i = 0; i < kShardCount; ++i) all.push_back({static_cast<ShardId>(i), 1});
  h.core.on_shards_taken(all, h.now);
  h.answer_reads(rows);
  EXPECT_EQ(h.core.tasks_in_memory(), 0u) << "w1 has not said what it holds";
  const LinkId w1 = h.connect("w1", Incarnation{5});
  h.core.on_message(w1, WorkerStatus{.credit_limit = 100}, h.now);
  std::vector<TaskId> order;
  for (int round = 0; round < 10; ++round) {
    h.take();
    for (const auto& [link, token] : h.dispatched()) order.push_back(token.task);
    for (const ReadRequest& read : std::vector<ReadRequest>(h.last.reads)) h.answer(read, rows);
  }
  ASSERT_THAT(order, SizeIs(10));
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(SchedulerCoreBacklog, ARowThatWasReadBeforeItsTaskEndedDoesNotComeBack) {
  Dispatched h;
  // A page is being read while the task ends; its snapshot still has the row.
  const TaskRow stale = [&] {
    TaskRow row = h.core.make_row({}, h.id, h.now);
    return row;
  }();
  h.core.on_shards_taken({{0, 2}}, h.now);
  h.pass(std::chrono::seconds(1));
  for (int i = 0; i < 3; ++i) {
    h.take();
    for (const ReadRequest& read : std::vector<ReadRequest>(h.last.reads)) {
      if (std::holds_alternative<GroupsRead>(read)) {
        h.core.on_groups({"default"});
      } else if (std::holds_alternative<PageRead>(read)) {
        h.report(h.w1, h.token);
        h.take();
        h.commit();
        h.core.on_page(std::get<PageRead>(read), {stale}, {stale.rank, stale.id}, true, h.now);
      }
    }
  }
  h.take();
  EXPECT_THAT(h.dispatched(), IsEmpty());
  EXPECT_EQ(h.core.tasks_in_memory(), 0u);
}

TEST(SchedulerCoreBacklog, MemoryStaysWithinTheWindowAndNothingIsForgotten) {
  CoreHarness h({.lane_window = 10, .page_size = 4});
  h.own_all();
  std::vector<TaskRow> rows;
  for (int i = 0; i < 100; ++i) {
    rows.push_back(h.row());
    h.core.on_accepted({rows.back()}, h.now);
    h.take();
    EXPECT_LE(h.core.tasks_in_memory(), 15u);
  }
  const LinkId w1 = h.add_worker("w1", 2);
  std::set<TaskId> ran;
  for (int round = 0; round < 1'000 && ran.size() < 100; ++round) {
    h.take();
    const auto sent = h.dispatched();
    for (const ReadRequest& read : std::vector<ReadRequest>(h.last.reads)) h.answer(read, rows);
    for (const auto& [link, token] : sent) {
      EXPECT_TRUE(ran.insert(token.task).second);
      h.report(w1, token);
    }
    Effects more = h.core.take_effects(h.now);
    for (const Completion& done : more.completions) {
      std::erase_if(rows, [&](const TaskRow& row) { return row.id == done.token.task; });
    }
    for (const ReadRequest& read : more.reads) h.answer(read, rows);
    h.core.on_completed(more.completions,
                        std::vector<WriteFate>(more.completions.size(), WriteFate::applied));
    for (const auto& [link, message] : more.sends) {
      if (const auto* batch = std::get_if<DispatchBatch>(&message)) {
        for (const Dispatch& item : batch->items) {
          EXPECT_TRUE(ran.insert(item.token.task).second);
          h.report(w1, item.token);
        }
      }
    }
    h.pass(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(ran.size(), 100u);
}

NewTask of_group(int group) {
  NewTask task;
  task.group = "g" + std::to_string(group);
  return task;
}

std::vector<std::string> pages_of(const Effects& effects) {
  std::vector<std::string> groups;
  for (const ReadRequest& read : effects.reads) {
    if (const auto* page = std::get_if<PageRead>(&read)) groups.push_back(page->group);
  }
  return groups;
}

class ManyLanes : public testing::Test {
 protected:
  static constexpr int kLanes = 20, kEach = 200;

  // Whatever is asked of the store and said to workers, until nothing more happens.
  void serve(LinkId worker) {
    for (int round = 0; round < 20'000 && !rows_.empty(); ++round) {
      Effects effects = h_.core.take_effects(h_.now);
      most_in_memory_ = std::max(most_in_memory_, h_.core.tasks_in_memory());
      std::erase_if(rows_, [&](const TaskRow& row) {
        return std::ranges::any_of(effects.completions,
                                   [&](const Completion& done) { return done.token.task == row.id; });
      });
      for (const ReadRequest& read : effects.reads) h_.answer(read, rows_);
      h_.core.on_completed(effects.completions,
                           std::vector<WriteFate>(effects.completions.size(), WriteFate::applied));
      for (const auto& [link, message] : effects.sends) {
        const auto* batch = std::get_if<DispatchBatch>(&message);
        if (batch == nullptr) continue;
        for (const Dispatch& item : batch->items) {
          EXPECT_TRUE(ran_.insert(item.token.task).second) << "sent twice";
          h_.report(worker, item.token);
        }
      }
      h_.pass(std::chrono::milliseconds(1));
    }
  }

  CoreHarness h_{{.lane_window = 100, .waiting_window = 400, .page_size = 50}};
  std::vector<TaskRow> rows_;  // of the store
  std::set<TaskId> ran_;
  std::size_t most_in_memory_ = 0;
};

TEST_F(ManyLanes, ShareTheMemoryAndNothingIsForgotten) {
  h_.own_all();
  for (int i = 0; i < kLanes * kEach; ++i) {
    rows_.push_back(h_.row(of_group(i % kLanes)));
    h_.core.on_accepted({rows_.back()}, h_.now);
    h_.take();
    most_in_memory_ = std::max(most_in_memory_, h_.core.tasks_in_memory());
  }
  EXPECT_LE(most_in_memory_, 400U + 400 / 8 + 1);
  std::vector<std::string> groups;
  for (int i = 0; i < kLanes; ++i) groups.push_back(of_group(i).group);
  most_in_memory_ = 0;
  serve(h_.add_worker("w1", 50, groups));
  EXPECT_EQ(ran_.size(), static_cast<std::size_t>(kLanes * kEach));
  EXPECT_LE(most_in_memory_, 400U + 50 + 50) << "the window, what is on its way, and a page";
}

TEST_F(ManyLanes, ThoseWithWorkersAreReadFirstAndAFewAtATime) {
  h_.own_all();
  std::vector<TaskRow> rows;
  for (int i = 0; i < kLanes; ++i) rows.push_back(h_.row(of_group(i)));
  h_.add_worker("w1", 50, {"g17", "g3"});
  std::vector<ShardEpoch> all;
  for (int i = 0; i < kShardCount; ++i) all.push_back({static_cast<ShardId>(i), 2});
  h_.core.on_shards_taken(all, h_.now);
  h_.pass(std::chrono::seconds(2));  // nobody waits for inventories any more
  std::vector<std::string> pages = pages_of(h_.take());
  for (const ReadRequest& read : std::vector<ReadRequest>(h_.last.reads)) {
    if (std::holds_alternative<GroupsRead>(read)) h_.answer(read, rows);
  }
  EXPECT_THAT(pages, testing::UnorderedElementsAre("g17", "g3"));
  for (const std::string& group : pages_of(h_.take())) pages.push_back(group);
  EXPECT_THAT(pages, testing::SizeIs(8));
  EXPECT_EQ(std::set(pages.begin(), pages.end()).size(), 8U) << "each is read once";
}

// Thousands of lanes with workers have small shares: eight pages at a time would starve them.
TEST_F(ManyLanes, TheSmallerTheirPagesTheMoreAreReadAtOnce) {
  std::vector<std::string> groups;
  std::vector<TaskRow> rows;
  for (int i = 0; i < kLanes; ++i) {
    groups.push_back(of_group(i).group);
    rows.push_back(h_.row(of_group(i)));
  }
  h_.own_all();
  h_.add_worker("w1", 50, groups);
  std::vector<ShardEpoch> all;
  for (int i = 0; i < kShardCount; ++i) all.push_back({static_cast<ShardId>(i), 2});
  h_.core.on_shards_taken(all, h_.now);
  h_.pass(std::chrono::seconds(2));  // nobody waits for inventories any more
  h_.take();
  int pages = 0, most_rows = 0;
  for (int turn = 0; turn < 2; ++turn) {
    for (const ReadRequest& read : std::vector<ReadRequest>(h_.last.reads)) {
      if (std::holds_alternative<GroupsRead>(read)) h_.answer(read, rows);
      const auto* page = std::get_if<PageRead>(&read);
      if (page == nullptr) continue;
      ++pages;
      most_rows += page->limit;
    }
    h_.take();
  }
  EXPECT_GT(pages, 8);
  EXPECT_LE(most_rows, 8 * 50 + 32) << "as many rows as eight whole pages have";
}

// As at a start: the lanes are known before their workers.
TEST_F(ManyLanes, OneThatGetsAWorkerPassesThoseWithout) {
  std::vector<TaskRow> rows;
  for (int i = 0; i < kLanes; ++i) rows.push_back(h_.row(of_group(i)));
  std::vector<ShardEpoch> all;
  for (int i = 0; i < kShardCount; ++i) all.push_back({static_cast<ShardId>(i), 1});
  h_.core.on_shards_taken(all, h_.now);
  h_.take();
  for (const ReadRequest& read : std::vector<ReadRequest>(h_.last.reads)) h_.answer(read, rows);
  EXPECT_THAT(pages_of(h_.take()), testing::IsEmpty()) << "nobody knows yet who is alive";
  h_.core.on_workers({{"w1", "w1:1", "v", Incarnation{101}, {"g9"}, 4, 1, h_.now.wall}}, h_.now);
  h_.pass(std::chrono::seconds(2));  // nobody waits for its inventory any more
  const auto pages = pages_of(h_.take());
  EXPECT_THAT(pages, testing::SizeIs(8));
  EXPECT_THAT(pages, testing::Contains("g9"));
}

// Who has no credit for us divides it among those of whose demand it knows.
TEST_F(ManyLanes, AWorkerWithoutCreditIsToldOfDemandAtOnce) {
  h_.own_all();
  h_.accept(of_group(1));
  h_.take();
  const LinkId link = h_.add_worker("w1", 0, {"g1"});
  h_.core.on_link_down(link, h_.now);
  const LinkId again = h_.connect("w1", h_.incarnation_of("w1"));
  bool told = false;
  for (const auto& [to, message] : h_.last.sends) {
    const auto* status = std::get_if<MasterStatus>(&message);
    told |= to == again && status != nullptr && status->demand > 0;
  }
  EXPECT_TRUE(told);
}

}  // namespace
}  // namespace ringmaster
