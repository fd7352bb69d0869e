#include "master/namesake.h"

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

constexpr Incarnation kSelf{7}, kOther{8};

TEST(Namesakes, OurOwnNodeIsNotInOurWay) {
  Namesake namesake(kSelf, "127.0.0.1:1");
  EXPECT_TRUE(namesake.admits(kSelf, "127.0.0.1:1"));
  EXPECT_FALSE(namesake.stands_at());
}

TEST(Namesakes, AFormerLifeAtOurAddressIsNotInOurWay) {
  Namesake namesake(kSelf, "127.0.0.1:1");
  EXPECT_TRUE(namesake.admits(kOther, "127.0.0.1:1"));
}

TEST(Namesakes, AnotherAddressIsInOurWayUntilNobodyListensThere) {
  Namesake namesake(kSelf, "127.0.0.1:1");
  EXPECT_FALSE(namesake.admits(kOther, "127.0.0.1:2"));
  EXPECT_EQ(namesake.stands_at(), "127.0.0.1:2");
  namesake.on_refused();
  EXPECT_FALSE(namesake.admits(kOther, "127.0.0.1:3")) << "that was another one";
  namesake.on_refused();
  EXPECT_TRUE(namesake.admits(kOther, "127.0.0.1:3"));
  EXPECT_FALSE(namesake.stands_at());
}

TEST(Namesakes, EachIsToldOnce) {
  Namesake namesake(kSelf, "127.0.0.1:1");
  namesake.admits(kOther, "127.0.0.1:2");
  EXPECT_TRUE(namesake.to_be_told());
  namesake.admits(kOther, "127.0.0.1:2");
  EXPECT_FALSE(namesake.to_be_told());
  namesake.admits(kOther, "127.0.0.1:3");
  EXPECT_TRUE(namesake.to_be_told());
}

TEST(Namesakes, ANodeThatGoesIsNotInOurWayAnyMore) {
  Namesake namesake(kSelf, "127.0.0.1:1");
  EXPECT_FALSE(namesake.admits(kOther, "127.0.0.1:2"));
  namesake.on_nothing_shown();
  EXPECT_FALSE(namesake.stands_at());
  EXPECT_TRUE(namesake.admits(kSelf, "127.0.0.1:1"));
}

TEST(Namesakes, WhoHasOnceActedGoesOn) {
  Namesake namesake(kSelf, "127.0.0.1:1");
  EXPECT_TRUE(namesake.admits(kSelf, "127.0.0.1:1"));
  EXPECT_TRUE(namesake.admits(kOther, "127.0.0.1:2"));
}

}  // namespace
}  // namespace ringmaster
