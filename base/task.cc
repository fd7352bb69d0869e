#include "base/task.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/hash.h"
#include "base/utf8.h"

namespace ringmaster {
namespace {

template <class E, std::size_t N>
using Names = std::array<std::pair<E, std::string_view>, N>;

constexpr Names<TaskState, 10> kStates{{{TaskState::delayed, "DELAYED"},
                                        {TaskState::ready, "READY"},
                                        {TaskState::running, "RUNNING"},
                                        {TaskState::cancelling, "CANCELLING"},
                                        {TaskState::quarantined, "QUARANTINED"},
                                        {TaskState::succeeded, "SUCCEEDED"},
                                        {TaskState::failed, "FAILED"},
                                        {TaskState::cancelled, "CANCELLED"},
                                        {TaskState::timed_out, "TIMED_OUT"},
                                        {TaskState::lost, "LOST"}}};
constexpr Names<OnWorkerLost, 3> kOnWorkerLost{{{OnWorkerLost::rerun, "rerun"},
                                                {OnWorkerLost::rerun_after_lease, "rerun_after_lease"},
                                                {OnWorkerLost::fail, "fail"}}};
constexpr Names<Routing, 2> kRoutings{{{Routing::bounded, "bounded"}, {Routing::strict, "strict"}}};
constexpr Names<Outcome, 6> kOutcomes{{{Outcome::succeeded, "succeeded"},
                                       {Outcome::failed, "failed"},
                                       {Outcome::timed_out, "timed_out"},
                                       {Outcome::cancelled, "cancelled"},
                                       {Outcome::lost, "lost"},
                                       {Outcome::released, "released"}}};

template <class E, std::size_t N>
std::string_view name_of(const Names<E, N>& names, E value) {
  for (const auto& [v, name] : names) {
    if (v == value) return name;
  }
  return "UNKNOWN";  // a number that a newer version stored
}

template <class E, std::size_t N>
std::optional<E> value_of(const Names<E, N>& names, std::string_view text) {
  for (const auto& [value, name] : names) {
    if (name == text) return value;
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_string(TaskState state) {
  return name_of(kStates, state);
}
std::optional<TaskState> parse_task_state(std::string_view text) {
  return value_of(kStates, text);
}

std::string_view to_string(OnWorkerLost v) {
  return name_of(kOnWorkerLost, v);
}
std::optional<OnWorkerLost> parse_on_worker_lost(std::string_view text) {
  return value_of(kOnWorkerLost, text);
}

std::string_view to_string(Routing v) {
  return name_of(kRoutings, v);
}
std::optional<Routing> parse_routing(std::string_view text) {
  return value_of(kRoutings, text);
}

std::string_view to_string(Outcome outcome) {
  return name_of(kOutcomes, outcome);
}
std::optional<Outcome> parse_outcome(std::string_view text) {
  return value_of(kOutcomes, text);
}

std::uint64_t payload_hash(const NewTask& task) {
  std::string text;
  const auto put = [&](std::string_view value) {
    text.append(std::to_string(value.size())).append(":").append(value);
  };
  const auto number = [&](auto value) { put(std::to_string(static_cast<std::int64_t>(value))); };
  for (const std::string* value :
       {&task.ns, &task.kind, &task.spec, &task.group, &task.routing_key, &task.labels}) {
    put(*value);
  }
  number(task.routing);
  number(task.priority);
  number(task.run_at ? to_unix_micros(*task.run_at) : 0);
  number(task.timeout.count());
  number(task.start_deadline.count());
  number(task.retry.max_attempts);
  number(task.retry.backoff.count());
  put(std::to_string(task.retry.factor));
  number(task.retry.backoff_max.count());
  number(task.on_worker_lost);
  return murmur64(text);
}

Progress bounded(Progress progress) {
  if (!(progress.fraction >= 0)) progress.fraction = 0;  // not a number, too
  progress.fraction = std::min(progress.fraction, 1.0);
  progress.message = replace_invalid_utf8(progress.message);
  if (progress.message.size() > kMaxProgressMessage) {
    std::size_t end = kMaxProgressMessage;
    while ((static_cast<unsigned char>(progress.message[end]) & 0xC0) == 0x80) --end;
    progress.message.resize(end);
  }
  return progress;
}

}  // namespace ringmaster
