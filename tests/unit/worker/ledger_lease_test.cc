// Leases, and results that their owner does not answer.
#include "tests/unit/worker/ledger_fixture.h"

namespace ringmaster {
namespace {

using namespace std::chrono_literals;
using testing::Field;

constexpr auto kLeased = OnWorkerLost::rerun_after_lease;
constexpr std::array<bool, kShardCount> kNobody{};

class LeaseLedger : public LedgerTest {
 protected:
  void grant(LinkId link, MonoTime sent_at, std::vector<ShardId> shards = {kShard}) {
    ledger_.grant(link, {sent_at, std::move(shards)});
  }
  std::vector<MonoTime> extensions() {
    std::vector<MonoTime> until;
    for (const auto& extension : ledger_.take_extensions()) until.push_back(extension.until);
    return until;
  }
};

TEST_F(LeaseLedger, WhatMustNotOverlapStartsOnlyUnderALeaseAndLetsOthersPass) {
  announce(kA, 1);
  dispatch(kA, {work(token(1, kShard), kLeased), work(token(2, kShard), OnWorkerLost::fail),
                work(token(3, kShard))});
  EXPECT_THAT(start_all(), ElementsAre(token(3, kShard)));
  grant(kA, mono_ - 30s);
  EXPECT_THAT(start_all(), IsEmpty()) << "it ran out just now";
  ledger_.finished(token(3, kShard), {});
  grant(kA, mono_ - 30s + 1us);
  EXPECT_THAT(start_all(), ElementsAre(token(1, kShard), token(2, kShard)));
}

TEST_F(LeaseLedger, AGrantCoversOnlyTheShardsThatItNamesAndItsLinkOwns) {
  announce(kA, 1);
  announce(kB, 1, 6);
  dispatch(kA, {work(token(1, kShard), kLeased)});
  grant(kB, mono_, {kShard, 6});
  EXPECT_THAT(start_all(), IsEmpty()) << "not its shard";
  grant(kA, mono_, {7});
  EXPECT_THAT(start_all(), IsEmpty()) << "handed over since it was announced";
  grant(kA, mono_);
  EXPECT_THAT(start_all(), SizeIs(1));
}

TEST_F(LeaseLedger, AWellOwnersLeaseHoldsForWhatItTakesLater) {
  announce(kA, 1, 6);
  grant(kA, mono_, {6});
  announce(kA, 1);
  dispatch(kA, {work(token(1, kShard), kLeased)});
  EXPECT_THAT(start_all(), SizeIs(1));
}

TEST_F(LeaseLedger, TheRunnerIsToldBeforeTheFirstStartAndOfEachExtension) {
  announce(kA, 1);
  grant(kA, mono_);
  EXPECT_THAT(extensions(), IsEmpty()) << "nothing lives under it";
  dispatch(kA, {work(token(1, kShard), kLeased)});
  ASSERT_THAT(start_all(), SizeIs(1));
  EXPECT_THAT(extensions(), ElementsAre(mono_ + 30s));
  grant(kA, mono_ + 1s);
  grant(kA, mono_ - 5s);
  EXPECT_THAT(extensions(), ElementsAre(mono_ + 31s)) << "an older one changes nothing";
}

TEST_F(LeaseLedger, AnAnnouncementEndsWhatIsQueuedUnderALeaseButNotWhatRuns) {
  announce(kA, 1);
  dispatch(kA, {work(token(1, kShard), kLeased), work(token(2, kShard), OnWorkerLost::fail),
                work(token(3, kShard)), work(token(4, 6), kLeased)});
  grant(kA, mono_);
  ASSERT_THAT(start_all(), ElementsAre(token(1, kShard), token(2, kShard)));
  dispatch(kA, {work(token(5, kShard), kLeased)});
  const auto parts = announce(kB, 2);
  std::vector<Token> held;
  for (const HeldAttempt& attempt : parts.at(0).held) held.push_back(attempt.token);
  EXPECT_THAT(held, ElementsAre(token(1, kShard), token(2, kShard), token(3, kShard)));
  ledger_.finished(token(1, kShard), {});
  ledger_.finished(token(2, kShard), {});
  EXPECT_THAT(start_all(), ElementsAre(token(3, kShard))) << "the queued one is gone, whatever lease comes";
}

class OfferLedger : public LedgerTest {
 protected:
  // The results offered to `link`.
  std::vector<Token> offers(LinkId link, std::array<bool, kShardCount> given_up = kNobody) {
    std::vector<Token> tokens;
    for (const auto& out : ledger_.take_offers(mono_, given_up)) {
      if (out.link != link) continue;
      for (const ResultReport& report : std::get<ResultBatch>(out.message).items)
        tokens.push_back(report.token);
    }
    return tokens;
  }
};

TEST_F(OfferLedger, AnUnansweredResultIsOfferedToAnotherMasterAfterItsTime) {
  announce(kA, 1);
  run(token(1, kShard));
  journal();
  ASSERT_THAT(results(kA), SizeIs(1));
  mono_ += 5s - 1us;
  EXPECT_THAT(offers(kB), IsEmpty());
  mono_ += 1us;
  EXPECT_THAT(offers(kB), ElementsAre(token(1, kShard)));
  EXPECT_THAT(offers(kB), IsEmpty()) << "once in that time";
  mono_ += 5s;
  EXPECT_THAT(offers(kB), SizeIs(1));
  ledger_.acknowledge({{{token(1, kShard), ResultFate::recorded}}});
  mono_ += 5s;
  EXPECT_THAT(offers(kB), IsEmpty());
}

TEST_F(OfferLedger, OfferedInTurnNeverToItsOwner) {
  ledger_.link_up(3, "c");
  announce(kA, 1);
  run(token(1, kShard));
  journal();
  results(kA);
  std::vector<LinkId> asked;
  for (int i = 0; i < 4; ++i) {
    mono_ += 5s;
    for (const auto& out : ledger_.take_offers(mono_, kNobody)) asked.push_back(out.link);
  }
  EXPECT_THAT(asked, ElementsAre(kB, LinkId{3}, kB, LinkId{3}));
}

TEST_F(OfferLedger, AResultOfAnUnreachableOwnerIsOfferedOnceItIsGivenUp) {
  announce(kA, 1);
  dispatch(kA, {work(token(1, kShard))});
  start_all();
  ledger_.link_down(kA);
  ledger_.finished(token(1, kShard), {});
  EXPECT_THAT(offers(kB), IsEmpty()) << "not journalled yet";
  journal();
  EXPECT_THAT(offers(kB), IsEmpty()) << "its owner is being dialled";
  std::array<bool, kShardCount> given_up{};
  given_up[kShard] = true;
  EXPECT_THAT(offers(kB, given_up), ElementsAre(token(1, kShard)));
}

TEST_F(OfferLedger, AResultThatNeverLeftTheBacklogOfADeadLinkIsOfferedToo) {
  announce(kA, 1);
  run(token(1, kShard));
  journal();  // queued for kA, and not sent
  ledger_.link_down(kA);
  EXPECT_THAT(offers(kB), IsEmpty());
  std::array<bool, kShardCount> given_up{};
  given_up[kShard] = true;
  EXPECT_THAT(offers(kB, given_up), ElementsAre(token(1, kShard)));
}

}  // namespace
}  // namespace ringmaster
