// The vocabulary of tasks in its protobuf form, for the codec only. put() fills a cleared protobuf object;
// take() moves out of a parsed one, and is false if a value is out of range. Any thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/task.h"
#include "rpc/proto/ringmaster.pb.h"

namespace ringmaster {

// A protobuf object for each thread and type, used again and again: its strings and items keep their memory,
// unless what went through it was large. At most one of a type at a time.
template <class P>
class Scratch {
 public:
  Scratch() { object().Clear(); }
  ~Scratch() {
    if (size_ > kKeepBytes) object() = P();
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  P& operator*() { return object(); }
  P* operator->() { return &object(); }
  void note_size(std::size_t serialized_bytes) { size_ = serialized_bytes; }

 private:
  static constexpr std::size_t kKeepBytes = 256 * 1024;
  static P& object() {
    thread_local P instance;
    return instance;
  }
  std::size_t size_ = 0;
};

// Returns how many bytes that took.
template <class P>
std::size_t append_serialized(const P& from, std::string& out) {
  const std::size_t size = from.ByteSizeLong();
  const std::size_t at = out.size();
  if (out.capacity() < at + size) out.reserve(std::max(at + size, 2 * out.capacity()));
  out.resize_and_overwrite(at + size, [&](char* bytes, std::size_t total) {
    from.SerializeWithCachedSizesToArray(reinterpret_cast<std::uint8_t*>(bytes + at));
    return total;
  });
  return size;
}

// Items of hot batches hold their token's fields themselves.
template <class P>
void put_token(const Token& from, P& to) {
  to.set_task(from.task.value);
  to.set_epoch(from.epoch);
  to.set_attempt(from.attempt);
}
template <class P>
Token take_token(const P& from) {
  return {TaskId{from.task()}, from.epoch(), from.attempt()};
}

// Our enums have the numbers of the wire's; `known` is the generated range check.
template <class E, class W>
bool take_enum(W from, bool (*known)(int), E& to) {
  if (!known(from)) return false;
  to = static_cast<E>(from);
  return true;
}

void put(const NewTask& from, wire::NewTask& to);
[[nodiscard]] bool take(wire::NewTask& from, NewTask& to);
void put(const AttemptResult& from, wire::AttemptResult& to);
[[nodiscard]] bool take(wire::AttemptResult& from, AttemptResult& to);
void put(const Progress& from, wire::Progress& to);
[[nodiscard]] bool take(wire::Progress& from, Progress& to);
void put(const TaskView& from, wire::TaskView& to);
[[nodiscard]] bool take(wire::TaskView& from, TaskView& to);

}  // namespace ringmaster
