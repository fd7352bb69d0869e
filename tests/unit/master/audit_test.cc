// What an audit makes of facts: each violation planted, and its innocent twin beside it.
#include "master/audit.h"

#include <gmock/gmock.h>

namespace ringmaster {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr Incarnation kM1{11}, kM2{22};
const WallTime kNow = from_unix_micros(1'767'225'600'000'000);

std::vector<ShardRow> covered() {
  std::vector<ShardRow> rows;
  for (int i = 0; i < kShardCount; ++i) rows.push_back({static_cast<ShardId>(i), kM1, "m1", 4, true});
  return rows;
}
std::vector<std::string> subjects(const AuditSuspicions& found) {
  std::vector<std::string> all;
  for (const AuditSuspicion& one : found) all.push_back(one.check + " " + one.subject);
  return all;
}

// ---- shards_covered ----

TEST(AuditJudge, EveryShardWithALivingOwnerIsCovered) {
  EXPECT_THAT(judge_shards(covered()), IsEmpty());
}

TEST(AuditJudge, AShardWithoutAnOwnerOrWithADeadOneOrWithoutARowIsFound) {
  auto rows = covered();
  rows[7].owner = {};
  rows[7].owner_node.clear();
  rows[7].owner_alive = false;
  rows[9].owner_alive = false;
  rows.pop_back();
  EXPECT_THAT(subjects(judge_shards(rows)),
              ElementsAre("shards_covered shard 7", "shards_covered shard 9", "shards_covered shard 255"));
}

TEST(AuditJudge, AShardThatChangedHandsBetweenTheLooksIsNoFinding) {
  auto before = covered(), after = covered();
  before[7].owner_alive = false;
  after[7].owner_alive = false;
  EXPECT_THAT(confirmed(judge_shards(before), judge_shards(after)), SizeIs(1));
  after[7].epoch = 5;
  EXPECT_THAT(confirmed(judge_shards(before), judge_shards(after)), IsEmpty());
  EXPECT_THAT(confirmed(judge_shards(before), judge_shards(covered())), IsEmpty());
}

// ---- owners_live ----

TEST(AuditJudge, ALivingRowOfAMasterThatIsShownOrAnswersIsWell) {
  EXPECT_THAT(judge_masters({{kM1, "m1", true, 4, {}}, {kM2, "m2", true, 4, {}}}, {kM1, kM2}), IsEmpty());
}

TEST(AuditJudge, ALivingRowOfNobodyIsFound) {
  const auto found = judge_masters({{kM1, "m1", true, 4, {}}, {kM2, "m2", true, 4, {}}}, {kM1});
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_THAT(found[0].subject, HasSubstr("master m2"));
  EXPECT_THAT(found[0].text, HasSubstr("not in the registry"));
}

TEST(AuditJudge, FenceRowsOfTheDeadAreFound) {
  const auto found = judge_masters({{kM2, "m2", false, 3, {}}, {Incarnation{99}, "", false, 1, {}}}, {});
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_THAT(found[0].text, HasSubstr("3 fence rows"));
  EXPECT_THAT(found[1].text, HasSubstr("no master that ever was"));
}

TEST(AuditJudge, TwoLivingRowsOfOneNodeAreFound) {
  EXPECT_THAT(subjects(judge_masters({{kM1, "m1", true, 4, {}}, {kM2, "m1", true, 4, {}}}, {kM1, kM2})),
              ElementsAre("owners_live master m1"));
}

// ---- masters_agree ----

AuditMaster believes(Incarnation who, Epoch epoch) {
  AuditMaster master{"m1", who, {}};
  for (int i = 0; i < kShardCount; ++i) master.shards.push_back({static_cast<ShardId>(i), epoch});
  return master;
}

TEST(AuditJudge, AMasterThatOwnsWhatTheDatabaseSaysAgrees) {
  EXPECT_THAT(judge_beliefs(covered(), {believes(kM1, 4)}), IsEmpty());
  EXPECT_THAT(judge_beliefs(covered(), {believes(kM1, 4), {"m2", kM2, {}}}), IsEmpty());
}

TEST(AuditJudge, AnotherEpochAnotherOwnerAndAShardThatItDoesNotKnowOfAreFound) {
  EXPECT_THAT(judge_beliefs(covered(), {believes(kM1, 3)}), SizeIs(kShardCount));
  EXPECT_THAT(judge_beliefs(covered(), {believes(kM1, 4), {"m2", kM2, {{8, 3}}}}), SizeIs(1));
  auto master = believes(kM1, 4);
  master.shards.erase(master.shards.begin() + 8);
  const auto found = judge_beliefs(covered(), {master});
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].subject, "shard 8");
  EXPECT_THAT(found[0].text, HasSubstr("does not own it; in the database it does, under epoch 4"));
}

// ---- history_final, history_unique ----

AuditRow row() {
  AuditRow made;
  made.id = TaskId{256};
  made.attempt = 2;
  made.failures = 1;
  made.state = static_cast<std::int32_t>(TaskState::delayed);
  made.run_at = kNow;
  return made;
}

TEST(AuditJudge, AWaitingRowIsWell) {
  EXPECT_THAT(judge_states({row()}, kNow), IsEmpty());
}

TEST(AuditJudge, AnEndedStateAndImpossibleNumbersInTaskAreFound) {
  AuditRow ended = row(), failures = row(), crashes = row(), attempt = row(), negative = row();
  ended.state = static_cast<std::int32_t>(TaskState::succeeded);
  failures.failures = 2;
  crashes.crashes = 2;
  attempt.attempt = 0;
  negative.state = -1;
  for (const AuditRow& odd : {ended, failures, crashes, attempt, negative})
    EXPECT_THAT(subjects(judge_states({odd}, kNow)), ElementsAre("history_final " + to_string(odd.id)));
}

TEST(AuditJudge, ACancelIsGivenTimeAndNotForEver) {
  AuditRow cancelled = row();
  cancelled.cancel_requested_at = kNow - minutes(2);
  EXPECT_THAT(judge_states({cancelled}, kNow), IsEmpty());
  EXPECT_THAT(judge_states({cancelled}, kNow + seconds(1)), SizeIs(1));
}

TEST(AuditJudge, TheHistorysOddRowsBecomeSuspicions) {
  EXPECT_THAT(judge_history({{TaskId{256}, 10, 1, 0, 0, false, false}}), IsEmpty());
  EXPECT_THAT(
      subjects(judge_history({{TaskId{256}, 10, 1, 0, 0, true, true}})),
      ElementsAre("history_unique " + to_string(TaskId{256}), "history_unique " + to_string(TaskId{256})));
  EXPECT_THAT(subjects(judge_history({{TaskId{256}, 2, 1, 0, 0, false, false}})),
              ElementsAre("history_final " + to_string(TaskId{256})));
  EXPECT_THAT(subjects(judge_history({{TaskId{256}, 10, 1, 1, 0, false, false}})),
              ElementsAre("history_final " + to_string(TaskId{256})));
}

// ---- two looks ----

TEST(AuditJudge, OnlyTheSameFactInBothLooksIsAFinding) {
  const AuditSuspicion one{"due_known", "task_1", "attempt 1", "1s old", ""};
  AuditSuspicion older = one, other = one;
  older.text = "3s old";
  other.fact = "attempt 2";
  const auto both = confirmed({one}, {older, older});
  ASSERT_THAT(both, SizeIs(1)) << "each once";
  EXPECT_EQ(both[0].text, "3s old");
  EXPECT_THAT(confirmed({one}, {other}), IsEmpty());
  EXPECT_THAT(confirmed({one}, {}), IsEmpty());
  EXPECT_THAT(confirmed({}, {one}), IsEmpty());
}

TEST(AuditJudge, TheReplyNamesEveryCheckAndBoundsItsFindings) {
  AuditTally tally;
  tally.looked("due_known", 3);
  tally.looked("due_known", 4);
  AuditSuspicions many(kMaxAuditFindings + 5, {"due_known", "task_1", "", "text", "advice"});
  tally.add(many);
  tally.not_made("held_known", "first");
  tally.not_made("held_known", "second");
  AuditReply reply;
  reply.checks = tally.take();
  ASSERT_THAT(reply.checks, SizeIs(kAuditChecks.size()));
  for (std::size_t i = 0; i < kAuditChecks.size(); ++i) EXPECT_EQ(reply.checks[i].name, kAuditChecks[i]);
  EXPECT_EQ(reply.checks[4].looked_at, 7u);
  EXPECT_THAT(reply.checks[4].findings, SizeIs(kMaxAuditFindings));
  EXPECT_EQ(reply.checks[4].more, 5u);
  EXPECT_EQ(reply.checks[3].not_made, "first");
  EXPECT_EQ(verdict_of(reply), AuditVerdict::violations);
  reply.checks[4] = {};
  EXPECT_EQ(verdict_of(reply), AuditVerdict::incomplete);
  reply.checks[3] = {};
  EXPECT_EQ(verdict_of(reply), AuditVerdict::clean);
  reply.not_answered = {"worker w1"};
  EXPECT_EQ(verdict_of(reply), AuditVerdict::incomplete);
}

}  // namespace
}  // namespace ringmaster
