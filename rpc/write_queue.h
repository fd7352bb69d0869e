// WriteQueue: frames on their way out, built in place and handed over in large pieces. Pure. One thread.
//
// A frame is encoded straight into the last chunk, so that a thousand small ones leave in a few buffers of
// one gather write. Positions count the bytes ever queued: they tell whether a frame has been handed over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rpc/frame.h"

namespace ringmaster {

class WriteQueue {
 public:
  // Appends a frame whose payload `encode(std::string&)` appends. False: it would exceed kMaxPayloadBytes;
  // nothing was queued.
  template <class Encode>
  bool push(const FrameHeader& header, Encode&& encode) {
    std::string& chunk = open_chunk();
    const std::size_t at = chunk.size();
    chunk.resize(at + kFrameHeaderBytes);
    encode(chunk);
    return seal(header, at);
  }
  void push_raw(std::string_view bytes);

  // Everything queued goes in flight; nothing may be in flight before. The parts are valid until landed().
  std::vector<std::string_view> take();
  void landed();
  // Gives memory back that a burst left behind.
  void trim();

  bool idle() const { return waiting_bytes_ == 0; }
  std::size_t bytes() const { return waiting_bytes_ + flying_bytes_; }
  std::uint64_t queued_position() const { return taken_ + waiting_bytes_; }
  std::uint64_t taken_position() const { return taken_; }
  const std::size_t& refused_bytes() const { return refused_bytes_; }  // the last payload that was too large

 private:
  std::string& open_chunk();
  bool seal(const FrameHeader& header, std::size_t at);

  std::vector<std::string> waiting_, flying_, spare_;
  std::size_t waiting_bytes_ = 0, flying_bytes_ = 0;
  std::uint64_t taken_ = 0;
  std::size_t refused_bytes_ = 0;
};

}  // namespace ringmaster
