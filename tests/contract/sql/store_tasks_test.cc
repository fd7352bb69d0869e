// What every TaskStore does with tasks: the two writes, their kin, and what is read of them.
#include <gmock/gmock.h>

#include "tests/contract/sql/store_suite.h"

namespace ringmaster {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using enum WriteFate;

// Every field set to something that is no default.
TaskRow full_row(std::int64_t id) {
  TaskRow row = make_row(id, kStart + 5s, 9);
  row.task.ns = "ns-1";
  row.task.kind = "http";
  row.task.group = "gpu";
  row.task.spec = R"({"text":"größer ≥ 日本 𝄞"})";
  row.task.routing_key = "key ü";
  row.task.routing = Routing::strict;
  row.task.timeout = 90s;
  row.task.start_deadline = 1h;
  row.task.retry = {5, 250ms, 1.1, 7min};
  row.task.on_worker_lost = OnWorkerLost::rerun_after_lease;
  row.task.labels = R"({"b":"2", "a":"1"})";
  row.task.traceparent = "00-abc-def-01";
  row.task.created_by = "somebody";
  row.state = TaskState::delayed;
  row.created_at = kStart + 123us;
  return row;
}

TEST_P(StoreContract, WhatWasAcceptedIsReadBack) {
  ASSERT_TRUE(master().accept({full_row(512), make_row(768)}));
  const auto view = master().get(TaskId{512});
  ASSERT_TRUE(view);
  expect_equal(view->row, full_row(512));
  EXPECT_FALSE(view->result);
  EXPECT_FALSE(view->finished_at);
  EXPECT_THAT(view->attempts, IsEmpty());
  expect_equal(master().get(TaskId{768})->row, make_row(768));
  EXPECT_EQ(master().get(TaskId{1024}).error().code, ErrorCode::not_found);
}

TEST_P(StoreContract, ABatchWithADuplicateIsRefusedAsAWhole) {
  ASSERT_TRUE(master().accept({make_row(256)}));
  const auto refused = master().accept({make_row(512), make_row(256)});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::internal);
  EXPECT_TRUE(refused.error().message.starts_with("23505")) << refused.error().message;
  EXPECT_FALSE(master().get(TaskId{512}));
  EXPECT_FALSE(master().accept({make_row(768), make_row(768)}));
  EXPECT_TRUE(master().accept({make_row(512)})) << "a refusal must not spoil the connection";
}

TEST_P(StoreContract, AnEmptyBatchIsFine) {
  EXPECT_TRUE(master().accept({}));
  EXPECT_THAT(*master().complete({}), IsEmpty());
}

TEST_P(StoreContract, ACompletionMovesTheTaskToItsEnd) {
  TaskRow row = full_row(256);
  ASSERT_TRUE(master().accept({row}));
  Completion item = make_completion(256, 1, TaskState::failed);
  item.result.exit_code = 3;
  item.result.signal = 9;
  item.result.permanent = true;
  item.result.usage = {11, 22, 33};
  item.result.message = "no such file: ä";
  item.result.output_tail = std::string("a\0b\xff\xfe\x80", 6);
  ASSERT_THAT(*master().complete({item}), ElementsAre(applied));

  const auto view = master().get(TaskId{256});
  ASSERT_TRUE(view);
  row.state = TaskState::failed;
  row.worker = "w1";
  row.epoch = 1;
  row.started_at = item.result.started_at;
  expect_equal(view->row, row);
  ASSERT_TRUE(view->result && view->finished_at);
  EXPECT_EQ(view->result->outcome, Outcome::failed);
  EXPECT_EQ(view->result->exit_code, 3);
  EXPECT_EQ(view->result->signal, 9);
  EXPECT_TRUE(view->result->permanent);
  EXPECT_EQ(view->result->usage.max_rss_kib, 33);
  EXPECT_EQ(view->result->started_at, item.result.started_at);
  EXPECT_EQ(view->result->finished_at, item.result.finished_at);
  EXPECT_EQ(view->result->message, item.result.message);
  EXPECT_EQ(view->result->output_tail, item.result.output_tail);
}

TEST_P(StoreContract, ATaskEndsOnce) {
  ASSERT_TRUE(master().accept({make_row(256)}));
  ASSERT_THAT(*master().complete({make_completion(256)}), ElementsAre(applied));
  EXPECT_THAT(*master().complete({make_completion(256)}), ElementsAre(applied)) << "an equal earlier one";
  EXPECT_THAT(*master().complete({make_completion(256, 2)}), ElementsAre(stale));
  EXPECT_THAT(*master().retry({make_retry(256)}), ElementsAre(stale));
  EXPECT_THAT(*master().mark({{{TaskId{256}, 1, 1}, "w1", {9}, kStart}}), ElementsAre(stale));
  EXPECT_EQ(master().list({}).views.size(), 1u);
  EXPECT_EQ(master().get(TaskId{256})->row.attempt, 1);
}

TEST_P(StoreContract, EveryItemOfABatchHasItsOwnFate) {
  ASSERT_TRUE(master().accept({make_row(256), make_row(512), make_row(768)}));
  ASSERT_THAT(*master().complete({make_completion(256)}), ElementsAre(applied));
  ASSERT_THAT(*master().retry({make_retry(512)}), ElementsAre(applied));
  EXPECT_THAT(*master().complete({make_completion(1024), make_completion(768), make_completion(512),
                                  make_completion(256), make_completion(256, 7)}),
              ElementsAre(absent, applied, stale, applied, stale));
  EXPECT_THAT(*master().complete({make_completion(1024)}), ElementsAre(absent));
}

TEST_P(StoreContract, ARetryRecordsTheAttemptAndWhenTheNextMayRun) {
  TaskRow row = full_row(256);
  row.task.group = "default";
  ASSERT_TRUE(master().accept({row}));
  ASSERT_THAT(*master().mark({{{TaskId{256}, 1, 1}, "w1", {9}, kStart, {}}}), ElementsAre(applied));
  Retry first = make_retry(256);
  first.result.message = std::string("bad \xff byte and \0 nul", 20);
  first.result.output_tail = std::string("\0\xff tail", 7);
  first.result.usage = {1, 2, 3};
  first.result.started_at = kStart;
  ASSERT_THAT(*master().retry({first}), ElementsAre(applied));
  Retry second = make_retry(256, 2);
  second.crashes = 1;
  ASSERT_THAT(*master().retry({second}), ElementsAre(applied));

  const TaskView view = *master().get(TaskId{256});
  EXPECT_EQ(view.row.attempt, 3);
  EXPECT_EQ(view.row.failures, 2);
  EXPECT_EQ(view.row.crashes, 1);
  EXPECT_EQ(view.row.state, TaskState::delayed);
  EXPECT_EQ(view.row.run_at, second.run_at);
  EXPECT_EQ(view.row.rank, second.rank);
  EXPECT_EQ(view.row.worker, "");
  EXPECT_FALSE(view.row.started_at);
  ASSERT_EQ(view.attempts.size(), 2u);
  EXPECT_EQ(view.attempts[0].attempt, 1);
  EXPECT_EQ(view.attempts[0].worker, "w1");
  EXPECT_EQ(view.attempts[0].result.exit_code, 7);
  EXPECT_EQ(view.attempts[0].result.message, "bad \uFFFD byte and \uFFFD nul");
  EXPECT_EQ(view.attempts[0].result.output_tail, first.result.output_tail);
  EXPECT_EQ(view.attempts[0].result.usage.system_us, 2);
  EXPECT_EQ(view.attempts[0].result.started_at, kStart);
  EXPECT_EQ(view.attempts[1].attempt, 2);

  ASSERT_THAT(*master().complete({make_completion(256, 3)}), ElementsAre(applied));
  EXPECT_EQ(master().get(TaskId{256})->attempts.size(), 2u) << "the log goes with the task";
}

TEST_P(StoreContract, ARepeatedRetryIsAppliedOnceAndAnOlderOneIsStale) {
  ASSERT_TRUE(master().accept({make_row(256)}));
  ASSERT_THAT(*master().retry({make_retry(256)}), ElementsAre(applied));
  EXPECT_THAT(*master().retry({make_retry(256)}), ElementsAre(applied));
  EXPECT_EQ(master().get(TaskId{256})->attempts.size(), 1u);
  Retry other = make_retry(256);
  other.run_at += 1s;
  EXPECT_THAT(*master().retry({other}), ElementsAre(stale));
  ASSERT_THAT(*master().retry({make_retry(256, 2)}), ElementsAre(applied));
  EXPECT_THAT(*master().retry({make_retry(256)}), ElementsAre(stale));
  EXPECT_THAT(*master().retry({make_retry(512)}), ElementsAre(absent));
}

TEST_P(StoreContract, TheAttemptLogKeepsTheLatestHundred) {
  ASSERT_TRUE(master().accept({make_row(256)}));
  for (Attempt attempt = 1; attempt <= 103; ++attempt) {
    ASSERT_THAT(*master().retry({make_retry(256, attempt)}), ElementsAre(applied));
  }
  const TaskView view = *master().get(TaskId{256});
  ASSERT_EQ(view.attempts.size(), 100u);
  EXPECT_EQ(view.attempts.front().attempt, 4);
  EXPECT_EQ(view.attempts.back().attempt, 103);
}

TEST_P(StoreContract, AMarkRecordsTheWorkerAndADispatchIsNotYetRunning) {
  ASSERT_TRUE(master().accept({make_row(256)}));
  ASSERT_THAT(*master().mark({{{TaskId{256}, 4, 1}, "w1", {9}, {}, {}}}), ElementsAre(applied));
  TaskRow row = master().get(TaskId{256})->row;
  EXPECT_EQ(row.state, TaskState::ready);
  EXPECT_EQ(row.worker, "w1");
  EXPECT_EQ(row.worker_incarnation, Incarnation{9});
  EXPECT_EQ(row.epoch, 4);
  EXPECT_FALSE(row.started_at);
  const RunningMark running{{TaskId{256}, 4, 1}, "w1", {9}, kStart, {9}};
  ASSERT_THAT(*master().mark({running}), ElementsAre(applied));
  EXPECT_THAT(*master().mark({running}), ElementsAre(applied));
  row = master().get(TaskId{256})->row;
  EXPECT_EQ(row.state, TaskState::running);
  EXPECT_EQ(row.started_at, kStart);
  EXPECT_THAT(*master().mark({{{TaskId{256}, 3, 1}, "w0", {8}, kStart, {9}},
                              {{TaskId{256}, 4, 2}, "w1", {9}, kStart, {9}},
                              {{TaskId{512}, 4, 1}, "w1", {9}, kStart, {}}}),
              ElementsAre(stale, stale, absent));
  EXPECT_EQ(master().get(TaskId{256})->row.worker, "w1");
  ASSERT_THAT(*master().complete({make_completion(256)}), ElementsAre(applied));
  EXPECT_THAT(*master().mark({running}), ElementsAre(stale));
}

// The first record came back unknown, its worker was busy, another one got the task: should the first be
// repeated now, the row must not say that it is on the first worker.
TEST_P(StoreContract, AMarkComparesWithTheLifeRecordedBefore) {
  ASSERT_TRUE(master().accept({make_row(256)}));
  const RunningMark first{{TaskId{256}, 4, 1}, "w1", {9}, {}, {}};
  const RunningMark second{{TaskId{256}, 4, 1}, "w2", {8}, {}, {9}};
  EXPECT_THAT(*master().mark({second}), ElementsAre(stale)) << "nothing is recorded yet";
  ASSERT_THAT(*master().mark({first}), ElementsAre(applied));
  ASSERT_THAT(*master().mark({second}), ElementsAre(applied));
  EXPECT_THAT(*master().mark({first}), ElementsAre(stale));
  EXPECT_THAT(*master().mark({{{TaskId{256}, 4, 1}, "w1", {9}, kStart, {}}}), ElementsAre(stale));
  EXPECT_EQ(master().get(TaskId{256})->row.worker_incarnation, Incarnation{8});
  EXPECT_THAT(*master().mark({second}), ElementsAre(applied)) << "a repeat";
  EXPECT_THAT(*master().mark({{{TaskId{256}, 5, 1}, "w3", {7}, {}, {8}}}), ElementsAre(applied))
      << "the next owner's";
  EXPECT_THAT(*master().mark({second}), ElementsAre(stale));
  EXPECT_EQ(master().get(TaskId{256})->row.worker, "w3");
}

TEST_P(StoreContract, ARetryForgetsTheLifeThatWasRecorded) {
  ASSERT_TRUE(master().accept({make_row(256)}));
  ASSERT_THAT(*master().mark({{{TaskId{256}, 4, 1}, "w1", {9}, {}, {}}}), ElementsAre(applied));
  ASSERT_THAT(*master().retry({make_retry(256)}), ElementsAre(applied));
  EXPECT_THAT(*master().mark({{{TaskId{256}, 4, 2}, "w1", {9}, {}, {9}}}), ElementsAre(stale));
  EXPECT_THAT(*master().mark({{{TaskId{256}, 4, 2}, "w1", {9}, {}, {}}}), ElementsAre(applied));
}

TEST_P(StoreContract, ARepeatedRecordDoesNotTakeTheStartAway) {
  ASSERT_TRUE(master().accept({make_row(256)}));
  const RunningMark record{{TaskId{256}, 4, 1}, "w1", {9}, {}, {}};
  ASSERT_THAT(*master().mark({record}), ElementsAre(applied));
  EXPECT_THAT(*master().mark({{{TaskId{256}, 4, 1}, "w1", {9}, kStart, {}}}), ElementsAre(applied))
      << "the same life, which has started now";
  EXPECT_EQ(master().get(TaskId{256})->row.started_at, kStart);
  EXPECT_THAT(*master().mark({record}), ElementsAre(applied));
  const TaskRow row = master().get(TaskId{256})->row;
  EXPECT_EQ(row.started_at, kStart);
  EXPECT_EQ(row.state, TaskState::running);
}

TEST_P(StoreContract, BigSpecsAndTailsSurvive) {
  TaskRow row = make_row(256);
  row.task.spec = R"({"x":")" + std::string(kMaxSpecBytes - 8, 'x') + "\"}";
  ASSERT_TRUE(master().accept({row}));
  Completion item = make_completion(256);
  item.result.output_tail = std::string(kMaxOutputTail + 1, 'o');
  item.result.output_tail.back() = '.';
  ASSERT_THAT(*master().complete({item}), ElementsAre(applied));
  const TaskView view = *master().get(TaskId{256});
  EXPECT_EQ(view.row.task.spec, row.task.spec);
  EXPECT_EQ(view.result->output_tail, item.result.output_tail.substr(1)) << "the end of the tail is kept";
}

TEST_P(StoreContract, LookupTellsRowsEndsAndNothing) {
  ASSERT_TRUE(master().accept({make_row(256), make_row(512)}));
  Completion item = make_completion(512, 1, TaskState::failed);
  item.result.exit_code = 5;
  ASSERT_TRUE(master().complete({item}));
  const auto found = master().lookup({TaskId{512}, TaskId{256}, TaskId{768}, TaskId{256}});
  ASSERT_EQ(found.size(), 4u);
  ASSERT_TRUE(found[0].end);
  EXPECT_EQ(found[0].end->token, item.token);
  EXPECT_EQ(found[0].end->state, TaskState::failed);
  EXPECT_EQ(found[0].end->worker, "w1");
  EXPECT_EQ(found[0].end->result.outcome, item.result.outcome);
  EXPECT_EQ(found[0].end->result.exit_code, 5);
  EXPECT_EQ(found[0].end->result.message, "") << "what may be large is left out";
  EXPECT_FALSE(found[0].row);
  ASSERT_TRUE(found[1].row);
  expect_equal(*found[1].row, make_row(256));
  EXPECT_FALSE(found[1].end);
  EXPECT_FALSE(found[2].row || found[2].end);
  EXPECT_EQ(found[2].id, TaskId{768});
  EXPECT_TRUE(found[3].row);
}

TEST_P(StoreContract, BatchesMayOverlapInFlight) {
  constexpr int kBatches = 30, kSize = 50;
  int accepted = 0, completed = 0;
  for (int b = 0; b < kBatches; ++b) {
    std::vector<TaskRow> rows;
    std::vector<Completion> ends;
    for (int i = 0; i < kSize; ++i) {
      rows.push_back(make_row((b * kSize + i + 1) * 256));
      ends.push_back(make_completion((b * kSize + i + 1) * 256));
    }
    master().store().accept(rows, [&, ends](Result<> result) {
      ASSERT_TRUE(result) << result.error().message;
      accepted += kSize;
      master().store().complete(ends, [&](Result<std::vector<WriteFate>> fates) {
        ASSERT_TRUE(fates) << fates.error().message;
        completed += static_cast<int>(std::ranges::count(*fates, applied));
      });
    });
  }
  ASSERT_TRUE(world().run_until([&] { return completed == kBatches * kSize; }))
      << accepted << ' ' << completed;
  EXPECT_THAT(master().page(std::nullopt, kStart + 24h, all_shards(), 10).rows, IsEmpty());
}

}  // namespace
}  // namespace ringmaster
