#include "base/streampark_ring.h"

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/hash.h"
#include "tests/unit/base/csv_rows.h"

namespace ringmaster {
namespace {

std::vector<std::string> servers(int count) {
  std::vector<std::string> names;
  for (int i = 1; i <= count; ++i) names.push_back("10.0.0." + std::to_string(i) + ":10000");
  return names;
}

void expect_rows(const StreamparkRing& ring, const std::vector<CsvRow>& rows) {
  for (const CsvRow& row : rows) {
    const std::string& key = row.at("key");
    EXPECT_EQ(std::to_string(static_cast<std::int64_t>(murmur64(key))), row.at("key_hash64")) << key;
    const auto owner = ring.owner(key);
    ASSERT_TRUE(owner) << key;
    EXPECT_EQ(owner->name, row.at("server")) << key;
    EXPECT_EQ(std::to_string(owner->point), row.at("ring_point")) << key;
  }
}

TEST(StreamparkRing, ReproducesRemovalAndReturn) {
  StreamparkRing ring(servers(3));
  const auto initial = read_csv("vectors/ring_n3_initial.csv");
  ASSERT_EQ(initial.size(), 1000U);
  expect_rows(ring, initial);
  ring.remove("10.0.0.2:10000");
  expect_rows(ring, read_csv("vectors/ring_n3_removed.csv"));
  ring.add("10.0.0.2:10000");
  expect_rows(ring, read_csv("vectors/ring_n3_readded.csv"));
}

TEST(StreamparkRing, ReproducesEveryEdgeCase) {
  std::map<std::string, std::vector<CsvRow>> by_ring;
  for (CsvRow& row : read_csv("vectors/ring_edge_cases.csv")) by_ring[row.at("ring")].push_back(row);
  ASSERT_EQ(by_ring.size(), 3U);
  for (const auto& [name, rows] : by_ring) {
    SCOPED_TRACE(name);
    const auto count = std::stoi(name.substr(1, name.find('_') - 1));
    expect_rows(StreamparkRing(servers(count)), rows);
  }
}

// The recorded ring: a map from point to server, changed the way its authors change it.
class MapRing {
 public:
  void add(const std::string& name) {
    for (std::uint32_t i = 0; i < StreamparkRing::kVirtualNodes; ++i) points_[point(name, i)] = name;
  }
  void remove(const std::string& name) {
    for (std::uint32_t i = 0; i < StreamparkRing::kVirtualNodes; ++i) points_.erase(point(name, i));
  }
  std::string owner(const std::string& key) const {
    if (points_.empty()) return "";
    const auto found = points_.lower_bound(static_cast<std::int64_t>(murmur64(key)));
    return found == points_.end() ? points_.begin()->second : found->second;
  }

 private:
  static std::int64_t point(const std::string& name, std::uint32_t i) {
    return static_cast<std::int64_t>(murmur64(name + std::to_string(i)));
  }
  std::map<std::int64_t, std::string> points_;
};

TEST(StreamparkRing, AgreesWithAMapWhenNamesSharePoints) {
  MapRing map;
  StreamparkRing ring;
  const auto expect_equal = [&](const char* when) {
    for (int i = 0; i < 20'000; ++i) {
      const std::string key = "key-" + std::to_string(i);
      const auto owner = ring.owner(key);
      ASSERT_EQ(owner ? std::string(owner->name) : "", map.owner(key)) << when << ", " << key;
    }
  };
  expect_equal("empty");
  for (const char* name : {"worker-1", "worker-11", "worker-111", "worker-1"}) {
    map.add(name);
    ring.add(name);
    expect_equal("added");
  }
  for (const char* name : {"worker-11", "worker-2", "worker-1", "worker-111"}) {
    map.remove(name);
    ring.remove(name);
    expect_equal("removed");
  }
  EXPECT_EQ(ring.owner("anything"), std::nullopt);
}

TEST(StreamparkRing, BuildsAtOnceWhatAddingOneByOneBuilds) {
  const std::vector<std::string> names{"worker-1", "worker-11", "worker-2", "worker-1"};
  const StreamparkRing built(names);
  StreamparkRing grown;
  for (const std::string& name : names) grown.add(name);
  ASSERT_EQ(built.points().hashes(), grown.points().hashes());
  for (int i = 0; i < 50'000; ++i) {
    const std::string key = std::to_string(i);
    ASSERT_EQ(built.owner(key)->name, grown.owner(key)->name) << key;
  }
}

}  // namespace
}  // namespace ringmaster
