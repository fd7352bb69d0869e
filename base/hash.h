// murmur64: the 64-bit hash that places keys and servers on the ring. A single-lane relative of MurmurHash3,
// not MurmurHash3 itself; its values are stable for ever: they decide where tasks go. Pure. Any thread.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace ringmaster {

namespace hash_detail {

static_assert(std::endian::native == std::endian::little, "blocks are read as little-endian");

inline constexpr std::uint64_t kSeed = 104729;
inline constexpr std::size_t kBlock = 8;

constexpr std::uint64_t scramble(std::uint64_t block) {
  return std::rotl(block * 0x87c37b91114253d5ULL, 31) * 0x4cf5ad432745937fULL;
}
constexpr std::uint64_t absorb(std::uint64_t state, std::uint64_t block) {
  return std::rotl(state ^ scramble(block), 27) * 5 + 0x52dce729ULL;
}
constexpr std::uint64_t finish(std::uint64_t h) {
  h = (h ^ h >> 33) * 0xff51afd7ed558ccdULL;
  h = (h ^ h >> 33) * 0xc4ceb9fe1a85ec53ULL;
  return h ^ h >> 33;
}
// The first `size` <= 8 bytes, little-endian, zero-extended. A memcpy of unknown size would be a call: two
// loads that may overlap do.
inline std::uint64_t load(const char* bytes, std::size_t size) {
  if (size >= 4) {
    std::uint32_t low = 0, high = 0;
    std::memcpy(&low, bytes, 4);
    std::memcpy(&high, bytes + size - 4, 4);
    return low | std::uint64_t{high} << (8 * (size - 4));
  }
  if (size == 0) return 0;
  const auto byte = [&](std::size_t i) {
    return std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  };
  return byte(0) | byte(size / 2) | byte(size - 1);
}

}  // namespace hash_detail

// A prefix hashed once, to be finished with many short suffixes: hash(suffix) == murmur64(prefix + suffix).
class Murmur64Prefix {
 public:
  explicit Murmur64Prefix(std::string_view prefix) : length_(prefix.size()) {
    for (; prefix.size() >= hash_detail::kBlock; prefix.remove_prefix(hash_detail::kBlock)) {
      state_ = hash_detail::absorb(state_, hash_detail::load(prefix.data(), hash_detail::kBlock));
    }
    tail_ = hash_detail::load(prefix.data(), prefix.size());
    tail_size_ = prefix.size();
  }

  // `suffix`: `size` <= 8 bytes, little-endian; the bytes above them are zero.
  std::uint64_t hash(std::uint64_t suffix, std::size_t size) const {
    std::uint64_t h = state_;
    std::uint64_t last = tail_ | suffix << (8 * tail_size_);
    std::size_t left = tail_size_ + size;
    if (left >= hash_detail::kBlock) {
      h = hash_detail::absorb(h, last);
      left -= hash_detail::kBlock;
      // Shifting a word by its whole width is undefined: split the shift of 64 - 8 * tail_size_ in two.
      last = suffix >> 1 >> (63 - 8 * tail_size_);
    }
    if (left > 0) h ^= hash_detail::scramble(last);
    return hash_detail::finish(h ^ (length_ + size));
  }

 private:
  std::uint64_t state_ = hash_detail::kSeed;
  std::uint64_t tail_ = 0;
  std::size_t tail_size_ = 0;  // 0..7
  std::uint64_t length_;
};

inline std::uint64_t murmur64(std::string_view bytes) {
  std::uint64_t h = hash_detail::kSeed;
  const std::size_t length = bytes.size();
  for (; bytes.size() >= hash_detail::kBlock; bytes.remove_prefix(hash_detail::kBlock)) {
    h = hash_detail::absorb(h, hash_detail::load(bytes.data(), hash_detail::kBlock));
  }
  if (!bytes.empty()) h ^= hash_detail::scramble(hash_detail::load(bytes.data(), bytes.size()));
  return hash_detail::finish(h ^ length);
}

}  // namespace ringmaster
