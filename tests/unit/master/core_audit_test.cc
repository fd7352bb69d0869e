// What an audit makes of one master's memory: a dispatch that its worker does not hold, an attempt that
// nobody knows, a row that nobody will read; and what is merely on its way.
#include <gmock/gmock.h>

#include "master/audit.h"
#include "tests/unit/master/core_harness.h"

namespace ringmaster {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Place = SchedulerCore::RowPlace;

AuditSuspicions held(const CoreHarness& harness, const HeldReply& answer) {
  return judge_held(harness.core, "m1", harness.core.held_asks().at(0), answer);
}
std::vector<std::string> checks(const AuditSuspicions& found) {
  std::vector<std::string> names;
  for (const AuditSuspicion& one : found) names.push_back(one.check);
  return names;
}
AuditRow audit_row(const TaskRow& row) {
  AuditRow made;
  made.id = row.id;
  made.rank = row.rank;
  made.group = row.task.group;
  made.run_at = row.run_at;
  made.attempt = row.attempt;
  made.state = static_cast<std::int32_t>(row.state);
  made.worker = row.worker;
  return made;
}

// ---- running_held ----

TEST(AuditMemory, AWorkerIsAskedForWhatWasSentToIt) {
  Dispatched d;
  const auto asks = d.core.held_asks();
  ASSERT_THAT(asks, SizeIs(1));
  EXPECT_EQ(asks[0].worker, "w1");
  EXPECT_EQ(asks[0].link, d.w1);
  EXPECT_THAT(asks[0].believed, ElementsAre(d.token));
}

TEST(AuditMemory, ADispatchThatItsWorkerDoesNotHoldIsFound) {
  Dispatched d;
  const auto found = held(d, {.missing = {d.token}});
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].check, "running_held");
  EXPECT_EQ(found[0].subject, to_string(d.id));
  EXPECT_EQ(confirmed(found, held(d, {.missing = {d.token}})).size(), 1u) << "nothing moved";
}

TEST(AuditMemory, WhatWasHeardOfBeforeTheAnswerCameIsNotMissing) {
  Dispatched ended;
  auto ask = ended.core.held_asks().at(0);
  ended.report(ended.w1, ended.token);
  EXPECT_THAT(judge_held(ended.core, "m1", ask, {.missing = {ended.token}}), IsEmpty());

  Dispatched busy;
  ask = busy.core.held_asks().at(0);
  busy.core.on_message(busy.w1, AckBatch{{{busy.token, AckVerdict::busy}}}, busy.now);
  EXPECT_THAT(judge_held(busy.core, "m1", ask, {.missing = {busy.token}}), IsEmpty());

  Dispatched cut;
  ask = cut.core.held_asks().at(0);
  cut.core.on_link_down(cut.w1, cut.now);
  EXPECT_THAT(judge_held(cut.core, "m1", ask, {.missing = {cut.token}}), IsEmpty());
}

TEST(AuditMemory, ADispatchThatDiedWithItsChannelIsNotBelievedUntilItIsSentAgain) {
  Dispatched d;
  d.core.on_link_down(d.w1, d.now);
  d.connect("w1", d.registered[0].incarnation);  // its inventory is empty
  EXPECT_THAT(d.core.held_asks().at(0).believed, IsEmpty());
}

TEST(AuditMemory, AWorkerThatHasNotToldItsInventoryIsNotAskedButNamed) {
  CoreHarness harness;
  harness.own_all();
  harness.registered.push_back({"w1", "w1:1", "v", Incarnation{5}, {"default"}, 4, 1, harness.now.wall});
  harness.core.on_workers(harness.registered, harness.now);
  EXPECT_THAT(harness.core.held_asks(), IsEmpty());
  EXPECT_THAT(harness.core.cannot_be_asked(), ElementsAre(HasSubstr("w1 is out of reach")));
  harness.core.on_link_up(1, "w1", Incarnation{5}, harness.now);
  EXPECT_THAT(harness.core.cannot_be_asked(), ElementsAre(HasSubstr("w1 has not said yet")));
}

TEST(AuditMemory, AttemptsWithoutAVerdictForLongerThanAnyVerdictTakesAreFound) {
  NewTask task;
  task.on_worker_lost = OnWorkerLost::rerun_after_lease;
  Dispatched d(task);
  d.core.on_link_down(d.w1, d.now);
  const Now later{d.now.mono + minutes(1), d.now.wall + minutes(1)};
  EXPECT_THAT(judge_unreached(d.core, "m1", later), IsEmpty()) << "its lease may run";
  const Now much_later{d.now.mono + minutes(2), d.now.wall + minutes(2)};
  EXPECT_THAT(checks(judge_unreached(d.core, "m1", much_later)), ElementsAre("running_held"));
}

// ---- held_known ----

TEST(AuditMemory, AnAttemptThatNobodyKnowsIsFound) {
  Dispatched d;
  const Token stranger{make_task_id(77, 3), 1, 1};
  const auto found = held(d, {.unknown = {{stranger, HeldState::running, {}}}});
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].check, "held_known");
  EXPECT_EQ(found[0].subject, to_string(stranger.task));
}

TEST(AuditMemory, AnAttemptWithAnotherTokenThanItsOwnersIsFound) {
  Dispatched d;
  Token older = d.token;
  --older.epoch;
  EXPECT_THAT(checks(held(d, {.unknown = {{older, HeldState::running, {}}}})), ElementsAre("held_known"));
}

TEST(AuditMemory, AnAttemptWhoseEndIsBeingCommittedIsKnown) {
  Dispatched d;
  d.report(d.w1, d.token);
  d.take();
  EXPECT_THAT(held(d, {.unknown = {{d.token, HeldState::finished, {}}}}), IsEmpty());
  d.commit();
  EXPECT_THAT(checks(held(d, {.unknown = {{d.token, HeldState::finished, {}}}})), ElementsAre("held_known"))
      << "acknowledged, and still there: the second look decides";
}

TEST(AuditMemory, AnAttemptThatTheStoreIsAskedAboutIsKnown) {
  Dispatched d;
  const Token stranger{make_task_id(77, 3), 1, 1};
  d.report(d.w1, stranger);
  EXPECT_THAT(held(d, {.unknown = {{stranger, HeldState::finished, {}}}}), IsEmpty());
}

TEST(AuditMemory, AWorkerThatHasSeenAHigherEpochIsFound) {
  Dispatched d;
  const auto found = held(d, {.superseded = {{9, 2}}});
  EXPECT_THAT(checks(found), ElementsAre("held_known"));
  EXPECT_THAT(found[0].text, HasSubstr("has seen epoch 2"));
}

// ---- spools_draining ----

TEST(AuditMemory, AResultThatWaitsForHalfAMinuteIsFound) {
  Dispatched d;
  HeldReply reply{.oldest = d.token, .oldest_age = seconds(30)};
  EXPECT_THAT(held(d, reply), IsEmpty());
  reply.oldest_age = seconds(31);
  const auto first = held(d, reply);
  EXPECT_THAT(checks(first), ElementsAre("spools_draining"));
  reply.oldest_age = seconds(33);
  EXPECT_THAT(confirmed(first, held(d, reply)), SizeIs(1)) << "the age is no part of the fact";
  reply.oldest->task = make_task_id(78, 3);
  EXPECT_THAT(confirmed(first, held(d, reply)), IsEmpty()) << "that one was acknowledged meanwhile";
}

// ---- due_known, and rows that run ----

class AuditRows : public testing::Test {
 protected:
  AuditRows() { harness_.own_all(); }
  // A row that is due and that nobody told the master of.
  AuditRow planted(Duration due_for = minutes(1)) {
    TaskRow row = harness_.row();
    row.run_at -= due_for;
    row.rank -= due_for.count();
    return audit_row(row);
  }
  AuditSuspicions judge(const AuditRow& row) { return judge_rows(harness_.core, "m1", {row}, harness_.now); }
  void make_lane_known() {
    harness_.add_worker("w1", 0);
    harness_.accept();
    harness_.answer_reads({});
  }
  CoreHarness harness_;
};

TEST_F(AuditRows, ARowThatWasInsertedBehindTheLanesBackIsFound) {
  make_lane_known();
  EXPECT_EQ(harness_.core.place_of(planted()), Place::forgotten);
  EXPECT_THAT(checks(judge(planted())), ElementsAre("due_known"));
}

TEST_F(AuditRows, ARowOfAGroupThatNobodyKnowsIsFound) {
  AuditRow row = planted();
  row.group = "gpu";
  EXPECT_THAT(checks(judge(row)), ElementsAre("due_known"));
}

TEST_F(AuditRows, OneThatHasJustBecomeDueIsGivenTime) {
  make_lane_known();
  EXPECT_THAT(judge(planted(seconds(10))), IsEmpty());
  EXPECT_THAT(judge(planted(seconds(11))), SizeIs(1));
}

TEST_F(AuditRows, OneThatWaitsInMemoryIsKnown) {
  harness_.add_worker("w1", 0);
  TaskRow row = harness_.row();
  row.run_at -= minutes(1);
  harness_.core.on_accepted({row}, harness_.now);
  EXPECT_EQ(harness_.core.place_of(audit_row(row)), Place::waiting);
  EXPECT_THAT(judge(audit_row(row)), IsEmpty());
}

TEST_F(AuditRows, OneBehindTheWindowIsReadInItsTurn) {
  CoreOptions options;
  options.lane_window = 4;
  options.page_size = 2;
  CoreHarness small(options);
  small.own_all();
  std::vector<TaskRow> rows;
  for (int i = 0; i < 20; ++i) {
    TaskRow row = small.row();
    row.run_at -= minutes(5) - seconds(i);
    row.rank -= Duration(minutes(5) - seconds(i)).count();
    rows.push_back(row);
  }
  small.core.on_groups({"default"});
  small.core.on_workers({}, small.now);
  small.pass(seconds(2));
  small.answer_reads(rows);
  EXPECT_EQ(small.core.place_of(audit_row(rows.front())), Place::waiting);
  EXPECT_EQ(small.core.place_of(audit_row(rows.back())), Place::in_store);
  EXPECT_THAT(judge_rows(small.core, "m1", {audit_row(rows.back())}, small.now), IsEmpty());
}

TEST_F(AuditRows, OneOfAnotherMastersShardIsNotOurs) {
  CoreHarness nobody;
  EXPECT_EQ(nobody.core.place_of(planted()), Place::elsewhere);
}

TEST_F(AuditRows, AQuarantinedOneWaitsForItsRelease) {
  make_lane_known();
  AuditRow row = planted();
  row.state = static_cast<std::int32_t>(TaskState::quarantined);
  row.rank = kQuarantineRank;
  EXPECT_THAT(judge(row), IsEmpty());
}

TEST_F(AuditRows, ARunningRowThatItsOwnerDoesNotHaveIsFound) {
  make_lane_known();
  AuditRow row = planted(seconds(0));
  row.rank -= seconds(1).count();
  row.state = static_cast<std::int32_t>(TaskState::running);
  row.worker = "w1";
  const auto found = judge(row);
  EXPECT_THAT(checks(found), ElementsAre("running_held"));
  EXPECT_THAT(found[0].text, HasSubstr("runs on worker w1, and its owner m1 does not have it in memory"));
}

TEST_F(AuditRows, ARunningRowThatItsOwnerHasWaitingIsFound) {
  harness_.add_worker("w1", 0);
  const TaskRow row = harness_.row();
  harness_.core.on_accepted({row}, harness_.now);
  AuditRow running = audit_row(row);
  running.state = static_cast<std::int32_t>(TaskState::running);
  EXPECT_THAT(checks(judge(running)), ElementsAre("running_held"));
}

TEST(AuditMemory, ARunningRowThatIsOnItsWorkerIsWell) {
  Dispatched d;
  AuditRow row;
  row.id = d.id;
  row.group = "default";
  row.run_at = d.now.wall - minutes(1);
  row.state = static_cast<std::int32_t>(TaskState::running);
  EXPECT_EQ(d.core.place_of(row), Place::in_hand);
  EXPECT_THAT(judge_rows(d.core, "m1", {row}, d.now), IsEmpty());
}

}  // namespace
}  // namespace ringmaster
