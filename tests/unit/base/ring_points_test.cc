#include "base/ring_points.h"

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/hash.h"

namespace ringmaster {
namespace {

using Point = std::pair<std::uint64_t, RingServer>;

std::vector<PointSource> sources(std::size_t servers, std::uint32_t points) {
  std::vector<PointSource> list;
  for (std::size_t i = 0; i < servers; ++i) list.push_back({"server-" + std::to_string(i) + "/", points});
  return list;
}

std::vector<Point> sorted_plainly(const std::vector<PointSource>& list, std::uint64_t flip) {
  std::vector<Point> points;
  for (std::size_t s = 0; s < list.size(); ++s) {
    for (std::uint32_t i = 0; i < list[s].count; ++i) {
      points.emplace_back(murmur64(list[s].prefix + std::to_string(i)) ^ flip, static_cast<RingServer>(s));
    }
  }
  std::ranges::sort(points);
  return points;
}

void expect_same(const RingPoints& points, const std::vector<Point>& expected) {
  ASSERT_EQ(points.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(Point(points.hash(i), points.server(i)), expected[i]) << i;
  }
}

void expect_found(const RingPoints& points, std::uint64_t hash) {
  const auto found = std::ranges::lower_bound(points.hashes(), hash);
  const auto place = found == points.hashes().end() ? 0 : found - points.hashes().begin();
  ASSERT_EQ(points.at_or_after(hash), static_cast<std::size_t>(place)) << hash;
}

void expect_lookups(const RingPoints& points) {
  std::mt19937_64 random(points.size());
  for (int i = 0; i < 20'000; ++i) expect_found(points, random());
  for (const std::uint64_t hash : {std::uint64_t{0}, ~std::uint64_t{0}, std::uint64_t{1} << 63}) {
    expect_found(points, hash);
  }
  for (std::size_t i = 0; i < points.size(); i += 1 + points.size() / 1000) {
    for (const std::uint64_t step : {-1, 0, 1}) expect_found(points, points.hash(i) + step);
  }
}

TEST(RingPoints, SortsAndFindsInRingsOfEverySize) {
  for (const auto& [servers, points] : std::vector<std::pair<std::size_t, std::uint32_t>>{{1, 1},
                                                                                          {1, 2},
                                                                                          {3, 1},
                                                                                          {1, 63},
                                                                                          {1, 64},
                                                                                          {2, 64},
                                                                                          {7, 101},
                                                                                          {100, 100},
                                                                                          {3, 12'345},
                                                                                          {1000, 150}}) {
    SCOPED_TRACE(std::to_string(servers) + " x " + std::to_string(points));
    const auto list = sources(servers, points);
    const RingPoints built = RingPoints::build(list);
    expect_same(built, sorted_plainly(list, 0));
    expect_lookups(built);
  }
}

TEST(RingPoints, SortsWithTwoThreadsWhatOneWouldSort) {
  const auto list = sources(11, 100'000);
  const RingPoints built = RingPoints::build(list, std::uint64_t{1} << 63);
  expect_same(built, sorted_plainly(list, std::uint64_t{1} << 63));
  expect_lookups(built);
}

TEST(RingPoints, IsEmptyWithoutPoints) {
  EXPECT_EQ(RingPoints::build({}).size(), 0U);
  EXPECT_EQ(RingPoints::build(sources(3, 0)).size(), 0U);
  EXPECT_EQ(RingPoints::from_sorted({}, {}).size(), 0U);
}

TEST(RingPoints, FindsAmongHashesThatAreNotUniform) {
  BulkVector<std::uint64_t> hashes;
  BulkVector<RingServer> servers;
  for (std::uint64_t i = 0; i < 5000; ++i) {  // all in one bucket, beyond what an offset can say
    hashes.push_back((std::uint64_t{77} << 40) + i / 2);
    servers.push_back(static_cast<RingServer>(i));
  }
  hashes.push_back(~std::uint64_t{0});
  servers.push_back(9);
  const RingPoints points = RingPoints::from_sorted(hashes, servers);
  expect_lookups(points);
  EXPECT_EQ(points.at_or_after(0), 0U);
  EXPECT_EQ(points.at_or_after((std::uint64_t{77} << 40) + 2), 4U);
}

TEST(RingPoints, CostsAtMostTwelveBytesAPoint) {
  for (const std::uint32_t points : {4096U, 4097U, 65'535U, 65'536U, 100'000U}) {
    const RingPoints built = RingPoints::build(sources(3, points));
    EXPECT_LE(static_cast<double>(built.bytes()) / static_cast<double>(built.size()), 12.0) << points;
  }
}

TEST(RingPoints, SortsEqualHashesByServer) {
  const RingPoints built = RingPoints::build({{"same", 1000}, {"other", 1000}, {"same", 1000}});
  for (std::size_t i = 1; i < built.size(); ++i) {
    if (built.hash(i) != built.hash(i - 1)) continue;
    EXPECT_LT(built.server(i - 1), built.server(i));
  }
}

}  // namespace
}  // namespace ringmaster
