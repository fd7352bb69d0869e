// Many lanes at once: they share the memory, and those that have workers come first.
#include <set>

#include <gmock/gmock.h>

#include "tests/unit/master/core_harness.h"

namespace ringmaster {
namespace {

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
  EXPECT_LE(most_in_memory_, 20U * 32 + 50) << "the least share of each, and what is on its way";
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
