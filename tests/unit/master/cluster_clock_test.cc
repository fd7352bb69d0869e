#include "master/cluster_clock.h"

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr MonoTime mono(Duration since) {
  return MonoTime{since};
}
constexpr WallTime wall(Duration since) {
  return WallTime{seconds(1'000'000) + since};
}

// Right to the millisecond: monotonic 10 s is cluster 10 s.
ClusterClock a_clock() {
  ClusterClock clock;
  EXPECT_EQ(clock.learn(mono(seconds(10) - milliseconds(1)), mono(seconds(10) + milliseconds(1)),
                        wall(seconds(10))),
            Duration{0});
  EXPECT_EQ(clock.at(mono(seconds(10))), wall(seconds(10)));
  return clock;
}

TEST(ClusterClock, IsCarriedForwardOnTheMonotonicClock) {
  EXPECT_EQ(a_clock().at(mono(seconds(25))), wall(seconds(25)));
}

TEST(ClusterClock, IsNotMovedByAnAnswerThatComesLate) {
  // The database was frozen for 7 s, and read its clock before, or after.
  for (const auto read_at : {seconds(20), seconds(23), seconds(27)}) {
    ClusterClock clock = a_clock();
    EXPECT_EQ(clock.learn(mono(seconds(20)), mono(seconds(27)), wall(read_at)), Duration{0});
    EXPECT_EQ(clock.at(mono(seconds(30))), wall(seconds(30)));
  }
}

TEST(ClusterClock, FollowsAJumpOfTheDatabasesClock) {
  ClusterClock clock = a_clock();
  EXPECT_EQ(clock.learn(mono(seconds(20)), mono(seconds(20)), wall(seconds(25))), seconds(5));
  EXPECT_EQ(clock.at(mono(seconds(21))), wall(seconds(26)));
  EXPECT_EQ(clock.learn(mono(seconds(30)), mono(seconds(30)), wall(seconds(30))), -seconds(5));
  EXPECT_EQ(clock.at(mono(seconds(31))), wall(seconds(31)));
}

TEST(ClusterClock, FollowsAJumpAsFarAsALateAnswerProvesIt) {
  ClusterClock clock = a_clock();
  EXPECT_EQ(clock.learn(mono(seconds(20)), mono(seconds(21)), wall(seconds(25))), seconds(4));
}

TEST(ClusterClock, MendsAFirstAnswerThatCameLate) {
  ClusterClock clock;
  EXPECT_EQ(clock.learn(mono(seconds(0)), mono(seconds(8)), wall(seconds(8))), Duration{0});
  EXPECT_EQ(clock.at(mono(seconds(8))), wall(seconds(12)));  // nobody can know
  EXPECT_EQ(clock.learn(mono(seconds(10)), mono(seconds(10)), wall(seconds(10))), -seconds(4));
  EXPECT_EQ(clock.at(mono(seconds(11))), wall(seconds(11)));
}

}  // namespace
}  // namespace ringmaster
