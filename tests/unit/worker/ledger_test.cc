#include "worker/ledger.h"

#include <utility>

#include <gmock/gmock.h>

#include "tests/unit/worker/fakes.h"

namespace ringmaster {
namespace {

using fakes::token;
using fakes::work;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

constexpr Incarnation kLife{77};
constexpr LinkId kA = 1, kB = 2;
constexpr ShardId kShard = 5;
constexpr WallTime kNow{Duration{1'000'000}};

using Answer = std::pair<Token, AckVerdict>;

class LedgerTest : public testing::Test {
 protected:
  explicit LedgerTest(LedgerOptions options = {.incarnation = kLife, .slots = 2, .capacity = 4})
      : ledger_(options) {
    ledger_.link_up(kA, "a");
    ledger_.link_up(kB, "b");
  }

  std::vector<Inventory> announce(LinkId link, Epoch epoch, ShardId shard = kShard) {
    return ledger_.announce(link, Announce{9, {{shard, epoch}}});
  }
  void dispatch(LinkId link, std::vector<Dispatch> items, Incarnation life = kLife) {
    ledger_.dispatch(link, DispatchBatch{life, std::move(items)});
  }
  // Sends what there is; the messages of one kind that went to `link`.
  template <class Batch>
  auto flush(LinkId link) {
    decltype(Batch::items) items;
    for (const auto& out : ledger_.take_outgoing()) {
      const auto* batch = std::get_if<Batch>(&out.message);
      if (batch == nullptr || out.link != link) continue;
      items.insert(items.end(), batch->items.begin(), batch->items.end());
    }
    return items;
  }
  std::vector<Answer> acks(LinkId link) {
    std::vector<Answer> answers;
    for (const Ack& ack : flush<AckBatch>(link)) answers.emplace_back(ack.token, ack.verdict);
    return answers;
  }
  std::vector<Token> results(LinkId link) {
    std::vector<Token> tokens;
    for (const ResultReport& report : flush<ResultBatch>(link)) tokens.push_back(report.token);
    return tokens;
  }
  std::vector<Token> start_all() {
    std::vector<Token> tokens;
    while (auto start = ledger_.next_start()) tokens.push_back(start->token);
    return tokens;
  }
  void journal(bool ok = true) { ledger_.give_back(ledger_.take_unspooled(), ok); }
  void run(Token t, OnWorkerLost policy = OnWorkerLost::rerun) {
    dispatch(kA, {work(t, policy)});
    start_all();
    ledger_.finished(t, {});
  }

  Ledger ledger_;
};

using Ledgers = LedgerTest;

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
  const auto out = ledger_.take_outgoing();
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
  const auto out = ledger_.take_outgoing();
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
  EXPECT_THAT(ledger_.take_outgoing(), IsEmpty());
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
  const auto out = reborn.take_outgoing();
  ASSERT_THAT(out, SizeIs(1));
  const auto& items = std::get<ResultBatch>(out[0].message).items;
  ASSERT_THAT(items, SizeIs(2));
  EXPECT_EQ(items[0].token, token(1, kShard));
  EXPECT_EQ(reborn.orphans().at(0).shard, 6);
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
  result.output_tail = std::string(kMaxOutputTail, 'a') + "end";
  ledger_.finished(token(1, kShard), std::move(result));
  const auto unspooled = ledger_.take_unspooled();
  EXPECT_EQ(unspooled.at(0).result.output_tail.size(), kMaxOutputTail);
  EXPECT_TRUE(unspooled.at(0).result.output_tail.ends_with("end"));
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
