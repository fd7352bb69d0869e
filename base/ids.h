// Identifiers. A task id is 63 bits: a sequence number above, its shard in the low 8 bits.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace ringmaster {

inline constexpr int kShardCount = 256;
using ShardId = std::uint8_t;
using Epoch = std::int64_t;       // fencing number of a shard; 0 = never owned
using Attempt = std::int32_t;     // 1, 2, …
using Generation = std::int64_t;  // of a fence row
using LinkId = std::uint64_t;     // one channel to one peer; never reused in a process

struct TaskId {
  std::int64_t value = 0;
  auto operator<=>(const TaskId&) const = default;
  ShardId shard() const { return static_cast<ShardId>(value & 0xff); }
};

inline TaskId make_task_id(std::int64_t sequence, ShardId shard) {
  return TaskId{(sequence << 8) | shard};
}

// One life of one daemon: random, 63 bits, never 0 in a living daemon.
struct Incarnation {
  std::int64_t value = 0;
  auto operator<=>(const Incarnation&) const = default;
  explicit operator bool() const { return value != 0; }
};

// Strictly increasing for a task; handed to the code that runs the attempt.
struct Token {
  TaskId task;
  Epoch epoch = 0;
  Attempt attempt = 0;
  bool operator==(const Token&) const = default;
  // Order of two tokens of one task: (epoch, attempt) is what "higher" means.
  bool newer_than(const Token& other) const {
    return epoch != other.epoch ? epoch > other.epoch : attempt > other.attempt;
  }
};

// `task_` and 13 characters of lower-case Crockford base 32: text order is number order.
std::string to_string(TaskId id);
Result<TaskId> parse_task_id(std::string_view text);
// `inc_` and 13 characters.
std::string to_string(Incarnation incarnation);
Result<Incarnation> parse_incarnation(std::string_view text);

}  // namespace ringmaster

template <>
struct std::hash<ringmaster::TaskId> {
  // The sequence number, as it is: tasks come and go in its order, and neighbours in neighbouring buckets are
  // found in the processor's cache. Spread at random each look-up would be a miss or two.
  std::size_t operator()(ringmaster::TaskId id) const noexcept {
    return static_cast<std::size_t>(static_cast<std::uint64_t>(id.value) >> 8);
  }
};
template <>
struct std::hash<ringmaster::Incarnation> {
  std::size_t operator()(ringmaster::Incarnation i) const noexcept {
    return static_cast<std::size_t>(i.value);
  }
};
