#include "base/hash.h"

#include <cstdint>
#include <string>

#include <gtest/gtest.h>

#include "tests/unit/base/csv_rows.h"

namespace ringmaster {
namespace {

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

TEST(Murmur64, ReproducesEveryRecordedHash) {
  for (const auto& [file, column, rows] : {std::tuple("vectors/hash64_strings.csv", "utf8_hex", 25U),
                                           std::tuple("vectors/hash64_bytes.csv", "bytes_hex", 41U)}) {
    const auto recorded = read_csv(file);
    EXPECT_GE(recorded.size(), rows) << file;
    for (const CsvRow& row : recorded) {
      const auto hash = static_cast<std::int64_t>(murmur64(from_hex(row.at(column))));
      EXPECT_EQ(std::to_string(hash), row.at("hash64_signed")) << row.at(column);
    }
  }
}

TEST(Murmur64Prefix, HashesLikeTheWholeText) {
  const std::string text = "0123456789abcdefghij-0123456789";
  for (std::size_t prefix = 0; prefix < 20; ++prefix) {
    const Murmur64Prefix hashed(text.substr(0, prefix));
    for (std::size_t size = 0; size <= 8; ++size) {
      const std::uint64_t suffix = hash_detail::load(text.data() + prefix, size);
      EXPECT_EQ(hashed.hash(suffix, size), murmur64(text.substr(0, prefix + size))) << prefix << "+" << size;
    }
  }
}

}  // namespace
}  // namespace ringmaster
