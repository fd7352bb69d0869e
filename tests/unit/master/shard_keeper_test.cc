// Which shards a master takes, keeps and hands over, over the in-memory store.
#include "master/shard_keeper.h"

#include <gtest/gtest.h>

#include "sql/memory_task_store.h"
#include "tests/sim/manual_loop.h"

namespace ringmaster {
namespace {

using namespace std::chrono_literals;

constexpr Incarnation kSelf{7}, kOther{8};

class ShardKeepers : public testing::Test {
 protected:
  ShardKeepers() {
    store_.open({"m1", kSelf, "a", "b", "v"}, [](Result<std::string> opened) { ASSERT_TRUE(opened); });
    pass(0s);
  }

  void pass(Duration time) {
    loop_.advance(time);
    serve();
  }
  // What the shell does with the core's reads: the store is empty.
  void serve() {
    const Now now{loop_.now(), loop_.wall_now()};
    for (const ReadRequest& read : core_.take_effects(now).reads) {
      if (std::holds_alternative<GroupsRead>(read)) core_.on_groups({});
      if (const auto* due = std::get_if<DueRead>(&read)) core_.on_due(*due, {}, now);
    }
    keeper_.on_progress();
  }
  std::size_t owned() const { return core_.shards().count(); }

  ManualLoop loop_;
  MemoryDatabase database_;
  MemoryTaskStore store_{loop_, database_};
  SchedulerCore core_{"m1", {}};
  bool fenced_ = false;
  ShardKeeper keeper_{loop_,
                      store_,
                      core_,
                      "m1",
                      kSelf,
                      1s,
                      {.now = [this] { return Now{loop_.now(), loop_.wall_now()}; },
                       .changed = [this] { loop_.post([this] { serve(); }); },
                       .hold_writes = [](bool) {},
                       .registry_up = [] { return true; },
                       .writes_idle = [] { return true; },
                       .released = [](const std::vector<ShardId>&) {},
                       .fenced = [this](const Error&) { fenced_ = true; }}};
};

TEST_F(ShardKeepers, TakesItsShareAndLeavesTheOthersForAWhile) {
  keeper_.on_masters({{"m1", kSelf}, {"m2", kOther}});
  pass(1900ms);
  EXPECT_GT(owned(), 0U);
  EXPECT_LT(owned(), 256U);
}

TEST_F(ShardKeepers, TakesWhatItsHeirDoesNotAndHandsItOverLater) {
  keeper_.on_masters({{"m1", kSelf}, {"m2", kOther}});
  pass(1s);
  const std::size_t share = owned();
  pass(3s);
  EXPECT_EQ(owned(), 256U) << "nobody took them";
  pass(26s);
  EXPECT_EQ(owned(), 256U) << "back and forth helps nobody";
  for (int i = 0; i < 60 && owned() != share; ++i) pass(100ms);
  EXPECT_EQ(owned(), share) << "the ring is obeyed in the end";
  EXPECT_FALSE(fenced_);
}

// What a read under way will answer may be older than the doubt: it looks again as soon as that has ended.
TEST_F(ShardKeepers, ADoubtAmidAStepIsLookedIntoAfterIt) {
  keeper_.on_masters({{"m1", kSelf}});
  pass(1500ms);  // it looks each second now
  keeper_.check_soon();
  ASSERT_TRUE(loop_.run_one());  // it reads: the answer is still to come
  MemoryTaskStore other(loop_, database_);
  other.open({"m2", kOther, "a", "b", "v"}, [](Result<std::string> opened) { ASSERT_TRUE(opened); });
  other.take_over(kSelf, [](Result<> done) { ASSERT_TRUE(done); });
  keeper_.check_soon();
  pass(0s);
  EXPECT_TRUE(fenced_);
}

TEST_F(ShardKeepers, WhatItTookForADeadHeirStaysWhenTheRingGivesItToIt) {
  keeper_.on_masters({{"m1", kSelf}, {"m2", kOther}});
  pass(4s);
  ASSERT_EQ(owned(), 256U);
  keeper_.on_masters({{"m1", kSelf}});
  pass(60s);
  EXPECT_EQ(owned(), 256U);
}

}  // namespace
}  // namespace ringmaster
