// Reads a spool directory back: what is unacknowledged, and which segment holds it.
//
// A record that is cut short or damaged ends its segment: what follows was never synced, and is cut off. If a
// sync mark says that it was, the disk has lost data that was promised, and that is an error.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <unordered_map>

#include "base/result.h"
#include "worker/spool.h"

namespace ringmaster {

struct TokenHash {
  std::size_t operator()(const Token& token) const noexcept {
    return std::hash<TaskId>{}(token.task) ^ (static_cast<std::size_t>(token.epoch) << 32) ^
           static_cast<std::size_t>(token.attempt);
  }
};

using SegmentNumber = std::uint64_t;

std::string segment_path(const std::string& directory, SegmentNumber number);

struct SpoolReplay {
  Spool::Contents contents;
  std::map<SegmentNumber, std::uint64_t> live;  // results not forgotten, by segment; also those with none
  std::unordered_map<Token, SegmentNumber, TokenHash> where;
};

// Cuts torn tails off, with a log line each. Errors: internal (damage, not a spool), unavailable (cannot
// read).
Result<SpoolReplay> replay_spool(const std::string& directory);

// One segment's bytes, whole: a segment is bounded.
Result<std::string> read_segment(const std::string& directory, SegmentNumber number);

}  // namespace ringmaster
