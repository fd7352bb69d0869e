#include "rpc/frame.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include <glog/logging.h>

namespace ringmaster {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the wire is little-endian, and so are all our hosts");

constexpr char kMagic[4] = {'R', 'N', 'G', 'M'};
constexpr std::size_t kSmallBuffer = 8 * 1024;    // what an idle channel holds
constexpr std::size_t kLargeBuffer = 256 * 1024;  // what one read may bring on a busy one
constexpr int kSmallReadsToShrink = 16;

template <class T>
T load(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class T>
void store(char* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

}  // namespace

void write_frame_header(const FrameHeader& header, std::size_t length, char* to) {
  CHECK_LE(length, kMaxPayloadBytes);
  std::memcpy(to, kMagic, sizeof kMagic);
  store(to + 4, kFrameVersion);
  store(to + 5, static_cast<std::uint8_t>(header.kind));
  store(to + 6, header.type);
  store(to + 8, header.correlation);
  store(to + 16, static_cast<std::uint32_t>(length));
}

void append_frame(const FrameHeader& header, std::string_view payload, std::string& out) {
  const std::size_t at = out.size();
  out.resize(at + kFrameHeaderBytes);
  write_frame_header(header, payload.size(), out.data() + at);
  out.append(payload);
}

FrameDecoder::FrameDecoder(std::size_t max_payload) : max_payload_(max_payload) {}

std::span<char> FrameDecoder::prepare() {
  adapt();
  std::size_t capacity = std::max(capacity_, kSmallBuffer);
  // A large frame gets room as it arrives, never more than twice what has arrived of it.
  if (wanted_ > capacity) capacity = std::clamp(2 * buffered(), capacity, wanted_);
  if (capacity > capacity_) {
    reallocate(capacity);
  } else if (begin_ > 0 && (buffered() <= begin_ || begin_ + wanted_ > capacity_)) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, buffered());
    end_ -= std::exchange(begin_, 0);
  }
  if (end_ == capacity_) reallocate(2 * capacity_);  // fed on without next()
  return {buffer_.get() + end_, capacity_ - end_};
}

void FrameDecoder::commit(std::size_t size) {
  CHECK_LE(size, capacity_ - end_);
  filled_ = size == capacity_ - end_;
  if (capacity_ > kSmallBuffer) small_reads_ = size < capacity_ / 8 ? small_reads_ + 1 : 0;
  end_ += size;
}

void FrameDecoder::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto room = prepare();
    const std::size_t size = std::min(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), size);
    commit(size);
    bytes.remove_prefix(size);
  }
}

Result<std::optional<Frame>> FrameDecoder::next() {
  if (error_) return std::unexpected(*error_);
  wanted_ = kFrameHeaderBytes;
  const char* const at = buffer_.get() + begin_;
  const std::size_t size = buffered();
  if (size == 0) return std::optional<Frame>();
  // Judge what is there at once: garbage shorter than a header must not leave us waiting for its end.
  if (std::memcmp(at, kMagic, std::min(size, sizeof kMagic)) != 0) {
    error_ = Error{ErrorCode::invalid_argument, "not a frame: bad magic", {}};
  } else if (size > 4 && static_cast<std::uint8_t>(at[4]) != kFrameVersion) {
    error_ = Error{ErrorCode::invalid_argument,
                   "frame version " + std::to_string(static_cast<std::uint8_t>(at[4])) + " is not supported",
                   {}};
  }
  if (error_) return std::unexpected(*error_);
  if (size < kFrameHeaderBytes) return std::optional<Frame>();

  const std::size_t length = load<std::uint32_t>(at + 16);
  if (length > max_payload_) {
    error_ = Error{ErrorCode::resource_exhausted,
                   "a frame of " + std::to_string(length) + " bytes exceeds the bound of " +
                       std::to_string(max_payload_),
                   {}};
    return std::unexpected(*error_);
  }
  if (size - kFrameHeaderBytes < length) {
    wanted_ = kFrameHeaderBytes + length;
    return std::optional<Frame>();
  }
  begin_ += kFrameHeaderBytes + length;
  const auto flags = static_cast<std::uint8_t>(at[5]);
  return Frame{{load<std::uint16_t>(at + 6), static_cast<FrameKind>(flags & 3), load<std::uint64_t>(at + 8)},
               {at + kFrameHeaderBytes, length}};
}

void FrameDecoder::reallocate(std::size_t capacity) {
  auto larger = std::make_unique_for_overwrite<char[]>(capacity);
  if (buffered() > 0) std::memcpy(larger.get(), buffer_.get() + begin_, buffered());
  end_ -= std::exchange(begin_, 0);
  buffer_ = std::move(larger);
  capacity_ = capacity;
}

// A busy stream gets large reads, an idle one gives the memory back: a master holds a thousand of these.
void FrameDecoder::adapt() {
  if (begin_ == end_) begin_ = end_ = 0;
  if (std::exchange(filled_, false) && capacity_ < kLargeBuffer) {
    reallocate(std::min(2 * capacity_, kLargeBuffer));
  } else if (small_reads_ >= kSmallReadsToShrink && buffered() == 0) {
    small_reads_ = 0;
    reallocate(kSmallBuffer);
  }
}

}  // namespace ringmaster
