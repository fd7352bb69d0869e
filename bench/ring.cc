// What the hash ring costs at the size that StreamPark's has: 100 servers of 131,072 points; and at our own
// default. Limits of the same run: sorting as many random 64-bit numbers, binary search in them, and a
// std::map.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/hash_ring.h"
#include "base/streampark_ring.h"
#include "bench/bench.h"

namespace ringmaster {
namespace {

constexpr int kServers = 100;
constexpr int kKeys = 4'000'000;
constexpr int kRounds = 5;
constexpr std::uint64_t kSeed = 20261121;

template <class F>
double seconds(F work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The least of several runs: what else the machine does only ever adds.
template <class F>
double least_seconds(F work) {
  double least = seconds(work);
  for (int i = 1; i < kRounds; ++i) least = std::min(least, seconds(work));
  return least;
}

// Independent random keys: each round looks up every one, and the sum keeps the compiler from skipping it.
template <class F>
double lookup_ns(const std::vector<std::uint64_t>& keys, F look_up) {
  std::uint64_t sum = 0;
  const double taken = least_seconds([&] {
    for (const std::uint64_t key : keys) sum += look_up(key);
  });
  volatile std::uint64_t sink = sum;
  static_cast<void>(sink);
  return taken / static_cast<double>(keys.size()) * 1e9;
}

std::vector<std::uint64_t> random_numbers(std::size_t count) {
  std::mt19937_64 random(kSeed + count);
  std::vector<std::uint64_t> numbers(count);
  for (std::uint64_t& number : numbers) number = random();
  return numbers;
}

std::vector<std::string> server_names() {
  std::vector<std::string> names;
  for (int i = 1; i <= kServers; ++i) names.push_back("10.0.0." + std::to_string(i) + ":10000");
  return names;
}

struct Limits {
  double sort = 0;           // seconds
  double binary_search = 0;  // ns
  double map_search = 0;     // ns
};

Limits measure_limits(std::size_t points, const std::vector<std::uint64_t>& keys) {
  Limits limits;
  const std::vector<std::uint64_t> numbers = random_numbers(points);
  std::vector<std::uint64_t> sorted;
  limits.sort = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kRounds; ++i) {
    sorted = numbers;
    limits.sort = std::min(limits.sort, seconds([&] { std::ranges::sort(sorted); }));
  }
  limits.binary_search = lookup_ns(keys, [&](std::uint64_t key) {
    const auto found = std::ranges::upper_bound(sorted, key);
    return found == sorted.end() ? sorted.front() : *found;
  });
  std::map<std::uint64_t, std::uint32_t> tree;
  for (const std::uint64_t hash : sorted) tree.emplace_hint(tree.end(), hash, 1);
  // A tree is so much slower that a tenth of the keys tells enough.
  const std::vector<std::uint64_t> some(keys.begin(),
                                        keys.begin() + static_cast<std::ptrdiff_t>(keys.size() / 10));
  limits.map_search = lookup_ns(some, [&](std::uint64_t key) {
    const auto found = tree.upper_bound(key);
    return found == tree.end() ? tree.begin()->second : found->second;
  });
  return limits;
}

void print_build(const char* what, double build, const RingPoints& points) {
  std::printf("  %-34s %8.3f s %7.2f bytes a point\n", what, build,
              static_cast<double>(points.bytes()) / static_cast<double>(points.size()));
}

void print_lookup(const char* what, double ns, const Limits& limits) {
  std::printf("  %-34s %8.1f ns  1/%.1f of binary search, 1/%.1f of a std::map\n", what, ns,
              limits.binary_search / ns, limits.map_search / ns);
}

void measure_ring(std::uint32_t virtual_nodes, const std::vector<std::uint64_t>& keys) {
  HashRing ring;
  const auto names = server_names();
  const double build = least_seconds([&] { ring = HashRing(names, virtual_nodes); });
  const std::size_t size = ring.points().size();
  const Limits limits = measure_limits(size, keys);
  std::printf("%d servers x %u points, %d random keys, the least of %d runs\n", kServers, virtual_nodes,
              kKeys, kRounds);
  print_build("build", build, ring.points());
  const auto fewer = ring.changed_to(std::vector<std::string>(names.begin(), names.end() - 1));
  const double join = least_seconds([&] { ring = fewer.changed_to(names); });
  std::printf("  %-34s %8.3f s\n", "one more server joins", join);
  std::printf("  %-34s %8.3f s; building takes %.2f of it\n", "limit: std::sort of as many numbers",
              limits.sort, build / limits.sort);
  print_lookup("look-up of a hashed key",
               lookup_ns(keys, [&](std::uint64_t key) { return ring.owner_of_hash(key)->size(); }), limits);
  print_lookup("look-up of a key of 8 bytes",
               lookup_ns(keys,
                         [&](std::uint64_t key) {
                           return ring.owner({reinterpret_cast<const char*>(&key), sizeof key})->size();
                         }),
               limits);
  std::printf("  %-34s %8.1f ns\n", "limit: binary search", limits.binary_search);
  std::printf("  %-34s %8.1f ns\n", "limit: std::map", limits.map_search);
}

void measure_streampark(const std::vector<std::uint64_t>& keys) {
  StreamparkRing ring;
  const auto names = server_names();
  const double build = least_seconds([&] { ring = StreamparkRing(names); });
  std::printf("streampark mode, %d servers x %u points (StreamPark itself: 25 s, 64 bytes, 1950 ns)\n",
              kServers, StreamparkRing::kVirtualNodes);
  print_build("build", build, ring.points());
  std::printf("  %-34s %8.1f ns\n", "look-up of a key of 8 bytes", lookup_ns(keys, [&](std::uint64_t key) {
                return ring.owner({reinterpret_cast<const char*>(&key), sizeof key})->name.size();
              }));
}

}  // namespace

int bench_ring(int argc, char** argv) {
  if (argc > 1) {
    std::fprintf(stderr, "usage: ringbench %s\nTakes no options; needs about 2 GiB for the std::map.\n",
                 argv[0]);
    return 1;
  }
  const auto keys = random_numbers(kKeys);
  measure_ring(StreamparkRing::kVirtualNodes, keys);
  measure_ring(HashRing::kVirtualNodes, keys);
  measure_streampark(keys);
  return 0;
}

}  // namespace ringmaster
