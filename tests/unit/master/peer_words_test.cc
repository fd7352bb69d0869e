// When a master that cannot write should give way to those that can.
#include "master/peer_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringmaster {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr LinkId kPeer = 7;
constexpr MonoTime kStart{seconds(100)};

TEST(PeerWords, AMasterThatCannotWriteWhileAnotherDoesGivesWay) {
  PeerWords words;
  words.on_link_up(kPeer);
  words.on_status(kPeer, {.writes = true, .missed = {}, .reached = {}}, kStart + seconds(5));
  EXPECT_FALSE(words.gives_way(kStart, 1, kStart + seconds(5)));
  const auto why = words.gives_way(kStart, 1, kStart + kGiveWayAfter);
  ASSERT_TRUE(why);
  EXPECT_THAT(*why, HasSubstr("another master writes to it"));
}

TEST(PeerWords, WhileTheDatabaseIsAwayForAllNobodyGivesWay) {
  PeerWords words;
  words.on_link_up(kPeer);
  words.on_status(kPeer, {.writes = true, .missed = {}, .reached = {}}, kStart);
  for (int i = 1; i < 600; ++i) {
    words.on_status(kPeer, {.writes = false, .missed = {}, .reached = {}}, kStart + seconds(i));
    EXPECT_FALSE(words.gives_way(kStart, 1, kStart + seconds(i))) << i;
  }
}

TEST(PeerWords, AMasterCutOffFromDatabaseAndOthersGivesWay) {
  PeerWords words;
  EXPECT_FALSE(words.gives_way(kStart, 1, kStart + kGiveWayAlone - seconds(1)));
  EXPECT_TRUE(words.gives_way(kStart, 1, kStart + kGiveWayAlone));
  EXPECT_FALSE(words.gives_way(kStart, 0, kStart + kGiveWayAlone)) << "there is nobody to give way to";
  words.on_link_up(kPeer);
  EXPECT_FALSE(words.gives_way(kStart, 1, kStart + kGiveWayAlone)) << "it will tell";
}

TEST(PeerWords, OfAPeerThatIsGoneNothingCounts) {
  PeerWords words;
  words.on_link_up(kPeer);
  words.on_status(kPeer, {.writes = true, .missed = {"w1"}, .reached = {}}, kStart + kGiveWayAfter);
  EXPECT_THAT(words.questions(), ElementsAre(Pair(kPeer, ElementsAre("w1"))));
  words.on_link_down(kPeer);
  EXPECT_FALSE(words.gives_way(kStart, 1, kStart + kGiveWayAfter));
  EXPECT_TRUE(words.questions().empty());
}

}  // namespace
}  // namespace ringmaster
