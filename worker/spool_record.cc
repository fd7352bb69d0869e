#include "worker/spool_record.h"

#include <bit>
#include <concepts>
#include <cstring>
#include <limits>

#include <boost/crc.hpp>

namespace ringmaster::spool {
namespace {

static_assert(std::endian::native == std::endian::little, "the spool's format is little endian");

enum class Type : std::uint8_t { store_id = 1, epochs = 2, result = 3, forgets = 4, sync_mark = 5 };

// Flags of a result.
constexpr std::uint8_t kPermanent = 1;
constexpr std::uint8_t kWorkerDied = 2;

constexpr std::size_t kCrcBytes = 4;
constexpr std::size_t kHeadBytes = 9;
constexpr std::size_t kSyncMarkBytes = kHeadBytes + 16;
constexpr std::uint32_t kMaxPayload = 16u << 20;

std::uint32_t crc32c(std::string_view bytes) {
  boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
  crc.process_bytes(bytes.data(), bytes.size());
  return crc.checksum();
}

template <std::integral T>
void put(std::string& out, T value) {
  const std::size_t at = out.size();
  out.resize(at + sizeof value);
  std::memcpy(out.data() + at, &value, sizeof value);
}

void put(std::string& out, std::string_view text) {
  put(out, static_cast<std::uint32_t>(text.size()));
  out.append(text);
}

void put(std::string& out, const Token& token) {
  put(out, token.task.value);
  put(out, token.epoch);
  put(out, token.attempt);
}

// Writes the head on construction; seal() fills in what is known only at the end.
class Frame {
 public:
  Frame(std::string& out, Type type) : out_(out), start_(out.size()) {
    put(out_, std::uint32_t{0});
    put(out_, std::uint32_t{0});
    put(out_, static_cast<std::uint8_t>(type));
  }
  void seal() {
    const auto length = static_cast<std::uint32_t>(out_.size() - start_ - kHeadBytes);
    std::memcpy(out_.data() + start_ + kCrcBytes, &length, sizeof length);
    const std::uint32_t crc = crc32c(std::string_view(out_).substr(start_ + kCrcBytes));
    std::memcpy(out_.data() + start_, &crc, sizeof crc);
  }

 private:
  std::string& out_;
  std::size_t start_;
};

// Reads a payload; after any read past its end ok() is false and everything read is zero or empty.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}
  bool ok() const { return ok_ && bytes_.empty(); }

  template <std::integral T>
  T number() {
    T value{};
    const std::string_view raw = take(sizeof value);
    if (ok_) std::memcpy(&value, raw.data(), sizeof value);
    return value;
  }
  std::string text() { return std::string(take(number<std::uint32_t>())); }
  Token token() {
    Token token;
    token.task.value = number<std::int64_t>();
    token.epoch = number<Epoch>();
    token.attempt = number<Attempt>();
    return token;
  }
  // A count of items of at least `item_bytes` each, so that a damaged one cannot allocate much.
  std::uint32_t count(std::size_t item_bytes) {
    const auto n = number<std::uint32_t>();
    if (n > bytes_.size() / item_bytes) ok_ = false;
    return ok_ ? n : 0;
  }

 private:
  std::string_view take(std::size_t n) {
    if (n > bytes_.size()) ok_ = false;
    if (!ok_) return {};
    const std::string_view raw = bytes_.substr(0, n);
    bytes_.remove_prefix(n);
    return raw;
  }

  std::string_view bytes_;
  bool ok_ = true;
};

ResultReport read_result(Reader& in) {
  ResultReport report;
  AttemptResult& result = report.result;
  report.token = in.token();
  result.outcome = static_cast<Outcome>(in.number<std::uint8_t>());
  const auto flags = in.number<std::uint8_t>();
  result.permanent = (flags & kPermanent) != 0;
  result.worker_died = (flags & kWorkerDied) != 0;
  result.exit_code = in.number<std::int32_t>();
  result.signal = in.number<std::int32_t>();
  result.started_at = from_unix_micros(in.number<std::int64_t>());
  result.finished_at = from_unix_micros(in.number<std::int64_t>());
  result.usage.user_us = in.number<std::int64_t>();
  result.usage.system_us = in.number<std::int64_t>();
  result.usage.max_rss_kib = in.number<std::int64_t>();
  result.message = in.text();
  result.output_tail = in.text();
  return report;
}

Record read_payload(Type type, Reader& in) {
  switch (type) {
    case Type::store_id:
      return StoreId{in.text()};
    case Type::epochs: {
      Epochs epochs;
      for (auto n = in.count(9); n > 0; --n) {
        const auto shard = in.number<ShardId>();
        epochs.items.push_back({shard, in.number<Epoch>()});
      }
      return epochs;
    }
    case Type::result: {
      auto report = read_result(in);
      // An outcome that only a newer version knows: no master of this one would take it.
      if (report.result.outcome > Outcome::lost) return Unknown{};
      return report;
    }
    case Type::forgets: {
      Forgets forgets;
      for (auto n = in.count(20); n > 0; --n) forgets.items.push_back(in.token());
      return forgets;
    }
    case Type::sync_mark: {
      SyncMark mark;
      mark.segment = in.number<std::uint64_t>();
      mark.offset = in.number<std::uint64_t>();
      return mark;
    }
  }
  return Unknown{};
}

}  // namespace

void append(std::string& out, const StoreId& record) {
  Frame frame(out, Type::store_id);
  put(out, std::string_view(record.value));
  frame.seal();
}

void append(std::string& out, const Epochs& record) {
  Frame frame(out, Type::epochs);
  put(out, static_cast<std::uint32_t>(record.items.size()));
  for (const ShardEpoch& item : record.items) {
    put(out, item.shard);
    put(out, item.epoch);
  }
  frame.seal();
}

void append(std::string& out, const ResultReport& record) {
  Frame frame(out, Type::result);
  const AttemptResult& result = record.result;
  put(out, record.token);
  put(out, static_cast<std::uint8_t>(result.outcome));
  put(out, static_cast<std::uint8_t>((result.permanent ? kPermanent : 0) |
                                     (result.worker_died ? kWorkerDied : 0)));
  put(out, result.exit_code);
  put(out, result.signal);
  put(out, to_unix_micros(result.started_at));
  put(out, to_unix_micros(result.finished_at));
  put(out, result.usage.user_us);
  put(out, result.usage.system_us);
  put(out, result.usage.max_rss_kib);
  put(out, std::string_view(result.message));
  put(out, std::string_view(result.output_tail));
  frame.seal();
}

void append(std::string& out, const Forgets& record) {
  Frame frame(out, Type::forgets);
  put(out, static_cast<std::uint32_t>(record.items.size()));
  for (const Token& token : record.items) put(out, token);
  frame.seal();
}

void append(std::string& out, const SyncMark& record) {
  Frame frame(out, Type::sync_mark);
  put(out, record.segment);
  put(out, record.offset);
  frame.seal();
}

std::optional<Parsed> parse(std::string_view bytes) {
  if (bytes.size() < kHeadBytes) return std::nullopt;
  Reader head(bytes.substr(0, kHeadBytes));
  const auto crc = head.number<std::uint32_t>();
  const auto length = head.number<std::uint32_t>();
  const auto type = head.number<std::uint8_t>();
  if (length > kMaxPayload || length > bytes.size() - kHeadBytes) return std::nullopt;
  if (crc32c(bytes.substr(kCrcBytes, kHeadBytes - kCrcBytes + length)) != crc) return std::nullopt;

  Parsed parsed{.record = Unknown{}, .size = kHeadBytes + length};
  Reader payload(bytes.substr(kHeadBytes, length));
  parsed.record = read_payload(static_cast<Type>(type), payload);
  if (!payload.ok() && !std::holds_alternative<Unknown>(parsed.record)) return std::nullopt;
  return parsed;
}

std::uint64_t find_sync_mark(std::string_view bytes, std::uint64_t segment) {
  constexpr std::uint32_t kLength = kSyncMarkBytes - kHeadBytes;
  std::uint64_t highest = 0;
  for (; bytes.size() >= kSyncMarkBytes; bytes.remove_prefix(1)) {
    std::uint32_t length = 0;
    std::memcpy(&length, bytes.data() + kCrcBytes, sizeof length);
    if (length != kLength || bytes[kHeadBytes - 1] != static_cast<char>(Type::sync_mark)) continue;
    const auto parsed = parse(bytes.substr(0, kSyncMarkBytes));
    if (!parsed) continue;
    const auto& mark = std::get<SyncMark>(parsed->record);
    if (mark.segment == segment && mark.offset > highest) highest = mark.offset;
  }
  return highest;
}

}  // namespace ringmaster::spool
