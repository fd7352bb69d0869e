#include "worker/credits.h"

#include <gmock/gmock.h>

namespace ringmaster {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Credits, ALoneMasterGetsEverything) {
  Credits credits(8, 2);
  credits.link_up(1);
  EXPECT_EQ(credits.limit(1), 16u);
  credits.set_demand(1, 5);
  EXPECT_EQ(credits.limit(1), 16u);
}

TEST(Credits, ABusyMasterGetsAllAndIdleOnesKeepAFloor) {
  Credits credits(8, 2);
  for (LinkId link : {1, 2, 3}) credits.link_up(link);
  credits.set_demand(2, 1);
  EXPECT_EQ(credits.limit(1), 2u);
  EXPECT_EQ(credits.limit(2), 16u);
  EXPECT_EQ(credits.limit(3), 2u);
}

TEST(Credits, BusyMastersShareEvenlyToTheLastCredit) {
  Credits credits(4, 2);
  for (LinkId link : {1, 2, 3}) {
    credits.link_up(link);
    credits.set_demand(link, 10);
  }
  EXPECT_EQ(credits.limit(1), 3u);
  EXPECT_EQ(credits.limit(2), 3u);
  EXPECT_EQ(credits.limit(3), 2u);
}

TEST(Credits, AFloorIsNeverNothing) {
  Credits credits(1, 1);
  for (LinkId link : {1, 2, 3}) credits.link_up(link);
  credits.set_demand(1, 1);
  credits.set_demand(2, 1);
  for (LinkId link : {1, 2, 3}) EXPECT_EQ(credits.limit(link), 1u);
}

TEST(Credits, WhatALinkHadGoesToTheOthers) {
  Credits credits(4, 2);
  for (LinkId link : {1, 2}) {
    credits.link_up(link);
    credits.set_demand(link, 1);
  }
  credits.link_down(1);
  EXPECT_EQ(credits.limit(1), 0u);
  EXPECT_EQ(credits.limit(2), 8u);
}

TEST(Credits, TellsEachChangeOnce) {
  Credits credits(4, 2);
  credits.link_up(1);
  EXPECT_THAT(credits.take_changed(), ElementsAre(1));
  EXPECT_THAT(credits.take_changed(), IsEmpty());
  credits.set_demand(1, 3);
  credits.set_demand(1, 4);
  EXPECT_THAT(credits.take_changed(), IsEmpty());
  credits.link_up(2);
  EXPECT_THAT(credits.take_changed(), ElementsAre(2)) << "an idle newcomer takes nothing from a busy one";
  credits.set_demand(2, 1);
  EXPECT_THAT(credits.take_changed(), ElementsAre(1, 2));
}

TEST(Credits, ClosedGrantsNothingAndOpenedGrantsAsBefore) {
  Credits credits(4, 2);
  credits.link_up(1);
  credits.take_changed();
  credits.set_open(false);
  EXPECT_EQ(credits.limit(1), 0u);
  EXPECT_THAT(credits.take_changed(), ElementsAre(1));
  credits.set_open(true);
  EXPECT_EQ(credits.limit(1), 8u);
}

}  // namespace
}  // namespace ringmaster
