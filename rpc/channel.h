// Channel: one stream after its handshake. Frames in and out, heartbeats both ways, and an orderly end.
//
// Frames sent within one turn of the loop leave in one gather write. A heartbeat goes out when nothing else
// did for an interval; a peer that is silent for `dead_after` is dead (not when it was our own thread that
// stood still). A peer that reads so slowly that `hard_bound` bytes wait for it is closed. Lives in a
// shared_ptr, because its reads and writes hold it; on the loop's thread. No callback runs inside a call.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/loop.h"
#include "rpc/frame.h"
#include "rpc/stream.h"
#include "rpc/write_queue.h"

namespace ringmaster {

class Channel : public std::enable_shared_from_this<Channel> {
 public:
  struct Options {
    Duration heartbeat_interval = std::chrono::seconds(1);
    Duration dead_after = std::chrono::seconds(3);
    Duration close_timeout = std::chrono::seconds(1);
    // Above high_water the peer's frames are left unread until low_water, if `throttle` is on: for peers that
    // send requests and do not read the replies. Never for both ends of a channel: each would wait for the
    // other.
    bool throttle = false;
    std::size_t high_water = 8 * 1024 * 1024;
    std::size_t low_water = 2 * 1024 * 1024;
    std::size_t hard_bound = 64 * 1024 * 1024;
  };

  class Handler {
   public:
    virtual ~Handler() = default;
    // Not for heartbeats and goodbyes. May close or abort the channel.
    virtual void on_frame(const Frame& frame) = 0;
    // The channel ended by itself or by its peer. Once, and not after close() or abort().
    virtual void on_closed(const std::string& reason) = 0;
  };

  enum class Sent { queued, closed, too_big };

  // `decoder` may hold bytes that came with the handshake; `first_bytes` go out before anything else.
  Channel(Loop& loop, std::unique_ptr<Stream> stream, FrameDecoder decoder, Options options, Handler& handler,
          std::string_view first_bytes);
  // Frames that are already there are handled inside this call.
  void start();

  template <class Encode>
  Sent send(const FrameHeader& header, Encode&& encode) {
    if (state_ != State::open) return Sent::closed;
    if (!queue_.push(header, encode)) return Sent::too_big;
    return after_push() ? Sent::queued : Sent::closed;
  }

  // Says goodbye, flushes, ends the stream and waits for the peer to do the same, no longer than
  // close_timeout; then runs `drained` (never inside this call). The handler hears nothing more.
  void close(const std::string& reason, Callback drained);
  // At once. No callback of any kind runs any more.
  void abort();

  std::uint64_t queued_position() const { return queue_.queued_position(); }
  std::uint64_t taken_position() const { return queue_.taken_position(); }
  std::size_t queued_bytes() const { return queue_.bytes(); }
  std::size_t refused_bytes() const { return queue_.refused_bytes(); }

 private:
  enum class State { open, draining, closed };

  bool after_push();
  void schedule_flush();
  void flush();
  void on_written(boost::system::error_code error);
  void read();
  void on_read(boost::system::error_code error, std::size_t size);
  void handle_frames();
  void on_control_or_frame(const Frame& frame);
  bool throttled() const;
  void beat();
  void schedule_beat();
  void fail_with(std::string reason);
  void finish_draining();
  void end();

  Loop& loop_;
  std::unique_ptr<Stream> stream_;
  FrameDecoder decoder_;
  const Options options_;
  Handler* handler_;
  WriteQueue queue_;
  State state_ = State::open;
  bool writing_ = false, flush_scheduled_ = false, reading_ = false, handling_ = false, fin_sent_ = false;
  Callback drained_;
  MonoTime last_heard_, last_beat_;
  std::uint64_t beaten_position_ = 0;  // what had been queued at the last beat
  Timer timer_;                        // beats while open, the bound of the end while draining
};

}  // namespace ringmaster
