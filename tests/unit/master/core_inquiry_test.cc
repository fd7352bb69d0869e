// What a worker says of an attempt that this master did not dispatch is judged by the store, and by an answer
// that is no older than what is being committed.
#include <gmock/gmock.h>

#include "tests/unit/master/core_harness.h"

namespace ringmaster {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(SchedulerCoreInquiry, WaitsUntilTheEndOfItsTaskIsCommitted) {
  Dispatched h({}, 7);
  const LinkId w2 = h.add_worker("w2");
  h.report(h.w1, h.token);
  h.take();
  ASSERT_THAT(h.last.completions, SizeIs(1));
  const Effects ending = h.last;
  const Token older{h.id, 6, 1};  // the same attempt, as the shard's former owner sent it
  h.report(w2, older);
  h.take();
  EXPECT_THAT(h.asked_about(), IsEmpty());
  h.pass(std::chrono::milliseconds(250));
  h.take();
  EXPECT_THAT(h.asked_about(), IsEmpty()) << "the answer would be older than the end";
  h.last = ending;
  h.commit();
  h.take();
  EXPECT_THAT(h.asked_about(), ElementsAre(h.id));
  EXPECT_THAT(h.acknowledged(), SizeIs(1)) << "that of w1";
  h.core.on_lookup(std::get<LookupRead>(h.last.reads.back()),
                   {{.id = h.id, .row = {}, .end = ending.completions[0]}}, h.now);
  h.take();
  ASSERT_THAT(h.last.lates, SizeIs(1)) << "another dispatch of it has counted";
  EXPECT_EQ(h.last.lates[0].token, older);
  h.core.on_late_kept(h.last.lates);
  h.take();
  ASSERT_THAT(h.acknowledged(), SizeIs(1));
  EXPECT_EQ(h.acknowledged()[0].fate, ResultFate::stale);
  EXPECT_EQ(h.last.sends[0].first, w2);
  EXPECT_EQ(h.core.tasks_in_memory(), 0u);
}

TEST(SchedulerCoreInquiry, WaitsUntilTheRetryOfItsTaskIsCommitted) {
  Dispatched h({.retry = {.max_attempts = 2, .backoff = std::chrono::minutes(1)}}, 7);
  const LinkId w2 = h.add_worker("w2");
  h.report(h.w1, h.token, Outcome::failed);
  h.take();
  ASSERT_THAT(h.last.retries, SizeIs(1));
  const Effects ending = h.last;
  const Token older{h.id, 6, 1};
  h.report(w2, older, Outcome::failed);
  h.take();
  EXPECT_THAT(h.asked_about(), IsEmpty());
  h.last = ending;
  h.commit();
  h.take();
  EXPECT_THAT(h.asked_about(), ElementsAre(h.id));
  TaskRow row = h.core.make_row({}, h.id, h.now);
  row.attempt = 2;
  h.core.on_lookup(std::get<LookupRead>(h.last.reads.back()), {{.id = h.id, .row = row, .end = {}}}, h.now);
  h.take();
  ASSERT_THAT(h.last.lates, SizeIs(1));
  EXPECT_EQ(h.last.lates[0].token, older);
  EXPECT_THAT(h.last.retries, IsEmpty()) << "the same failure would be counted twice";
}

TEST(SchedulerCoreInquiry, IsAskedAgainAfterAFailedRead) {
  CoreHarness h;
  h.own_all();
  const LinkId w1 = h.add_worker("w1");
  const Token token{make_task_id(500, 3), 1, 1};
  h.report(w1, token);
  h.take();
  ASSERT_THAT(h.asked_about(), ElementsAre(token.task));
  h.core.read_failed(LookupRead{{token.task}}, h.now);
  h.take();
  EXPECT_THAT(h.asked_about(), IsEmpty()) << "not at once";
  h.pass(std::chrono::milliseconds(200));
  h.take();
  EXPECT_THAT(h.asked_about(), ElementsAre(token.task));
}

}  // namespace
}  // namespace ringmaster
