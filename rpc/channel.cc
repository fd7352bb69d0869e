#include "rpc/channel.h"

#include <algorithm>
#include <utility>

#include <boost/asio/error.hpp>
#include <glog/logging.h>

#include "base/utf8.h"
#include "rpc/message_codec.h"

namespace ringmaster {

using boost::system::error_code;

Channel::Channel(Loop& loop, std::unique_ptr<Stream> stream, FrameDecoder decoder, Options options,
                 Handler& handler, std::string_view first_bytes)
    : loop_(loop),
      stream_(std::move(stream)),
      decoder_(std::move(decoder)),
      options_(options),
      handler_(&handler),
      last_heard_(loop.now()),
      last_beat_(last_heard_),
      timer_(loop) {
  decoder_.set_max_payload(kMaxPayloadBytes);
  if (!first_bytes.empty()) queue_.push_raw(first_bytes);
}

void Channel::start() {
  schedule_beat();
  if (!queue_.idle()) schedule_flush();
  handle_frames();
}

// ---- out ------------------------------------------------------------------------------------------------

bool Channel::after_push() {
  if (queue_.bytes() > options_.hard_bound) {
    fail_with("the peer reads too slowly: " + std::to_string(queue_.bytes()) + " bytes wait for it");
    return false;
  }
  schedule_flush();
  return true;
}

void Channel::schedule_flush() {
  if (writing_ || flush_scheduled_) return;
  flush_scheduled_ = true;
  loop_.post([self = shared_from_this()] {
    self->flush_scheduled_ = false;
    self->flush();
  });
}

void Channel::flush() {
  if (state_ == State::closed || writing_) return;
  if (queue_.idle()) {
    if (state_ == State::draining && !std::exchange(fin_sent_, true)) stream_->shutdown_send();
    return;
  }
  writing_ = true;
  const auto parts = queue_.take();
  stream_->async_write(
      parts, [self = shared_from_this()](error_code error, std::size_t) { self->on_written(error); });
}

void Channel::on_written(error_code error) {
  writing_ = false;
  if (state_ == State::closed) return;
  if (error) {
    if (state_ == State::draining) return finish_draining();
    return fail_with("write failed: " + error.message());
  }
  queue_.landed();
  flush();
  // While we do not read, a peer shows that it lives by taking what we write.
  if (state_ == State::open && !reading_ && !handling_) {
    last_heard_ = loop_.now();
    handle_frames();
  }
}

// ---- in -------------------------------------------------------------------------------------------------

bool Channel::throttled() const {
  if (!options_.throttle) return false;
  // Stopped reading above the high mark, goes on below the low one.
  return queue_.bytes() > (reading_ || handling_ ? options_.high_water : options_.low_water);
}

void Channel::read() {
  reading_ = true;
  stream_->async_read_some(decoder_.prepare(),
                           [self = shared_from_this()](error_code error, std::size_t size) {
                             self->reading_ = false;
                             self->on_read(error, size);
                           });
}

void Channel::on_read(error_code error, std::size_t size) {
  if (state_ == State::closed) return;
  if (state_ == State::draining) {
    // What the peer still sends is read and dropped: closing over unread bytes would reset what we wrote
    // last.
    if (error) return finish_draining();
    return read();
  }
  if (error)
    return fail_with(error == boost::asio::error::eof ? "the peer closed the connection" : error.message());
  last_heard_ = loop_.now();
  decoder_.commit(size);
  handling_ = true;
  handle_frames();
}

void Channel::handle_frames() {
  if (throttled()) {
    handling_ = false;
    return;
  }
  handling_ = true;
  while (state_ == State::open && !throttled()) {
    auto next = decoder_.next();
    if (!next) return fail_with("broken stream: " + next.error().message);
    if (!*next) {
      handling_ = false;
      // Answers leave before we look for more: a look that finds nothing costs a system call of their
      // latency.
      flush();
      return read();
    }
    on_control_or_frame(**next);
  }
  handling_ = false;
  if (state_ == State::draining) read();
}

void Channel::on_control_or_frame(const Frame& frame) {
  switch (static_cast<FrameType>(frame.header.type)) {
    case FrameType::heartbeat:
      return;
    case FrameType::goodbye: {
      const auto reason = decode_goodbye(frame.payload);
      return fail_with("the peer closed the channel: " +
                       (is_printable_utf8(reason) ? reason : "no readable reason"));
    }
    default:
      handler_->on_frame(frame);
  }
}

// ---- time -----------------------------------------------------------------------------------------------

void Channel::schedule_beat() {
  const auto left = last_heard_ + options_.dead_after - loop_.now();
  timer_.start(std::clamp(left, Duration(1), options_.heartbeat_interval), [this] { beat(); });
}

void Channel::beat() {
  const auto now = loop_.now();
  // After a standstill of our own the peer's bytes may lie unread: give them one interval to be heard.
  if (now - last_beat_ > options_.heartbeat_interval * 3 / 2)
    last_heard_ = std::max(last_heard_, now - options_.dead_after + options_.heartbeat_interval);
  last_beat_ = now;
  if (now - last_heard_ >= options_.dead_after)
    return fail_with("nothing heard for " + format_duration(options_.dead_after));
  if (queue_.queued_position() == beaten_position_) {
    queue_.trim();
    queue_.push({static_cast<std::uint16_t>(FrameType::heartbeat), FrameKind::one_way, 0},
                [](std::string&) {});
    schedule_flush();
  }
  beaten_position_ = queue_.queued_position();
  schedule_beat();
}

// ---- the end --------------------------------------------------------------------------------------------

void Channel::fail_with(std::string reason) {
  if (state_ != State::open) return;
  end();
  loop_.post([self = shared_from_this(), reason = std::move(reason)] {
    if (Handler* const listener = std::exchange(self->handler_, nullptr)) listener->on_closed(reason);
  });
}

void Channel::close(const std::string& reason, Callback drained) {
  handler_ = nullptr;
  drained_ = std::move(drained);
  if (state_ != State::open) {
    state_ = State::draining;
    return finish_draining();
  }
  queue_.push({static_cast<std::uint16_t>(FrameType::goodbye), FrameKind::one_way, 0},
              [&](std::string& out) { encode_goodbye(reason, out); });
  state_ = State::draining;
  timer_.start(options_.close_timeout, [this] { finish_draining(); });
  schedule_flush();
  if (!reading_ && !handling_) read();
}

void Channel::finish_draining() {
  if (state_ != State::draining) return;
  end();
  loop_.post([self = shared_from_this()] {
    if (auto drained = std::move(self->drained_)) drained();
  });
}

void Channel::abort() {
  handler_ = nullptr;
  drained_ = nullptr;
  end();
}

void Channel::end() {
  state_ = State::closed;
  timer_.stop();
  stream_->close();
}

}  // namespace ringmaster
