// Which masters are taken for dead.
#include "master/suspicion.h"

#include <gmock/gmock.h>

namespace ringmaster {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::Optional;

constexpr Incarnation kSelf{1}, kPeer{2}, kReborn{3};

class Suspicions : public testing::Test {
 protected:
  Suspicions() { suspicion_.on_list({{"m1", kSelf}, {"m2", kPeer}}); }

  // Who is to be taken over when m2 owns a shard.
  std::string judged(bool list_is_current = true, bool alive = true, Incarnation owner = kPeer) {
    const auto dead = suspicion_.judge({{7, owner, "m2", 1, alive}}, kSelf, list_is_current, now_);
    return dead ? dead->node + (dead->refuses ? " refuses" : " is gone") : "nobody";
  }
  void refuse() { suspicion_.on_refused("m2", now_); }
  void refuse_twice() {
    refuse();
    now_ += 200ms;
    refuse();
  }

  MonoTime now_{1h};
  Suspicion suspicion_{1s};
};

TEST_F(Suspicions, TwoRefusalsFarEnoughApartProveADeath) {
  refuse();
  now_ += 199ms;
  EXPECT_FALSE(suspicion_.on_refused("m2", now_));
  EXPECT_EQ(judged(), "nobody");
  now_ += 1ms;
  EXPECT_TRUE(suspicion_.on_refused("m2", now_));
  EXPECT_THAT(suspicion_.ring(), ElementsAre("m1")) << "its share is ours at once";
  EXPECT_EQ(judged(), "m2 refuses");
  EXPECT_FALSE(suspicion_.on_refused("m2", now_)) << "that is known";
}

TEST_F(Suspicions, RefusalsTooFarApartProveNothing) {
  refuse();
  now_ += 5001ms;
  refuse();
  EXPECT_EQ(judged(), "nobody") << "it may have lived in between";
}

TEST_F(Suspicions, WhoIsReachedIsNotDead) {
  refuse_twice();
  EXPECT_TRUE(suspicion_.on_reached("m2"));
  EXPECT_EQ(judged(), "nobody");
  EXPECT_THAT(suspicion_.ring(), ElementsAre("m1", "m2"));
  EXPECT_FALSE(suspicion_.on_reached("m2"));
}

TEST_F(Suspicions, OnRefusalsAloneAPeerIsTakenOverOnceAMinute) {
  refuse_twice();
  suspicion_.on_taken_over({"m2", kPeer, true}, now_);
  suspicion_.on_list({{"m1", kSelf}, {"m2", kReborn}});
  now_ += 59s;
  refuse_twice();
  EXPECT_EQ(judged(), "nobody") << "it lives, and we alone cannot reach it";
  EXPECT_EQ(judged(true, false), "m2 is gone") << "unless the database says so";
  now_ += 1s;
  refuse();
  EXPECT_EQ(judged(), "m2 refuses");
}

TEST_F(Suspicions, WhoWasTakenOverIsOutOfTheRingUntilItIsBorn) {
  suspicion_.on_taken_over({"m2", kPeer, false}, now_);
  EXPECT_THAT(suspicion_.ring(), ElementsAre("m1"));
  suspicion_.on_list({{"m1", kSelf}, {"m2", kPeer}});
  EXPECT_THAT(suspicion_.ring(), ElementsAre("m1")) << "the registry is slow";
  suspicion_.on_list({{"m1", kSelf}, {"m2", kReborn}});
  EXPECT_THAT(suspicion_.ring(), ElementsAre("m1", "m2"));
}

TEST_F(Suspicions, AnOwnerThatTheRegistryHasMissedForLongEnoughIsDead) {
  suspicion_.on_list({{"m1", kSelf}});
  EXPECT_EQ(judged(), "nobody");
  now_ += 999ms;
  EXPECT_EQ(judged(), "nobody");
  now_ += 1ms;
  EXPECT_EQ(judged(), "m2 is gone");
}

TEST_F(Suspicions, AnOwnerThatComesBackInTimeStartsAnew) {
  suspicion_.on_list({{"m1", kSelf}});
  EXPECT_EQ(judged(), "nobody");
  now_ += 900ms;
  suspicion_.on_list({{"m1", kSelf}, {"m2", kPeer}});
  EXPECT_EQ(judged(), "nobody");
  suspicion_.on_list({{"m1", kSelf}});
  now_ += 900ms;
  EXPECT_EQ(judged(), "nobody");
}

// A newcomer owns shards, and a registry that is out of reach cannot have shown it.
TEST_F(Suspicions, AListThatIsNotCurrentAccusesNobody) {
  suspicion_.on_list({{"m1", kSelf}});
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(judged(false), "nobody");
    now_ += 1s;
  }
  EXPECT_EQ(judged(true), "nobody") << "its absence counts from now on";
  now_ += 1s;
  EXPECT_EQ(judged(true), "m2 is gone");
}

TEST_F(Suspicions, WhoEndedInTheDatabaseIsDeadAtOnceAndWeNever) {
  EXPECT_EQ(judged(true, false), "m2 is gone");
  EXPECT_EQ(judged(true, true, kSelf), "nobody");
  EXPECT_EQ(judged(true, true, Incarnation{}), "nobody") << "nobody's shard";
}

// m3 died amid its take-over of m2, and holds the locks that this take-over waits for.
TEST_F(Suspicions, WhoseTakeOverIsBlockedLetsAnotherDeadOneGoFirst) {
  constexpr Incarnation kThird{4};
  suspicion_.on_list({{"m1", kSelf}, {"m2", kPeer}, {"m3", kThird}});
  const auto next = [&] {
    const auto dead =
        suspicion_.judge({{7, kPeer, "m2", 1, false}, {8, kThird, "m3", 1, true}}, kSelf, true, now_);
    if (dead) suspicion_.on_blocked(*dead);
    return dead ? dead->node : "nobody";
  };
  EXPECT_EQ(next(), "m2");
  EXPECT_EQ(next(), "m2") << "there is no other";
  suspicion_.on_list({{"m1", kSelf}});
  EXPECT_EQ(next(), "m2") << "the absence of m3 counts from now on, whoever is dead besides";
  now_ += 1s;
  EXPECT_EQ(next(), "m3");
  EXPECT_EQ(next(), "m2");
  EXPECT_EQ(next(), "m3");
}

}  // namespace
}  // namespace ringmaster
