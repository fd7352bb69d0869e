#include "base/hash_ring.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

std::vector<std::string> workers(int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back("worker-" + std::to_string(i));
  return names;
}

std::string key(int i) {
  return "task-" + std::to_string(i);
}

std::vector<std::string> whole_walk(const HashRing& ring, std::string_view from) {
  std::vector<std::string> names;
  EXPECT_FALSE(ring.walk(from, [&](std::string_view name) { return names.emplace_back(name), false; }));
  return names;
}

void expect_same_ring(const HashRing& a, const HashRing& b) {
  ASSERT_EQ(a.names(), b.names());
  ASSERT_EQ(a.points().hashes(), b.points().hashes());
  ASSERT_EQ(a.points().servers(), b.points().servers());
}

TEST(HashRing, HasNoOwnerWhenEmpty) {
  const HashRing ring;
  EXPECT_TRUE(ring.empty());
  EXPECT_EQ(ring.owner("key"), std::nullopt);
  EXPECT_TRUE(whole_walk(ring, "key").empty());
}

TEST(HashRing, GivesEveryKeyToALoneServer) {
  const HashRing ring({"only"});
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(ring.owner(key(i)), "only");
  EXPECT_EQ(whole_walk(ring, "key"), std::vector<std::string>{"only"});
}

TEST(HashRing, PutsPointsWhereItsHeaderSays) {
  const HashRing ring({"b", "a"}, 3);
  std::set<std::uint64_t> expected;
  for (const std::string name : {"a", "b"}) {
    for (const char* index : {"0", "1", "2"}) expected.insert(murmur64(name + '\0' + index));
  }
  EXPECT_EQ(std::set(ring.points().hashes().begin(), ring.points().hashes().end()), expected);
}

// Fixed for ever: a change of any of these moves tasks between servers in the middle of an upgrade.
TEST(HashRing, PlacesKeysAsItAlwaysDid) {
  const HashRing ring(workers(5));
  std::string owners;
  for (int i = 0; i < 24; ++i) owners += ring.owner(key(i))->back();
  EXPECT_EQ(owners, "423442304430002203322400");
}

TEST(HashRing, DoesNotDependOnTheOrderOfItsMembers) {
  auto names = workers(20);
  const HashRing ring(names);
  std::mt19937 random(7);
  for (int round = 0; round < 3; ++round) {
    std::ranges::shuffle(names, random);
    expect_same_ring(HashRing(names), ring);
  }
  names.push_back(names.front());
  expect_same_ring(HashRing(names), ring);
}

TEST(HashRing, MovesOnlyTheKeysOfARemovedServer) {
  const HashRing before(workers(10));
  auto names = workers(10);
  names.erase(names.begin() + 4);
  const HashRing after(names);
  for (int i = 0; i < 20'000; ++i) {
    const auto owner = before.owner(key(i));
    if (owner == "worker-4") continue;
    EXPECT_EQ(after.owner(key(i)), owner);
  }
}

TEST(HashRing, HandsTheKeysOfARemovedServerToTheNextOneOfTheWalk) {
  const HashRing before(workers(10));
  auto names = workers(10);
  names.erase(names.begin() + 4);
  const HashRing after(names);
  int moved = 0;
  for (int i = 0; i < 5000; ++i) {
    if (before.owner(key(i)) != "worker-4") continue;
    ++moved;
    EXPECT_EQ(after.owner(key(i)), whole_walk(before, key(i)).at(1));
  }
  EXPECT_GT(moved, 0);
}

TEST(HashRing, SharesKeysEvenly) {
  const HashRing ring(workers(10));
  std::map<std::string_view, int> keys;
  for (int i = 0; i < 100'000; ++i) ++keys[*ring.owner(key(i))];
  for (const auto& [name, count] : keys) {
    EXPECT_GT(count, 9'000) << name;
    EXPECT_LT(count, 11'000) << name;
  }
}

TEST(HashRing, SharesKeysByWeight) {
  const HashRing ring = HashRing::weighted({{"one", 1}, {"three", 3}, {"nothing", 0}, {"tiny", 1e-9}});
  std::map<std::string_view, int> keys;
  for (int i = 0; i < 100'000; ++i) ++keys[*ring.owner(key(i))];
  EXPECT_NEAR(keys["three"], 75'000, 2'500);
  EXPECT_EQ(keys["nothing"], 0);
  auto walked = whole_walk(ring, "key");
  std::ranges::sort(walked);
  EXPECT_EQ(walked, (std::vector<std::string>{"one", "three", "tiny"}));
}

TEST(HashRing, OwnersOfPrefixedNamesShareNoPoints) {
  const HashRing ring({"worker-1", "worker-11", "worker-111"});
  const auto& hashes = ring.points().hashes();
  EXPECT_EQ(std::ranges::adjacent_find(hashes), hashes.end());
}

TEST(HashRing, WalksEveryServerOnceFromTheOwnerOn) {
  for (const int count : {2, 63, 64, 65, 3000}) {
    const HashRing ring(workers(count), count > 100 ? 16 : 256);
    for (int i = 0; i < 20; ++i) {
      auto walked = whole_walk(ring, key(i));
      ASSERT_EQ(walked.size(), static_cast<std::size_t>(count));
      EXPECT_EQ(walked.front(), ring.owner(key(i)));
      std::ranges::sort(walked);
      EXPECT_EQ(walked, ring.names());
    }
  }
}

TEST(HashRing, WalksClockwise) {
  const HashRing ring(workers(5), 8);
  for (int i = 0; i < 200; ++i) {
    const RingPoints& points = ring.points();
    std::vector<std::string> expected;
    const std::size_t start = points.at_or_after(murmur64(key(i)));
    for (std::size_t step = 0; step < points.size(); ++step) {
      const std::string& name = ring.names()[points.server((start + step) % points.size())];
      if (std::ranges::find(expected, name) == expected.end()) expected.push_back(name);
    }
    EXPECT_EQ(whole_walk(ring, key(i)), expected);
  }
}

TEST(HashRing, StopsItsWalkWhenTold) {
  const HashRing ring(workers(10));
  for (const int stop_after : {1, 2, 10}) {
    int calls = 0;
    EXPECT_TRUE(ring.walk("key", [&](std::string_view) { return ++calls == stop_after; }));
    EXPECT_EQ(calls, stop_after);
  }
}

TEST(HashRing, ChangesIntoWhatANewRingWouldBe) {
  std::mt19937 random(11);
  const auto all = workers(40);
  HashRing ring;
  for (int round = 0; round < 60; ++round) {
    std::vector<RingMember> members;
    for (const std::string& name : all) {
      // Mostly the same from round to round, at times none.
      if (round % 20 != 19 && random() % 8 != 0)
        members.push_back({name, 1 + static_cast<double>(random() % 12 / 11)});
    }
    ring = ring.changed_to(members);
    expect_same_ring(ring, HashRing::weighted(members));
  }
}

TEST(HashRing, KeepsASnapshotWhileItChanges) {
  HashRing ring(workers(3));
  const HashRing copy = ring;
  const auto owner = copy.owner("key");
  ring = ring.changed_to(workers(1));
  ring = HashRing();
  EXPECT_EQ(copy.owner("key"), owner);
  EXPECT_EQ(copy.names().size(), 3U);
}

}  // namespace
}  // namespace ringmaster
