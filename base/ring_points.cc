#include "base/ring_points.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <new>
#include <thread>

#include <glog/logging.h>
#include <sys/mman.h>

#include "base/hash.h"

namespace ringmaster {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} * 1024 * 1024;

constexpr std::size_t alignment_for(std::size_t bytes) {
  return bytes >= 2 * kHugePage ? kHugePage : alignof(std::max_align_t);
}

}  // namespace

template <class T>
T* BulkAllocator<T>::allocate(std::size_t count) {
  const std::size_t bytes = count * sizeof(T);
  const std::size_t alignment = alignment_for(bytes);
  void* memory = ::operator new(bytes, std::align_val_t(alignment));
  if (alignment == kHugePage) madvise(memory, bytes, MADV_HUGEPAGE);  // a wish: without it all is only slower
  return static_cast<T*>(memory);
}

template <class T>
void BulkAllocator<T>::deallocate(T* memory, std::size_t count) noexcept {
  ::operator delete(memory, std::align_val_t(alignment_for(count * sizeof(T))));
}

template class BulkAllocator<std::uint8_t>;
template class BulkAllocator<std::uint16_t>;
template class BulkAllocator<std::uint32_t>;
template class BulkAllocator<std::uint64_t>;

namespace {

constexpr std::size_t kParallelFrom = 1'000'000;
constexpr int kMaxPartitionBits = 11;
// Points of a partition, so that its sort stays within a core's second-level cache.
constexpr std::size_t kPartitionPoints = 8192;

// Calls f(hash) for each of a server's points in order of i.
template <class F>
void each_point(const PointSource& source, std::uint64_t flip, F f) {
  const Murmur64Prefix prefix(source.prefix);
  std::array<char, 16> text{};
  for (std::uint32_t i = 0; i < source.count;) {
    // Ten numbers differ in their last digit alone, which is the highest byte: add one there.
    const auto end = std::to_chars(text.data(), text.data() + text.size(), i).ptr;
    const auto size = static_cast<std::size_t>(end - text.data());
    std::uint64_t digits = hash_detail::load(text.data(), size);
    for (std::uint32_t last = std::min(i + 10, source.count); i < last; ++i) {
      f(prefix.hash(digits, size) ^ flip);
      digits += std::uint64_t{1} << (8 * (size - 1));
    }
  }
}

}  // namespace

// A radix sort in two rounds: points are dealt into up to 2,048 partitions by their leading bits, then each
// partition into the index's buckets of a few points, which an insertion sort finishes within the cache.
class RingPointsBuilder {
 public:
  RingPointsBuilder(const std::vector<PointSource>& sources, std::uint64_t flip)
      : sources_(sources), flip_(flip) {
    CHECK_LE(sources.size(), kMaxRingServers);
    std::size_t total = 0;
    for (const PointSource& source : sources) {
      CHECK_LT(source.count, 100'000'000U) << "a suffix has at most 8 digits";
      total += source.count;
    }
    CHECK_LE(total, std::size_t{0xffffffff});
    threads_ = total >= kParallelFrom ? 2 : 1;
    points_.allocate(total);
    const auto bits =
        std::clamp(static_cast<int>(std::bit_width(total / kPartitionPoints)), 1, kMaxPartitionBits);
    partition_shift_ = 64 - bits;
  }

  RingPoints build() && {
    if (points_.size() == 0) return {};
    run([this](std::size_t t) { count(t); });
    place_partitions();
    run([this](std::size_t t) { deal(t); });
    run([this](std::size_t t) { sort(t); });
    return std::move(points_);
  }

 private:
  static constexpr std::size_t kThreads = 2;
  using Offsets = std::vector<std::uint32_t>;  // one for each partition

  std::size_t partitions() const { return std::size_t{1} << (64 - partition_shift_); }

  template <class F>
  void run(F work) {
    std::jthread other;
    if (threads_ == kThreads) other = std::jthread([&work] { work(1); });
    work(0);
  }

  // Thread t works on every threads_-th server.
  template <class F>
  void each_own_point(std::size_t t, F f) {
    for (std::size_t s = t; s < sources_.size(); s += threads_) {
      each_point(sources_[s], flip_, [&](std::uint64_t hash) { f(hash, static_cast<RingServer>(s)); });
    }
  }

  void count(std::size_t t) {
    next_[t].assign(partitions(), 0);
    Offsets& counts = next_[t];
    each_own_point(t, [&](std::uint64_t hash, RingServer) { ++counts[hash >> partition_shift_]; });
  }

  // Turns the counts into where each thread writes its next point of each partition.
  void place_partitions() {
    begin_.resize(partitions() + 1);
    std::uint32_t at = 0;
    for (std::size_t p = 0; p < partitions(); ++p) {
      begin_[p] = at;
      for (std::size_t t = 0; t < threads_; ++t) at += std::exchange(next_[t][p], at);
    }
    begin_[partitions()] = at;
  }

  // Hashes are computed a second time: that is cheaper than writing and reading them.
  void deal(std::size_t t) {
    Offsets& next = next_[t];
    each_own_point(t, [&](std::uint64_t hash, RingServer server) {
      const std::uint32_t at = next[hash >> partition_shift_]++;
      points_.hashes_[at] = hash;
      points_.servers_[at] = server;
    });
  }

  struct Point {
    std::uint64_t hash;
    RingServer server;
    bool operator<(const Point& other) const {
      return hash != other.hash ? hash < other.hash : server < other.server;
    }
  };

  void sort(std::size_t t) {
    Offsets ends;
    std::vector<Point> scratch;
    for (std::size_t p = t; p < partitions(); p += threads_) sort_partition(p, ends, scratch);
  }

  // A counting sort into the partition's buckets, through `scratch`; then an insertion sort moves no point
  // further than within its bucket.
  void sort_partition(std::size_t p, Offsets& ends, std::vector<Point>& scratch) {
    const std::size_t begin = begin_[p], end = begin_[p + 1];
    const std::size_t buckets = points_.offsets_.size() / partitions();
    const auto bucket_of = [&](std::uint64_t hash) { return (hash >> points_.shift_) & (buckets - 1); };
    ends.assign(buckets, 0);
    for (std::size_t i = begin; i < end; ++i) ++ends[bucket_of(points_.hashes_[i])];
    std::uint32_t at = 0;
    for (std::uint32_t& bucket : ends) at += std::exchange(bucket, at);
    scratch.resize(end - begin);
    for (std::size_t i = begin; i < end; ++i) {
      const std::uint64_t hash = points_.hashes_[i];
      scratch[ends[bucket_of(hash)]++] = {hash, points_.servers_[i]};
    }
    for (std::size_t i = 1; i < scratch.size(); ++i) {
      const Point point = scratch[i];
      std::size_t hole = i;
      for (; hole > 0 && point < scratch[hole - 1]; --hole) scratch[hole] = scratch[hole - 1];
      scratch[hole] = point;
    }
    for (std::size_t i = 0; i < scratch.size(); ++i) {
      points_.hashes_[begin + i] = scratch[i].hash;
      points_.servers_[begin + i] = scratch[i].server;
    }
    points_.index_buckets(p * buckets, (p + 1) * buckets, begin, end);
  }

  RingPoints points_;
  const std::vector<PointSource>& sources_;
  std::uint64_t flip_;
  std::size_t threads_ = 1;
  int partition_shift_ = 63;
  std::array<Offsets, kThreads> next_;
  Offsets begin_;
};

void RingPoints::allocate(std::size_t points) {
  hashes_.resize(points);
  servers_.resize(points);
  // One to two points a bucket; at least two whole blocks, so that both halves of a ring are indexed apart.
  const int bits = std::max(7, static_cast<int>(std::bit_width(points)) - 1);
  shift_ = 64 - bits;
  offsets_.resize(std::size_t{1} << bits);
  blocks_.resize(offsets_.size() / kBlock);
}

void RingPoints::index_buckets(std::size_t first, std::size_t last, std::size_t begin, std::size_t end) {
  for (std::size_t bucket = first, i = begin; bucket < last; ++bucket) {
    while (i < end && hashes_[i] >> shift_ < bucket) ++i;
    if (bucket % kBlock == 0) blocks_[bucket / kBlock] = static_cast<std::uint32_t>(i);
    offsets_[bucket] = static_cast<std::uint8_t>(std::min<std::size_t>(i - blocks_[bucket / kBlock], 255));
  }
}

RingPoints RingPoints::build(const std::vector<PointSource>& sources, std::uint64_t flip) {
  return RingPointsBuilder(sources, flip).build();
}

RingPoints RingPoints::from_sorted(BulkVector<std::uint64_t> hashes, BulkVector<RingServer> servers) {
  CHECK_EQ(hashes.size(), servers.size());
  RingPoints points;
  if (hashes.empty()) return points;
  points.hashes_ = std::move(hashes);
  points.servers_ = std::move(servers);
  points.allocate(points.hashes_.size());
  points.index_buckets(0, points.offsets_.size(), 0, points.size());
  return points;
}

}  // namespace ringmaster
