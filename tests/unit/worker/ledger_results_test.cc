// What becomes of results: journalled, synced, reported, acknowledged; and the bounds.
#include "tests/unit/worker/ledger_fixture.h"

namespace ringmaster {
namespace {

// ---- results ------------------------------------------------------------------------------------

TEST_F(Ledgers, AResultLeavesOnlyOnceJournalled) {
  announce(kA, 1);
  run(token(1, kShard));
  EXPECT_THAT(results(kA), IsEmpty());
  journal(false);
  EXPECT_THAT(results(kA), IsEmpty());
  journal(true);
  EXPECT_THAT(results(kA), ElementsAre(token(1, kShard)));
}

TEST_F(Ledgers, AnAcceptedAckIsLeftOutWhenItsResultLeavesWithIt) {
  announce(kA, 1);
  run(token(1, kShard));
  journal();
  const auto out = ledger_.take_outgoing(mono_);
  ASSERT_THAT(out, SizeIs(1));
  EXPECT_TRUE(std::holds_alternative<ResultBatch>(out[0].message));
}

TEST_F(Ledgers, AnAcceptedAckOfAnUnfinishedAttemptIsSent) {
  announce(kA, 1);
  run(token(1, kShard));
  EXPECT_THAT(acks(kA), ElementsAre(Answer{token(1, kShard), AckVerdict::accepted}));
}

TEST_F(Ledgers, StartsAreToldOnlyOfWhatStillRuns) {
  announce(kA, 1);
  dispatch(kA, {work(token(1, kShard)), work(token(2, kShard))});
  start_all();
  ledger_.started(token(1, kShard), kNow);
  ledger_.started(token(2, kShard), kNow);
  ledger_.finished(token(1, kShard), {});
  const auto starts = flush<StartedBatch>(kA);
  ASSERT_THAT(starts, SizeIs(1));
  EXPECT_EQ(starts[0].token, token(2, kShard));
}

TEST_F(Ledgers, AResultIsReportedOnceAndAgainToWhoeverTakesItsShard) {
  announce(kA, 1);
  run(token(1, kShard));
  journal();
  EXPECT_THAT(results(kA), SizeIs(1));
  EXPECT_THAT(results(kA), IsEmpty());
  announce(kA, 2);  // the same master gave the shard up and took it back: it has forgotten what it was told
  EXPECT_THAT(results(kA), ElementsAre(token(1, kShard)));
  announce(kB, 3);
  EXPECT_THAT(results(kB), ElementsAre(token(1, kShard)));
}

TEST_F(Ledgers, AResultWaitsForTheOwnersNextAnnounce) {
  announce(kA, 1);
  dispatch(kA, {work(token(1, kShard))});
  start_all();
  ledger_.link_down(kA);
  ledger_.finished(token(1, kShard), {});
  journal();
  EXPECT_THAT(ledger_.take_outgoing(mono_), IsEmpty());
  ASSERT_THAT(ledger_.orphans(), SizeIs(1));
  EXPECT_EQ(ledger_.orphans()[0].master, "a");
  ledger_.link_up(3, "a");
  EXPECT_THAT(results(3), IsEmpty());
  announce(3, 1);
  EXPECT_THAT(results(3), ElementsAre(token(1, kShard)));
  EXPECT_THAT(ledger_.orphans(), IsEmpty());
}

TEST_F(Ledgers, ResultsOfAFormerLifeGoToWhoeverAnnouncesTheirShard) {
  Ledger reborn({.incarnation = kLife});
  reborn.load({{token(1, kShard), {}}, {token(2, 6), {}}, {token(3, kShard), {}}}, {});
  reborn.link_up(kA, "a");
  const auto parts = reborn.announce(kA, Announce{1, {{kShard, 4}}});
  EXPECT_THAT(parts.at(0).held, SizeIs(2));
  const auto out = reborn.take_outgoing(mono_);
  ASSERT_THAT(out, SizeIs(1));
  const auto& items = std::get<ResultBatch>(out[0].message).items;
  ASSERT_THAT(items, SizeIs(2));
  EXPECT_EQ(items[0].token, token(1, kShard));
  EXPECT_EQ(reborn.orphans().at(0).shard, 6);
}

TEST_F(Ledgers, LastWordsOfAFormerLifeAreJournalledAndReportedLikeAnyResult) {
  const Token known = token(1, kShard, 1), told = token(2, kShard, 1);
  Ledger ledger({.incarnation = kLife});
  ledger.load({{known, {}}}, {});
  AttemptResult lost;
  lost.outcome = Outcome::lost;
  ledger.inherit({{known, lost}, {told, lost}});
  EXPECT_EQ(ledger.spooled(), 2U);
  auto journalled = ledger.take_unspooled();
  ASSERT_EQ(journalled.size(), 1U) << "the other one is in the journal, as it really ended";
  EXPECT_EQ(journalled[0].token, told);
  EXPECT_EQ(journalled[0].result.outcome, Outcome::lost);
}

TEST_F(Ledgers, TheTokenOfAReportedResultDispatchedAgainIsReportedAgain) {
  announce(kA, 1);
  run(token(1, kShard));
  journal();
  EXPECT_THAT(results(kA), SizeIs(1));
  dispatch(kA, {work(token(1, kShard))});
  EXPECT_THAT(start_all(), IsEmpty());
  EXPECT_THAT(results(kA), ElementsAre(token(1, kShard)));
  announce(kA, 1, 6);
  EXPECT_THAT(results(kA), IsEmpty());
}

TEST_F(Ledgers, ANewerTokenRunsBesideAnOlderUnacknowledgedResult) {
  announce(kA, 1);
  run(token(1, kShard));
  journal();
  run(token(1, kShard, 1, 2));
  journal();
  EXPECT_THAT(results(kA), ElementsAre(token(1, kShard), token(1, kShard, 1, 2)));
  ledger_.acknowledge({{{token(1, kShard), ResultFate::stale}}});
  EXPECT_THAT(ledger_.take_forgets(), ElementsAre(token(1, kShard)));
  EXPECT_EQ(ledger_.spooled(), 1u);
}

TEST_F(Ledgers, AResultIsForgottenWhenRecordedOrStaleAndUnknownAcksAreIgnored) {
  announce(kA, 1);
  run(token(1, kShard));
  journal();
  ledger_.acknowledge({{{token(9, kShard)}, {token(1, kShard, 1, 7)}}});
  EXPECT_THAT(ledger_.take_forgets(), IsEmpty());
  ledger_.acknowledge({{{token(1, kShard), ResultFate::recorded}}});
  EXPECT_THAT(ledger_.take_forgets(), ElementsAre(token(1, kShard)));
  EXPECT_TRUE(ledger_.holds_nothing());
}

TEST_F(Ledgers, AnAckOfWhatIsNotYetJournalledIsIgnored) {
  announce(kA, 1);
  run(token(1, kShard));
  ledger_.acknowledge({{{token(1, kShard)}}});
  EXPECT_EQ(ledger_.spooled(), 1u);
  EXPECT_THAT(ledger_.take_unspooled(), SizeIs(1));
}

TEST_F(Ledgers, AnAckNeverEndsARunningAttempt) {
  announce(kA, 1);
  dispatch(kA, {work(token(1, kShard))});
  start_all();
  ledger_.acknowledge({{{token(1, kShard), ResultFate::stale}}});
  EXPECT_EQ(ledger_.running(), 1u);
  EXPECT_THAT(ledger_.take_forgets(), IsEmpty());
}

TEST_F(Ledgers, ATaskThatMustNotRerunIsReportedOnlyOnceSynced) {
  announce(kA, 1);
  run(token(1, kShard), OnWorkerLost::fail);
  journal();
  const auto number = ledger_.begin_sync();
  ASSERT_NE(number, 0u);
  EXPECT_THAT(results(kA), IsEmpty());
  announce(kA, 1);
  EXPECT_THAT(results(kA), IsEmpty()) << "not even behind an inventory";
  ledger_.synced(number, true);
  EXPECT_THAT(results(kA), ElementsAre(token(1, kShard)));
}

TEST_F(Ledgers, AFailedSyncMakesItsResultsBeJournalledAgain) {
  announce(kA, 1);
  run(token(1, kShard), OnWorkerLost::rerun_after_lease);
  journal();
  ledger_.synced(ledger_.begin_sync(), false);
  EXPECT_THAT(results(kA), IsEmpty());
  EXPECT_EQ(announce(kA, 1).at(0).held.at(0).state, HeldState::running);
  auto again = ledger_.take_unspooled();
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].token, token(1, kShard));
  ledger_.give_back(std::move(again), true);
  ledger_.synced(ledger_.begin_sync(), true);
  EXPECT_THAT(results(kA), ElementsAre(token(1, kShard)));
}

TEST_F(Ledgers, LongOutputIsCutToItsTail) {
  announce(kA, 1);
  dispatch(kA, {work(token(1, kShard))});
  start_all();
  AttemptResult result;
  std::string tail(kMaxOutputTail + 3, 'a');
  tail[kMaxOutputTail] = 'e';
  result.output_tail = std::move(tail);
  ledger_.finished(token(1, kShard), std::move(result));
  const auto unspooled = ledger_.take_unspooled();
  EXPECT_EQ(unspooled.at(0).result.output_tail.size(), kMaxOutputTail);
  EXPECT_TRUE(unspooled.at(0).result.output_tail.ends_with("aeaa"));
}

// ---- bounds -------------------------------------------------------------------------------------

class SmallLedger : public LedgerTest {
 protected:
  SmallLedger()
      : LedgerTest(
            {.incarnation = kLife, .slots = 8, .capacity = 8, .unacked_bytes = 1000, .window_bytes = 300}) {}
};

TEST_F(SmallLedger, ResultsInFlightAreBoundedByTheWindow) {
  announce(kA, 1);
  for (int i = 1; i <= 6; ++i) run(token(i, kShard));
  journal();
  const auto first = results(kA);
  ASSERT_THAT(first, SizeIs(3));
  EXPECT_THAT(results(kA), IsEmpty());
  for (const Token& each : first) ledger_.acknowledge({{{each}}});
  EXPECT_THAT(results(kA), SizeIs(3));
}

TEST_F(SmallLedger, TooManyUnacknowledgedResultsStopNewWorkUntilHalfAreGone) {
  announce(kA, 1);
  for (int i = 1; i <= 8; ++i) run(token(i, kShard));
  EXPECT_TRUE(ledger_.saturated());
  dispatch(kA, {work(token(20, kShard))});
  EXPECT_EQ(acks(kA).back().second, AckVerdict::busy);
  journal();
  for (int i = 1; i <= 4; ++i) ledger_.acknowledge({{{token(i, kShard)}}});
  EXPECT_TRUE(ledger_.saturated());
  for (int i = 5; i <= 8; ++i) ledger_.acknowledge({{{token(i, kShard)}}});
  EXPECT_FALSE(ledger_.saturated());
}

TEST_F(SmallLedger, AWindowFollowsTheShardToItsNewOwner) {
  announce(kA, 1);
  for (int i = 1; i <= 3; ++i) run(token(i, kShard));
  journal();
  EXPECT_THAT(results(kA), SizeIs(3));
  announce(kB, 2);
  EXPECT_THAT(results(kB), SizeIs(3));
  announce(kA, 1, 6);
  for (int i = 4; i <= 6; ++i) run(token(i, 6));
  journal();
  EXPECT_THAT(results(kA), SizeIs(3)) << "the bytes that moved to B no longer count against A";
}

}  // namespace
}  // namespace ringmaster
