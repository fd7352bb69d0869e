// The spool's records as bytes. Pure. One record:
//
//   crc32c u32 | length u32 | type u8 | payload of `length` bytes        (little endian; the crc covers all
//   after it)
//
// A segment is kSegmentMagic and then records. Unknown types and outcomes with a good crc are skipped: a
// newer version wrote them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/messages.h"

namespace ringmaster::spool {

inline constexpr std::string_view kSegmentMagic = "RMSPOOL1";

struct StoreId {
  std::string value;
};
struct Epochs {
  std::vector<ShardEpoch> items;
};
struct Forgets {
  std::vector<Token> items;
};
// This segment was on the platter up to this offset: damage before it is no torn tail.
struct SyncMark {
  std::uint64_t segment = 0;
  std::uint64_t offset = 0;
};
struct Unknown {};
using Record = std::variant<StoreId, Epochs, ResultReport, Forgets, SyncMark, Unknown>;

void append(std::string& out, const StoreId& record);
void append(std::string& out, const Epochs& record);
void append(std::string& out, const ResultReport& record);
void append(std::string& out, const Forgets& record);
void append(std::string& out, const SyncMark& record);

struct Parsed {
  Record record;
  std::size_t size = 0;
};
// The record at the start of `bytes`; none if it is cut short or damaged.
std::optional<Parsed> parse(std::string_view bytes);

// The highest mark for `segment` anywhere in `bytes`, found even behind damage; 0 if there is none.
std::uint64_t find_sync_mark(std::string_view bytes, std::uint64_t segment);

}  // namespace ringmaster::spool
