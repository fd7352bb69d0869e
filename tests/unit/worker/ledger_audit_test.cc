// What a worker says that it holds, against what a master believes.
#include "tests/unit/worker/ledger_fixture.h"

namespace ringmaster {
namespace {

using std::chrono::seconds;

class LedgerAudit : public LedgerTest {
 protected:
  LedgerAudit() { announce(kA, 3); }
  HeldReply audit(std::vector<Token> believed, Epoch epoch = 3) {
    return ledger_.audit({{{kShard, epoch}}, std::move(believed)}, now_);
  }
  static Token held(std::int64_t n, Epoch epoch = 3, Attempt attempt = 1) {
    return token(n, kShard, epoch, attempt);
  }
  static std::vector<Token> tokens(const std::vector<HeldAttempt>& all) {
    std::vector<Token> found;
    for (const HeldAttempt& one : all) found.push_back(one.token);
    return found;
  }
  void end(Token t, WallTime at) {
    AttemptResult result;
    result.finished_at = at;
    ledger_.finished(t, result);
  }

  WallTime now_ = kNow + seconds(100);
};

TEST_F(LedgerAudit, NothingIsAmissWhereBothSayTheSame) {
  dispatch(kA, {work(held(1)), work(held(2)), work(held(3))});
  start_all();
  end(held(1), now_);
  const HeldReply reply = audit({held(1), held(2), held(3)});
  EXPECT_THAT(reply.missing, IsEmpty());
  EXPECT_THAT(reply.unknown, IsEmpty());
  EXPECT_THAT(reply.superseded, IsEmpty());
  EXPECT_EQ(reply.held, 3u);
}

TEST_F(LedgerAudit, WhatIsBelievedAndNotHeldIsMissing) {
  dispatch(kA, {work(held(1))});
  EXPECT_THAT(audit({held(1), held(2), held(1, 3, 2), held(1, 2)}).missing,
              UnorderedElementsAre(held(2), held(1, 3, 2), held(1, 2)));
}

TEST_F(LedgerAudit, WhatIsHeldAndNotBelievedIsToldButNotWhatIsBeingStopped) {
  dispatch(kA, {work(held(1)), work(held(2)), work(held(3))});
  start_all();
  EXPECT_THAT(tokens(audit({held(2)}).unknown), ElementsAre(held(1), held(3)));
  ledger_.kill(kA, {{held(1)}}, now_);
  EXPECT_THAT(tokens(audit({held(2)}).unknown), ElementsAre(held(3)));
}

TEST_F(LedgerAudit, ASuccessorIsHeldBesideTheOlderAttemptThatItWaitsFor) {
  dispatch(kA, {work(held(1))});
  start_all();
  dispatch(kA, {work(held(1, 3, 2))});
  const HeldReply reply = audit({held(1, 3, 2)});
  EXPECT_THAT(reply.missing, IsEmpty());
  EXPECT_THAT(reply.unknown, IsEmpty()) << "the older one is being stopped";
  EXPECT_EQ(reply.held, 2u);
}

TEST_F(LedgerAudit, AResultIsUnknownOnlyOnceItHasWaited) {
  dispatch(kA, {work(held(1)), work(held(2))});
  start_all();
  end(held(1), now_ - seconds(4));
  end(held(2), now_ - seconds(6));
  const HeldReply reply = audit({});
  EXPECT_THAT(tokens(reply.unknown), ElementsAre(held(2)));
  EXPECT_EQ(reply.oldest, held(2));
  EXPECT_EQ(reply.oldest_age, seconds(6));
}

TEST_F(LedgerAudit, OnlyTheShardsAskedForCount) {
  announce(kA, 3, 6);
  dispatch(kA, {work(token(1, 6, 3)), work(held(1))});
  const HeldReply reply = audit({});
  EXPECT_THAT(tokens(reply.unknown), ElementsAre(held(1)));
  EXPECT_EQ(reply.held, 1u);
}

TEST_F(LedgerAudit, AHigherEpochThatItHasSeenIsTold) {
  EXPECT_THAT(audit({}, 3).superseded, IsEmpty());
  EXPECT_THAT(audit({}, 2).superseded, ElementsAre(ShardEpoch{kShard, 3}));
}

}  // namespace
}  // namespace ringmaster
