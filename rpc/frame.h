// Frames: how messages stand in a byte stream. A header of 20 bytes, little-endian, then the payload:
//
//   0  magic "RNGM"   4  version (1)   5  flags   6  type u16   8  correlation u64   16  length u32
//
// Pure: no sockets, no clock. The length is checked against a bound before anything is allocated for it, and
// memory grows only as bytes arrive: a peer that announces much and sends nothing costs nothing. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace ringmaster {

inline constexpr std::size_t kFrameHeaderBytes = 20;
inline constexpr std::size_t kMaxPayloadBytes = 4 * 1024 * 1024;
inline constexpr std::uint8_t kFrameVersion = 1;

// The low two bits of the flags. The other six are zero when sent and ignored when read.
enum class FrameKind : std::uint8_t { one_way = 0, request = 1, reply = 2, error_reply = 3 };

struct FrameHeader {
  std::uint16_t type = 0;
  FrameKind kind = FrameKind::one_way;
  std::uint64_t correlation = 0;  // of a request and its reply; 0 for one-way frames
};

struct Frame {
  FrameHeader header;
  std::string_view payload;  // into the decoder's buffer: valid until its next prepare, feed or destruction
};

// Writes the header of a payload of `length` bytes to the kFrameHeaderBytes at `to`.
void write_frame_header(const FrameHeader& header, std::size_t length, char* to);
// Appends a whole frame.
void append_frame(const FrameHeader& header, std::string_view payload, std::string& out);

// Bytes in, frames out. After an error the stream is lost: every further next() repeats it.
class FrameDecoder {
 public:
  explicit FrameDecoder(std::size_t max_payload = kMaxPayloadBytes);

  // Room to read into, at least one byte; what was written there is then made known by commit().
  std::span<char> prepare();
  void commit(std::size_t size);
  // The same in one step, for bytes that are elsewhere.
  void feed(std::string_view bytes);

  // The next whole frame; none: more bytes are needed. Errors: invalid_argument (no frame of ours: bad magic
  // or version), resource_exhausted (payload above the bound).
  Result<std::optional<Frame>> next();

  // For the frames from now on.
  void set_max_payload(std::size_t bytes) { max_payload_ = bytes; }
  std::size_t capacity() const { return capacity_; }
  std::size_t buffered() const { return end_ - begin_; }

 private:
  void reallocate(std::size_t capacity);
  void adapt();

  std::size_t max_payload_;
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0, end_ = 0;         // the bytes not yet handed out
  std::size_t wanted_ = kFrameHeaderBytes;  // the size of the frame that is incomplete, as far as known
  bool filled_ = false;                     // the last read used all the room it had
  int small_reads_ = 0;                     // in a row, while the buffer was large
  std::optional<Error> error_;
};

}  // namespace ringmaster
