// What a worker holds: announcements, dispatches, kills and draining.
#include "tests/unit/worker/ledger_fixture.h"

namespace ringmaster {
namespace {

// ---- announcements ------------------------------------------------------------------------------

TEST_F(Ledgers, AnEpochIsRaisedOnlyByAHigherOne) {
  EXPECT_THAT(ledger_.raised_by({1, {{kShard, 3}}}), ElementsAre(ShardEpoch{kShard, 3}));
  announce(kA, 3);
  EXPECT_THAT(ledger_.raised_by({2, {{kShard, 3}, {6, 1}}}), ElementsAre(ShardEpoch{6, 1}));
}

TEST_F(Ledgers, ALowerEpochIsListedAsSupersededAndTakesNothing) {
  announce(kA, 3);
  const auto parts = announce(kB, 2);
  ASSERT_THAT(parts, SizeIs(1));
  EXPECT_THAT(parts[0].superseded, ElementsAre(ShardEpoch{kShard, 3}));
  dispatch(kB, {work(token(1, kShard, 2))});
  EXPECT_THAT(acks(kB), ElementsAre(Answer{token(1, kShard, 2), AckVerdict::fenced}));
  dispatch(kA, {work(token(1, kShard, 3))});
  EXPECT_THAT(acks(kA), ElementsAre(Answer{token(1, kShard, 3), AckVerdict::accepted}));
}

TEST_F(Ledgers, EpochsOfAFormerLifeStillFence) {
  Ledger reborn({.incarnation = kLife});
  reborn.load({}, {{kShard, 8}});
  reborn.link_up(kA, "a");
  const auto parts = reborn.announce(kA, Announce{1, {{kShard, 7}}});
  EXPECT_THAT(parts.at(0).superseded, ElementsAre(ShardEpoch{kShard, 8}));
}

TEST_F(Ledgers, TheInventoryListsExactlyTheAnnouncedShards) {
  announce(kA, 1);
  announce(kA, 1, 6);
  dispatch(kA, {work(token(1, kShard)), work(token(2, kShard)), work(token(3, kShard)), work(token(4, 6))});
  start_all();
  ledger_.started(token(1, kShard), kNow);
  ledger_.finished(token(2, kShard), {});
  journal();
  const auto parts = announce(kB, 2);
  ASSERT_THAT(parts, SizeIs(1));
  EXPECT_EQ(parts[0].sequence, 9u);
  EXPECT_TRUE(parts[0].last);
  ASSERT_THAT(parts[0].held, SizeIs(3));
  EXPECT_EQ(parts[0].held[0].token, token(1, kShard));
  EXPECT_EQ(parts[0].held[0].state, HeldState::running);
  EXPECT_EQ(parts[0].held[0].started_at, kNow);
  EXPECT_EQ(parts[0].held[1].state, HeldState::finished);
  EXPECT_EQ(parts[0].held[2].state, HeldState::queued);
}

TEST_F(Ledgers, AResultThatIsNotJournalledIsHeldAsRunning) {
  announce(kA, 1);
  run(token(1, kShard));
  EXPECT_EQ(announce(kB, 2).at(0).held.at(0).state, HeldState::running);
}

TEST_F(Ledgers, AnInventoryHasPartsOfAThousandAndALastOne) {
  Ledger big({.incarnation = kLife, .slots = 1, .capacity = 5000});
  big.link_up(kA, "a");
  big.announce(kA, Announce{1, {{kShard, 1}}});
  DispatchBatch batch{kLife, {}};
  for (int i = 1; i <= 2001; ++i) batch.items.push_back(work(token(i, kShard)));
  big.dispatch(kA, std::move(batch));
  const auto parts = big.announce(kA, Announce{2, {{kShard, 1}}});
  ASSERT_THAT(parts, SizeIs(3));
  EXPECT_THAT(parts[0].held, SizeIs(1000));
  EXPECT_THAT(parts[2].held, SizeIs(1));
  EXPECT_FALSE(parts[0].last || parts[1].last);
  EXPECT_TRUE(parts[2].last);
}

// ---- dispatches ---------------------------------------------------------------------------------

TEST_F(Ledgers, RefusesADispatchForAnotherLife) {
  announce(kA, 1);
  dispatch(kA, {work(token(1, kShard))}, Incarnation{78});
  EXPECT_THAT(acks(kA), ElementsAre(Answer{token(1, kShard), AckVerdict::wrong_life}));
  EXPECT_TRUE(ledger_.holds_nothing());
}

TEST_F(Ledgers, FencesALinkThatDidNotAnnounceTheShardAtThatEpoch) {
  dispatch(kA, {work(token(1, kShard))});
  EXPECT_THAT(acks(kA), ElementsAre(Answer{token(1, kShard), AckVerdict::fenced}));
  announce(kA, 1);
  announce(kB, 2);
  dispatch(kA, {work(token(1, kShard, 1))});
  dispatch(kB, {work(token(1, kShard, 3))});
  const auto out = ledger_.take_outgoing(mono_);
  ASSERT_THAT(out, SizeIs(2));
  for (const auto& each : out)
    EXPECT_EQ(std::get<AckBatch>(each.message).items.at(0).verdict, AckVerdict::fenced);
}

TEST_F(Ledgers, ANewLinkOwnsNothingBeforeItsAnnounce) {
  announce(kA, 1);
  ledger_.link_down(kA);
  ledger_.link_up(3, "a");
  dispatch(3, {work(token(1, kShard))});
  EXPECT_THAT(acks(3), ElementsAre(Answer{token(1, kShard), AckVerdict::fenced}));
}

TEST_F(Ledgers, KnowsWhichAttemptOfATaskItHolds) {
  announce(kA, 1);
  dispatch(kA, {work(token(1, kShard))});
  const Token held = token(1, kShard);
  EXPECT_TRUE(ledger_.runs(held.task, held.attempt));
  EXPECT_FALSE(ledger_.runs(held.task, held.attempt + 1));
  EXPECT_FALSE(ledger_.runs(token(2, kShard).task, held.attempt));
}

TEST_F(Ledgers, StartsInArrivalOrderWithinTheSlots) {
  announce(kA, 1);
  dispatch(kA, {work(token(3, kShard)), work(token(1, kShard)), work(token(2, kShard))});
  EXPECT_THAT(start_all(), ElementsAre(token(3, kShard), token(1, kShard)));
  ledger_.finished(token(1, kShard), {});
  EXPECT_THAT(start_all(), ElementsAre(token(2, kShard)));
}

TEST_F(Ledgers, IsBusyAtItsCapacity) {
  announce(kA, 1);
  for (int i = 1; i <= 5; ++i) dispatch(kA, {work(token(i, kShard))});
  const auto answers = acks(kA);
  ASSERT_THAT(answers, SizeIs(5));
  EXPECT_EQ(answers[3].second, AckVerdict::accepted);
  EXPECT_EQ(answers[4].second, AckVerdict::busy);
}

TEST_F(Ledgers, TheSameTokenAgainIsAcceptedAndStartsOnce) {
  announce(kA, 1);
  dispatch(kA, {work(token(1, kShard)), work(token(1, kShard))});
  EXPECT_THAT(acks(kA), SizeIs(2));
  EXPECT_THAT(start_all(), SizeIs(1));
  dispatch(kA, {work(token(1, kShard))});
  EXPECT_THAT(acks(kA), ElementsAre(Answer{token(1, kShard), AckVerdict::accepted}));
  EXPECT_THAT(start_all(), IsEmpty());
}

TEST_F(Ledgers, AnOlderTokenThanTheHeldOneIsFenced) {
  announce(kA, 1);
  dispatch(kA, {work(token(1, kShard, 1, 2)), work(token(1, kShard, 1, 1))});
  const auto answers = acks(kA);
  EXPECT_EQ(answers.at(1).second, AckVerdict::fenced);
}

TEST_F(Ledgers, AnOlderTokenThanAFinishedOneIsFenced) {
  announce(kA, 1);
  run(token(1, kShard, 1, 2));
  dispatch(kA, {work(token(1, kShard, 1, 1))});
  EXPECT_EQ(acks(kA).back(), Answer(token(1, kShard, 1, 1), AckVerdict::fenced));
  EXPECT_THAT(start_all(), IsEmpty());
}

TEST_F(Ledgers, ANewerTokenReplacesAQueuedOneInItsPlace) {
  announce(kA, 1);
  dispatch(kA, {work(token(1, kShard)), work(token(2, kShard)), work(token(1, kShard, 1, 2))});
  EXPECT_THAT(start_all(), ElementsAre(token(1, kShard, 1, 2), token(2, kShard)));
  EXPECT_THAT(ledger_.take_kills(), IsEmpty());
}

TEST_F(Ledgers, ANewerTokenOfARunningTaskStartsOnlyAfterTheOlderDeath) {
  announce(kA, 1);
  dispatch(kA, {work(token(1, kShard))});
  start_all();
  announce(kB, 2);
  dispatch(kB, {work(token(1, kShard, 2))});
  EXPECT_THAT(ledger_.take_kills(), ElementsAre(token(1, kShard)));
  EXPECT_THAT(start_all(), IsEmpty());
  EXPECT_EQ(ledger_.queued(), 1u);
  ledger_.finished(token(1, kShard), {});
  EXPECT_THAT(start_all(), ElementsAre(token(1, kShard, 2)));
}

TEST_F(Ledgers, ATaskThatWaitedForItsOlderDeathStartsBeforeLaterOnes) {
  announce(kA, 1);
  dispatch(kA, {work(token(1, kShard)), work(token(2, kShard))});
  start_all();
  dispatch(kA, {work(token(1, kShard, 1, 2)), work(token(3, kShard))});
  ledger_.finished(token(1, kShard), {});
  EXPECT_THAT(start_all(), ElementsAre(token(1, kShard, 1, 2)));
}

TEST_F(Ledgers, AnEvenNewerTokenReplacesTheOneThatWaits) {
  announce(kA, 1);
  dispatch(kA, {work(token(1, kShard))});
  start_all();
  dispatch(kA, {work(token(1, kShard, 1, 2)), work(token(1, kShard, 1, 3)), work(token(1, kShard, 1, 2))});
  EXPECT_THAT(ledger_.take_kills(), SizeIs(1));
  ledger_.finished(token(1, kShard), {});
  EXPECT_THAT(start_all(), ElementsAre(token(1, kShard, 1, 3)));
  EXPECT_EQ(acks(kA).back().second, AckVerdict::fenced);
}

// ---- kills and draining -------------------------------------------------------------------------

TEST_F(Ledgers, AQueuedAttemptIsCancelledWithoutARun) {
  announce(kA, 1);
  dispatch(kA, {work(token(1, kShard))});
  ledger_.kill(kA, {{token(1, kShard)}}, kNow);
  EXPECT_THAT(start_all(), IsEmpty());
  journal();
  const auto reports = flush<ResultBatch>(kA);
  ASSERT_THAT(reports, SizeIs(1));
  EXPECT_EQ(reports[0].result.outcome, Outcome::cancelled);
}

TEST_F(Ledgers, ARunningAttemptIsKilledOnceAndReportedWhenDead) {
  announce(kA, 1);
  dispatch(kA, {work(token(1, kShard))});
  start_all();
  ledger_.kill(kA, {{token(1, kShard), token(1, kShard)}}, kNow);
  EXPECT_THAT(ledger_.take_kills(), ElementsAre(token(1, kShard)));
  journal();
  EXPECT_THAT(results(kA), IsEmpty());
}

TEST_F(Ledgers, ADeposedMasterKillsNothing) {
  announce(kA, 1);
  dispatch(kA, {work(token(1, kShard))});
  start_all();
  announce(kB, 2);
  ledger_.kill(kA, {{token(1, kShard)}}, kNow);
  EXPECT_THAT(ledger_.take_kills(), IsEmpty());
  ledger_.kill(kB, {{token(1, kShard)}}, kNow);
  EXPECT_THAT(ledger_.take_kills(), ElementsAre(token(1, kShard)));
}

TEST_F(Ledgers, TheOwnerHearsTheLastProgressOfARunningAttemptOnce) {
  const auto progress = [&](LinkId link) {
    std::vector<std::string> told;
    for (const auto& item : flush<ProgressBatch>(link)) told.push_back(item.progress.message);
    return told;
  };
  announce(kA, 1);
  dispatch(kA, {work(token(1, kShard))});
  start_all();
  ledger_.progressed(token(1, kShard), {.fraction = 0.1, .message = "one"});
  ledger_.progressed(token(1, kShard), {.fraction = 0.2, .message = "two"});
  ledger_.progressed(token(2, kShard), {.fraction = 0.2, .message = "of another"});
  EXPECT_THAT(progress(kA), ElementsAre("two"));
  EXPECT_THAT(progress(kA), IsEmpty());
  ledger_.progressed(token(1, kShard), {.fraction = 0.3, .message = "three"});
  announce(kB, 2);
  EXPECT_THAT(progress(kA), IsEmpty()) << "its owner has changed";
  ledger_.progressed(token(1, kShard), {.fraction = 0.4, .message = "four"});
  EXPECT_THAT(progress(kB), ElementsAre("four"));
}

TEST_F(Ledgers, DrainingGivesQueuedOnesBackAndFinishesTheRest) {
  announce(kA, 1);
  dispatch(kA, {work(token(1, kShard)), work(token(2, kShard)), work(token(3, kShard))});
  start_all();
  acks(kA);
  ledger_.drain();
  dispatch(kA, {work(token(4, kShard))});
  EXPECT_THAT(acks(kA), UnorderedElementsAre(Answer{token(3, kShard), AckVerdict::returned},
                                             Answer{token(4, kShard), AckVerdict::busy}));
  EXPECT_FALSE(ledger_.holds_nothing());
  for (int i : {1, 2}) ledger_.finished(token(i, kShard), {});
  journal();
  EXPECT_THAT(results(kA), SizeIs(2));
  EXPECT_FALSE(ledger_.holds_nothing());
  ledger_.acknowledge({{{token(1, kShard)}, {token(2, kShard)}}});
  EXPECT_TRUE(ledger_.holds_nothing());
}

TEST_F(Ledgers, DrainingDropsASuccessorThatWaits) {
  announce(kA, 1);
  dispatch(kA, {work(token(1, kShard))});
  start_all();
  dispatch(kA, {work(token(1, kShard, 1, 2))});
  acks(kA);
  ledger_.drain();
  EXPECT_THAT(acks(kA), ElementsAre(Answer{token(1, kShard, 1, 2), AckVerdict::returned}));
  ledger_.finished(token(1, kShard), {});
  EXPECT_THAT(start_all(), IsEmpty());
  EXPECT_EQ(ledger_.queued(), 0u);
}

TEST_F(Ledgers, TakesNoWorkWhileResultsCannotBeJournalled) {
  announce(kA, 1);
  ledger_.set_accepting(false);
  dispatch(kA, {work(token(1, kShard))});
  EXPECT_EQ(acks(kA).at(0).second, AckVerdict::busy);
}

}  // namespace
}  // namespace ringmaster
