// What every TaskStore does with its backlog: pages, what becomes due, and lists.
#include <gmock/gmock.h>

#include "tests/contract/sql/store_suite.h"

namespace ringmaster {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

TaskRow in_group(TaskRow row, std::string group) {
  row.task.group = std::move(group);
  return row;
}

TEST_P(StoreContract, PagesComeInRankOrderAndThenById) {
  ASSERT_TRUE(master().accept({make_row(512), make_row(256), make_row(768, kStart - 1s),
                               make_row(1024, kStart, 9), in_group(make_row(1280), "other")}));
  const auto page = master().page(std::nullopt, kStart, all_shards(), 10);
  EXPECT_THAT(ids_of(page.rows), ElementsAre(TaskId{1024}, TaskId{768}, TaskId{256}, TaskId{512}));
  EXPECT_TRUE(page.exhausted);
  EXPECT_EQ(page.last, (PageKey{make_row(512).rank, TaskId{512}}));
}

TEST_P(StoreContract, PagesGoOnAfterTheLastKeyWithoutGapOrRepetition) {
  std::vector<TaskRow> rows;
  for (int i = 0; i < 25; ++i) rows.push_back(make_row(256 * (i + 1), kStart - 1s * (i % 3)));
  ASSERT_TRUE(master().accept(rows));
  std::vector<PageKey> seen;
  std::optional<PageKey> after;
  for (bool exhausted = false; !exhausted;) {
    const auto page = master().page(after, kStart, all_shards(), 10);
    for (const TaskRow& row : page.rows) seen.push_back({row.rank, row.id});
    after = page.last;
    exhausted = page.exhausted;
    ASSERT_LE(seen.size(), rows.size());
  }
  EXPECT_EQ(seen.size(), rows.size());
  EXPECT_TRUE(std::ranges::is_sorted(seen));
}

TEST_P(StoreContract, PagesHoldOnlyOwnedShardsAndWhatIsDue) {
  ASSERT_TRUE(master().accept({make_row(256 + 1), make_row(512 + 2), make_row(768 + 255),
                               make_row(1024 + 1, kStart + 1s, 9), make_row(1280 + 1, kStart + 1s)}));
  std::vector<bool> owned(kShardCount);
  owned[1] = owned[255] = true;
  const auto page = master().page(std::nullopt, kStart, owned, 10);
  EXPECT_THAT(ids_of(page.rows), ElementsAre(TaskId{257}, TaskId{1023}));
  EXPECT_TRUE(page.exhausted);
  EXPECT_THAT(ids_of(master().page(std::nullopt, kStart + 1s, owned, 10).rows),
              ElementsAre(TaskId{1025}, TaskId{257}, TaskId{1023}, TaskId{1281}));
}

TEST_P(StoreContract, AnEmptyLaneIsExhausted) {
  const PageKey after{5, TaskId{6}};
  const auto page = master().page(after, kStart, all_shards(), 10);
  EXPECT_TRUE(page.exhausted);
  EXPECT_EQ(page.last, after);
}

TEST_P(StoreContract, WhatBecomesDueIsFoundInEveryGroupAndPriority) {
  std::vector<TaskRow> rows;
  std::vector<TaskId> due;
  std::int64_t id = 0;
  for (const std::string group : {"default", "gpu", "z"}) {
    for (int priority = 0; priority <= kMaxPriority; ++priority) {
      for (const Duration offset : {Duration(0us), Duration(1us), Duration(10s), Duration(10s + 1us)}) {
        rows.push_back(in_group(make_row(id += 256, kStart + offset, priority), group));
        if (offset == 1us || offset == 10s) due.push_back(TaskId{id});
      }
    }
  }
  ASSERT_TRUE(master().accept(rows));
  EXPECT_THAT(ids_of(master().page_due(kStart, kStart + 10s, all_shards(), 1000)),
              testing::UnorderedElementsAreArray(due));
  EXPECT_EQ(master().page_due(kStart, kStart + 10s, all_shards(), 7).size(), 7u);
  EXPECT_THAT(master().page_due(kStart, kStart + 10s, std::vector<bool>(kShardCount), 7), IsEmpty());
}

TEST_P(StoreContract, GroupsAreThoseOfWaitingTasks) {
  EXPECT_THAT(*master().groups(), IsEmpty());
  ASSERT_TRUE(master().accept({make_row(256), in_group(make_row(512), "b"), in_group(make_row(768), "a"),
                               in_group(make_row(1024), "a")}));
  ASSERT_TRUE(master().complete({make_completion(256)}));
  EXPECT_THAT(*master().groups(), UnorderedElementsAre("a", "b"));
}

TEST_P(StoreContract, ListsReadWaitingAndEndedTasksAsOne) {
  std::vector<TaskRow> rows;
  for (int i = 1; i <= 9; ++i) rows.push_back(make_row(256 * i));
  ASSERT_TRUE(master().accept(rows));
  ASSERT_TRUE(master().complete({make_completion(512), make_completion(1024), make_completion(2304)}));
  std::vector<TaskId> seen;
  ListRequest request{.limit = 4};
  for (int pages = 0; pages < 4; ++pages) {
    const ListReply reply = master().list(request);
    for (const TaskView& view : reply.views) seen.push_back(view.row.id);
    if (!reply.next) break;
    EXPECT_EQ(*reply.next, seen.back());
    request.after = reply.next;
  }
  ASSERT_EQ(seen.size(), 9u);
  EXPECT_TRUE(std::ranges::is_sorted(seen));
  request = {.limit = 9};
  EXPECT_FALSE(master().list(request).next) << "exactly the limit";
}

TEST_P(StoreContract, ListsFilter) {
  TaskRow other = make_row(256);
  other.task.ns = "prod";
  other.task.kind = "http";
  ASSERT_TRUE(master().accept({other, make_row(512), in_group(make_row(768), "gpu"), make_row(1024)}));
  ASSERT_TRUE(master().complete({make_completion(1024), make_completion(768, 1, TaskState::failed)}));
  const auto ids = [&](ListRequest request) {
    std::vector<TaskId> out;
    for (const TaskView& view : master().list(std::move(request)).views) out.push_back(view.row.id);
    return out;
  };
  EXPECT_THAT(ids({.ns = "prod"}), ElementsAre(TaskId{256}));
  EXPECT_THAT(ids({.group = "gpu"}), ElementsAre(TaskId{768}));
  EXPECT_THAT(ids({.kind = "http"}), ElementsAre(TaskId{256}));
  EXPECT_THAT(ids({.states = {TaskState::succeeded, TaskState::ready}}),
              ElementsAre(TaskId{256}, TaskId{512}, TaskId{1024}));
  EXPECT_THAT(ids({.ns = "prod", .states = {TaskState::failed}}), IsEmpty());
}

TEST_P(StoreContract, ListsFilterByLabelAndTime) {
  std::vector<TaskRow> rows;
  for (int i = 1; i <= 4; ++i) {
    rows.push_back(make_row(256 * i));
    rows.back().created_at = kStart + i * 1min;
  }
  rows[0].task.labels = R"({"team": "data", "stage": "prod"})";
  rows[1].task.labels = R"({"team": "web"})";
  rows[3].task.labels = R"({"stage": "prod", "team": "data", "owner": "me"})";
  ASSERT_TRUE(master().accept(rows));
  ASSERT_TRUE(master().complete({make_completion(1024)}));
  const auto ids = [&](ListRequest request) {
    std::vector<TaskId> out;
    for (const TaskView& view : master().list(std::move(request)).views) out.push_back(view.row.id);
    return out;
  };
  EXPECT_THAT(ids({.labels = R"({"team": "data"})"}), ElementsAre(TaskId{256}, TaskId{1024}));
  EXPECT_THAT(ids({.labels = R"({"team": "data", "owner": "me"})"}), ElementsAre(TaskId{1024}));
  EXPECT_THAT(ids({.labels = R"({"team": "dat"})"}), IsEmpty());
  EXPECT_THAT(ids({.created_from = kStart + 2min}), ElementsAre(TaskId{512}, TaskId{768}, TaskId{1024}));
  EXPECT_THAT(ids({.created_before = kStart + 2min}), ElementsAre(TaskId{256}));
  EXPECT_THAT(ids({.created_from = kStart + 2min, .created_before = kStart + 4min}),
              ElementsAre(TaskId{512}, TaskId{768}));
}

TEST_P(StoreContract, HistoryIsDroppedOnceItsDayIsLongPast) {
  ASSERT_TRUE(master().accept({make_row(256)}));
  ASSERT_TRUE(master().complete({make_completion(256)}));
  ASSERT_TRUE(master().maintain(2, 24h));
  EXPECT_TRUE(master().get(TaskId{256})) << "it ended today";
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Stores, StoreContract, testing::Values("Memory", "Postgres"),
                         [](const auto& param) { return param.param; });

}  // namespace ringmaster
