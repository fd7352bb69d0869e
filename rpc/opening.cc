#include "rpc/opening.h"

#include <utility>

#include <boost/asio/error.hpp>

namespace ringmaster {
namespace {

using boost::system::error_code;

// Two names, ids and a version: far below this.
constexpr std::size_t kMaxHandshakeBytes = 4096;

std::string frame_bytes(const HandshakeFrame& frame) {
  std::string bytes;
  append_frame({static_cast<std::uint16_t>(frame.type), FrameKind::one_way, 0}, frame.payload, bytes);
  return bytes;
}

}  // namespace

Opening::Opening(Loop& loop, std::unique_ptr<Stream> stream, Handshake handshake)
    : loop_(loop),
      stream_(std::move(stream)),
      handshake_(std::move(handshake)),
      decoder_(kMaxHandshakeBytes),
      timer_(loop) {}

void Opening::start(Duration timeout, Done done) {
  done_ = std::move(done);
  timer_.start(timeout, [this] { fail_as(DialError::unreachable, "no end of the handshake in time"); });
  write(handshake_.start());
  read();
}

void Opening::read() {
  stream_->async_read_some(
      decoder_.prepare(),
      [self = shared_from_this()](error_code error, std::size_t size) { self->on_read(error, size); });
}

void Opening::on_read(error_code error, std::size_t size) {
  if (!done_) return;
  if (error) {
    const bool end = error == boost::asio::error::eof;
    return fail_as(DialError::unreachable,
                   end ? "closed during the handshake" : "handshake: " + error.message());
  }
  decoder_.commit(size);
  while (handshake_.state() == Handshake::State::waiting) {
    const auto next = decoder_.next();
    if (!next) return fail_as(DialError::rejected, "not a Ringmaster node: " + next.error().message);
    if (!*next) return read();
    auto answer = handshake_.on_frame((*next)->header.type, (*next)->payload);
    if (handshake_.state() == Handshake::State::done) {
      // The owner sends the acceptor's welcome, once it has taken the older channels of this peer down.
      if (answer) last_ = frame_bytes(*answer);
    } else {
      write(answer);
    }
  }
  if (!writing_) settle();
}

void Opening::write(const std::optional<HandshakeFrame>& frame) {
  // Whoever speaks out of turn, while our own word is still on its way, gets no explanation.
  if (!frame || writing_) return;
  out_ = frame_bytes(*frame);
  const std::string_view part = out_;
  writing_ = true;
  stream_->async_write({&part, 1}, [self = shared_from_this()](error_code error, std::size_t) {
    self->writing_ = false;
    if (error) return self->fail_as(DialError::unreachable, "handshake: " + error.message());
    self->settle();
  });
}

// Once the machine has come to its end and all is written, a rejection included.
void Opening::settle() {
  if (!done_ || handshake_.state() == Handshake::State::waiting) return;
  if (handshake_.state() == Handshake::State::failed) return fail_as(DialError::rejected, handshake_.error());
  timer_.stop();
  auto done = std::exchange(done_, nullptr);
  done(Opened{std::move(stream_), std::move(decoder_), std::move(last_), handshake_.peer(),
              handshake_.protocol()});
}

void Opening::fail_as(DialError error, std::string reason) {
  if (!done_) return;
  auto done = std::exchange(done_, nullptr);
  cancel();
  done(std::unexpected(Failure{error, std::move(reason)}));
}

void Opening::cancel() {
  done_ = nullptr;
  timer_.stop();
  if (stream_) stream_->close();
}

}  // namespace ringmaster
