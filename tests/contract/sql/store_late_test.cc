// What every TaskStore does with results that came too late, and how a master proves that it lives.
#include <gmock/gmock.h>

#include "tests/contract/sql/store_suite.h"

namespace ringmaster {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using enum WriteFate;

LateResult late_of(std::int64_t id, Attempt attempt, Epoch epoch = 1, std::string message = "late") {
  LateResult item{{TaskId{id}, epoch, attempt}, "w1", {}};
  item.result.message = std::move(message);
  return item;
}

std::vector<std::string> messages(const TaskView& view) {
  std::vector<std::string> found;
  for (const AttemptRecord& record : view.late) found.push_back(record.result.message);
  return found;
}

// ---- late results ----

TEST_P(StoreContract, ALateResultIsKeptAndChangesNothing) {
  ASSERT_TRUE(master().accept({make_row(256)}));
  ASSERT_THAT(*master().retry({make_retry(256)}), ElementsAre(applied));
  const TaskRow row = master().get(TaskId{256})->row;
  LateResult item = late_of(256, 1, 4);
  item.worker = "worker-ä";
  item.result = {.outcome = Outcome::failed,
                 .exit_code = -3,
                 .signal = 9,
                 .started_at = kStart + 1us,
                 .finished_at = kStart + 2us,
                 .usage = {11, 22, 33},
                 .message = "no such file: ä",
                 .output_tail = std::string("a\0b\xff\xfe\x80", 6)};
  ASSERT_THAT(*master().keep_late({item}), ElementsAre(applied));

  const TaskView view = *master().get(TaskId{256});
  expect_equal(view.row, row);
  EXPECT_EQ(view.attempts.size(), 1u);
  ASSERT_EQ(view.late.size(), 1u);
  const AttemptRecord& record = view.late.front();
  EXPECT_EQ(record.attempt, 1);
  EXPECT_EQ(record.epoch, 4);
  EXPECT_EQ(record.worker, "worker-ä");
  EXPECT_EQ(record.result.outcome, Outcome::failed);
  EXPECT_EQ(record.result.exit_code, -3);
  EXPECT_EQ(record.result.signal, 9);
  EXPECT_EQ(record.result.started_at, kStart + 1us);
  EXPECT_EQ(record.result.finished_at, kStart + 2us);
  EXPECT_EQ(record.result.usage.user_us, 11);
  EXPECT_EQ(record.result.usage.system_us, 22);
  EXPECT_EQ(record.result.usage.max_rss_kib, 33);
  EXPECT_EQ(record.result.message, item.result.message);
  EXPECT_EQ(record.result.output_tail, item.result.output_tail);
}

TEST_P(StoreContract, ALateResultIsStoredAsAResultIs) {
  ASSERT_TRUE(master().accept({make_row(256)}));
  LateResult item = late_of(256, 1);
  item.worker.clear();
  item.result.permanent = true;
  item.result.message = std::string("bad \xff byte and \0 nul", 20);
  item.result.output_tail = "x" + std::string(kMaxOutputTail, 'y');
  ASSERT_THAT(*master().keep_late({item}), ElementsAre(applied));
  const AttemptRecord record = master().get(TaskId{256})->late.at(0);
  EXPECT_EQ(record.worker, "");
  EXPECT_FALSE(record.result.permanent) << "there is nothing left to decide";
  EXPECT_EQ(record.result.started_at, WallTime{});
  EXPECT_EQ(record.result.message, "bad \uFFFD byte and \uFFFD nul");
  EXPECT_EQ(record.result.output_tail, std::string(kMaxOutputTail, 'y'));
}

// Until the clock shows another microsecond.
void let_time_pass() {
  for (const WallTime now = read_wall_clock(); read_wall_clock() == now;) {
  }
}

TEST_P(StoreContract, LateResultsComeInTheOrderOfTheirArrival) {
  ASSERT_TRUE(master().accept({make_row(256), make_row(512)}));
  ASSERT_THAT(*master().keep_late({late_of(256, 3, 3, "first"), late_of(512, 1, 1, "another's")}),
              ElementsAre(applied, applied));
  let_time_pass();
  ASSERT_TRUE(master().keep_late({late_of(256, 1, 2, "second")}));
  let_time_pass();
  ASSERT_TRUE(master().keep_late({late_of(256, 7, 1, "fourth"), late_of(256, 2, 1, "third")}));
  EXPECT_THAT(messages(*master().get(TaskId{256})), ElementsAre("first", "second", "third", "fourth"))
      << "what came together is in the order of tokens";
  EXPECT_THAT(messages(*master().get(TaskId{512})), ElementsAre("another's"));
}

TEST_P(StoreContract, OneLateResultOfATokenIsKept) {
  ASSERT_TRUE(master().accept({make_row(256)}));
  ASSERT_THAT(*master().keep_late({late_of(256, 1, 1, "kept"), late_of(256, 1, 1, "again")}),
              ElementsAre(applied, applied));
  EXPECT_THAT(*master().keep_late({late_of(256, 1, 1, "again")}), ElementsAre(applied));
  EXPECT_THAT(*master().keep_late({late_of(256, 1, 1, "again"), late_of(256, 1, 2, "other epoch")}),
              ElementsAre(applied, applied));
  EXPECT_THAT(messages(*master().get(TaskId{256})), ElementsAre("kept", "other epoch"));
  EXPECT_THAT(*master().keep_late({}), IsEmpty());
}

TEST_P(StoreContract, LateResultsOutliveTheirTask) {
  ASSERT_TRUE(master().accept({make_row(256), make_row(512)}));
  ASSERT_TRUE(master().keep_late({late_of(256, 1, 1, "before the end")}));
  ASSERT_THAT(*master().complete({make_completion(256)}), ElementsAre(applied));
  ASSERT_TRUE(master().keep_late({late_of(256, 2, 1, "after it")}));
  const TaskView view = *master().get(TaskId{256});
  EXPECT_THAT(messages(view), ElementsAre("before the end", "after it"));
  EXPECT_EQ(view.row.state, TaskState::succeeded);
  EXPECT_EQ(view.result->message, "");
  ASSERT_TRUE(master().keep_late({late_of(768, 1)}));
  EXPECT_EQ(master().get(TaskId{768}).error().code, ErrorCode::not_found) << "no result makes a task";
  EXPECT_EQ(master().list({}).views.size(), 2u);
  EXPECT_FALSE(master().lookup({TaskId{768}}).front().row);
}

TEST_P(StoreContract, LateResultsGoWhenTheirTimeIsOver) {
  ASSERT_TRUE(master().accept({make_row(256)}));
  ASSERT_TRUE(master().keep_late({late_of(256, 1)}));
  ASSERT_TRUE(master().maintain(2, 24h));
  EXPECT_EQ(master().get(TaskId{256})->late.size(), 1u);
  const auto maintained = master().maintain(2, 0h);
  ASSERT_TRUE(maintained) << maintained.error().message;
  EXPECT_THAT(master().get(TaskId{256})->late, IsEmpty());
}

// ---- proofs ----

TEST_P(StoreContract, AMasterProvesThatItLivesWhileItDoes) {
  EXPECT_TRUE(master().prove());
  ASSERT_TRUE(master().take({1, 2}));
  ASSERT_TRUE(master().release({1}));
  EXPECT_TRUE(master().prove()) << "it has only given up a shard";
  ASSERT_TRUE(master().resign());
  EXPECT_EQ(master().prove().error().code, ErrorCode::fenced);
}

TEST_P(StoreContract, NoProofSucceedsThatBeganAfterATakeOver) {
  Master other(world(), 2, "m2");
  ASSERT_TRUE(other.open());
  std::vector<Result<>> answers;
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(master().prove());
  }
  ASSERT_TRUE(other.take_over(Incarnation{1}));
  for (int i = 0; i < 8; ++i) {
    master().store().prove([&](Result<> answer) { answers.push_back(std::move(answer)); });
  }
  ASSERT_TRUE(world().run_until([&] { return answers.size() == 8; }));
  for (const Result<>& answer : answers) EXPECT_FALSE(answer);
  EXPECT_TRUE(world().run_until([&] {
    const auto answer = master().prove();
    return !answer && answer.error().code == ErrorCode::fenced;
  }));
  EXPECT_TRUE(other.prove());
}

}  // namespace
}  // namespace ringmaster
