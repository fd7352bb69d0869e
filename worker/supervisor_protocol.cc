#include "worker/supervisor_protocol.h"

#include <bit>
#include <cstring>
#include <type_traits>

namespace ringmaster {
namespace {

enum class FrameType : std::uint8_t {
  start = 1,
  kill = 2,
  ready = 3,
  started = 4,
  finished = 5,
  lease = 6,
  goodbye = 7,
  progress = 8,
};

class FieldWriter {
 public:
  // The length in front is filled in by the destructor.
  FieldWriter(std::string& out, FrameType type) : out_(out), begin_(out.size()) {
    number(std::uint32_t{0});
    number(type);
  }
  ~FieldWriter() {
    const auto size = static_cast<std::uint32_t>(out_.size() - begin_ - sizeof(std::uint32_t));
    std::memcpy(out_.data() + begin_, &size, sizeof size);
  }
  FieldWriter(const FieldWriter&) = delete;
  FieldWriter& operator=(const FieldWriter&) = delete;

  template <class T>
    requires std::is_integral_v<T> || std::is_enum_v<T>
  void number(T value) {
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    out_.append(bytes, sizeof value);
  }
  void text(std::string_view value) {
    number(static_cast<std::uint32_t>(value.size()));
    out_.append(value);
  }
  void texts(const std::vector<std::string>& values) {
    number(static_cast<std::uint32_t>(values.size()));
    for (const auto& value : values) text(value);
  }
  template <class T>
  void numbers(const std::vector<T>& values) {
    number(static_cast<std::uint32_t>(values.size()));
    for (const auto value : values) number(value);
  }
  void identity(const std::optional<ProcessIdentity>& value) {
    number(static_cast<std::uint8_t>(value.has_value()));
    if (!value) return;
    number(value->uid);
    number(value->gid);
    numbers(value->groups);
  }
  void limits(const AttemptLimits& value) {
    number(value.memory_bytes);
    number(value.cpu_millicores);
    number(value.cpu_time.count());
    number(value.processes);
    number(value.open_files);
    number(value.file_bytes);
  }
  void token(const Token& value) {
    number(value.task.value);
    number(value.epoch);
    number(value.attempt);
  }

 private:
  std::string& out_;
  std::size_t begin_;
};

// Reads fields off the front. After a short read ok() is false for good and every value is empty.
class FieldReader {
 public:
  explicit FieldReader(std::string_view body) : rest_(body) {}

  template <class T>
    requires std::is_integral_v<T> || std::is_enum_v<T>
  T number() {
    T value{};
    const auto bytes = take(sizeof value);
    if (bytes.size() == sizeof value) std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  bool flag() { return number<std::uint8_t>() != 0; }
  Duration duration() { return Duration(number<std::int64_t>()); }
  WallTime time() { return from_unix_micros(number<std::int64_t>()); }
  std::string text() { return std::string(take(number<std::uint32_t>())); }
  std::vector<std::string> texts() {
    std::vector<std::string> values;
    for (auto count = number<std::uint32_t>(); ok_ && count > 0; --count) values.push_back(text());
    return values;
  }
  template <class T = std::int32_t>
  std::vector<T> numbers() {
    std::vector<T> values;
    for (auto count = number<std::uint32_t>(); ok_ && count > 0; --count) values.push_back(number<T>());
    return values;
  }
  std::optional<ProcessIdentity> identity() {
    if (!flag()) return std::nullopt;
    ProcessIdentity value;
    value.uid = number<uid_t>();
    value.gid = number<gid_t>();
    value.groups = numbers<gid_t>();
    return value;
  }
  AttemptLimits limits() {
    AttemptLimits value;
    value.memory_bytes = number<std::int64_t>();
    value.cpu_millicores = number<std::int64_t>();
    value.cpu_time = duration();
    value.processes = number<std::int64_t>();
    value.open_files = number<std::int64_t>();
    value.file_bytes = number<std::int64_t>();
    return value;
  }
  Token token() {
    const TaskId task{number<std::int64_t>()};
    const auto epoch = number<Epoch>();
    return {task, epoch, number<Attempt>()};
  }
  bool ok() const { return ok_; }
  bool complete() const { return ok_ && rest_.empty(); }

 private:
  std::string_view take(std::size_t size) {
    if (!ok_ || size > rest_.size()) {
      ok_ = false;
      return {};
    }
    const auto bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }

  std::string_view rest_;
  bool ok_ = true;
};

void put(const StartOrder& order, std::string& out) {
  FieldWriter to(out, FrameType::start);
  to.number(order.id);
  to.texts(order.argv);
  to.texts(order.env);
  to.texts(order.secret_env);
  to.text(order.cwd);
  to.identity(order.identity);
  to.limits(order.limits);
  to.number(static_cast<std::uint8_t>(order.stdin_text.has_value()));
  to.text(order.stdin_text.value_or(""));
  to.text(order.log_path);
  to.number(order.log_limit);
  to.number(order.timeout.count());
  to.number(order.kill_grace.count());
  to.number(order.lease_shard);
  to.token(order.token);
  to.numbers(order.success_exit_codes);
}
void put(const KillOrder& order, std::string& out) {
  FieldWriter to(out, FrameType::kill);
  to.number(order.id);
}
void put(const GoodbyeOrder&, std::string& out) {
  FieldWriter(out, FrameType::goodbye);
}
void put(const LeaseOrder& order, std::string& out) {
  FieldWriter to(out, FrameType::lease);
  to.number(order.shard);
  to.number(order.until.time_since_epoch().count());
}
void put(const ReadyEvent&, std::string& out) {
  FieldWriter(out, FrameType::ready);
}
void put(const StartedEvent& event, std::string& out) {
  FieldWriter to(out, FrameType::started);
  to.number(event.id);
  to.number(to_unix_micros(event.started_at));
}
void put(const ProgressEvent& event, std::string& out) {
  FieldWriter to(out, FrameType::progress);
  to.number(event.id);
  to.number(std::bit_cast<std::uint64_t>(event.progress.fraction));
  to.text(event.progress.message);
}
void put(const FinishedEvent& event, std::string& out) {
  FieldWriter to(out, FrameType::finished);
  to.number(event.id);
  to.number(event.cause);
  to.number(static_cast<std::uint8_t>(event.permanent));
  to.number(static_cast<std::uint8_t>(event.survived));
  to.number(event.wait_status);
  to.number(event.log_error);
  to.number(event.exceeded_memory);
  to.number(to_unix_micros(event.started_at));
  to.number(to_unix_micros(event.finished_at));
  to.number(event.usage.user_us);
  to.number(event.usage.system_us);
  to.number(event.usage.max_rss_kib);
  to.text(event.message);
  to.text(event.output_tail);
}

StartOrder get_start(FieldReader& from) {
  StartOrder order;
  order.id = from.number<std::uint64_t>();
  order.argv = from.texts();
  order.env = from.texts();
  order.secret_env = from.texts();
  order.cwd = from.text();
  order.identity = from.identity();
  order.limits = from.limits();
  const bool has_stdin = from.flag();
  auto stdin_text = from.text();
  if (has_stdin) order.stdin_text = std::move(stdin_text);
  order.log_path = from.text();
  order.log_limit = from.number<std::uint64_t>();
  order.timeout = from.duration();
  order.kill_grace = from.duration();
  order.lease_shard = from.number<std::int16_t>();
  order.token = from.token();
  order.success_exit_codes = from.numbers();
  return order;
}

FinishedEvent get_finished(FieldReader& from) {
  FinishedEvent event;
  event.id = from.number<std::uint64_t>();
  event.cause = from.number<FinishCause>();
  event.permanent = from.flag();
  event.survived = from.flag();
  event.wait_status = from.number<std::int32_t>();
  event.log_error = from.number<std::int32_t>();
  event.exceeded_memory = from.number<std::int64_t>();
  event.started_at = from.time();
  event.finished_at = from.time();
  event.usage.user_us = from.number<std::int64_t>();
  event.usage.system_us = from.number<std::int64_t>();
  event.usage.max_rss_kib = from.number<std::int64_t>();
  event.message = from.text();
  event.output_tail = from.text();
  return event;
}

bool names_a_shard_or_none(std::int16_t shard) {
  return shard >= -1 && shard < kShardCount;
}

std::unexpected<Error> damaged() {
  return fail(ErrorCode::internal, "a damaged frame between the worker and its supervisor");
}

}  // namespace

std::vector<std::string> secret_values(const StartOrder& order) {
  std::vector<std::string> values;
  for (const auto& entry : order.secret_env) values.push_back(entry.substr(entry.find('=') + 1));
  return values;
}

void encode(const SupervisorOrder& order, std::string& out) {
  std::visit([&](const auto& o) { put(o, out); }, order);
}
void encode(const SupervisorEvent& event, std::string& out) {
  std::visit([&](const auto& e) { put(e, out); }, event);
}

Result<SupervisorOrder> decode_order(std::string_view body) {
  FieldReader from(body);
  SupervisorOrder order;
  switch (from.number<FrameType>()) {
    case FrameType::start:
      order = get_start(from);
      if (!names_a_shard_or_none(std::get<StartOrder>(order).lease_shard)) return damaged();
      break;
    case FrameType::kill:
      order = KillOrder{from.number<std::uint64_t>()};
      break;
    case FrameType::lease: {
      const auto shard = from.number<ShardId>();
      order = LeaseOrder{shard, MonoTime(from.duration())};
      break;
    }
    case FrameType::goodbye:
      order = GoodbyeOrder{};
      break;
    default:
      return damaged();
  }
  if (!from.complete()) return damaged();
  return order;
}

Result<SupervisorEvent> decode_event(std::string_view body) {
  FieldReader from(body);
  SupervisorEvent event;
  switch (from.number<FrameType>()) {
    case FrameType::ready:
      break;
    case FrameType::started: {
      const auto id = from.number<std::uint64_t>();
      event = StartedEvent{id, from.time()};
      break;
    }
    case FrameType::progress: {
      const auto id = from.number<std::uint64_t>();
      const auto fraction = std::bit_cast<double>(from.number<std::uint64_t>());
      event = ProgressEvent{id, {fraction, from.text(), {}}};
      break;
    }
    case FrameType::finished:
      event = get_finished(from);
      if (std::get<FinishedEvent>(event).cause > FinishCause::daemon_died) return damaged();
      break;
    default:
      return damaged();
  }
  if (!from.complete()) return damaged();
  return event;
}

void SupervisorFrames::feed(std::string_view bytes) {
  buffer_.erase(0, at_);
  at_ = 0;
  buffer_ += bytes;
}

Result<std::optional<std::string_view>> SupervisorFrames::next() {
  const auto rest = std::string_view(buffer_).substr(at_);
  std::uint32_t size = 0;
  if (rest.size() < sizeof size) return std::nullopt;
  std::memcpy(&size, rest.data(), sizeof size);
  if (size > kMaxSupervisorFrame) return damaged();
  if (rest.size() - sizeof size < size) return std::nullopt;
  at_ += sizeof size + size;
  return rest.substr(sizeof size, size);
}

}  // namespace ringmaster
