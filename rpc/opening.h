// Opening: a fresh stream on its way to being a channel. Runs the handshake, bounded in time and bytes; a
// peer that is silent, slow or talks garbage costs one small buffer until then. Lives in a shared_ptr. On the
// loop's thread.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/loop.h"
#include "rpc/frame.h"
#include "rpc/handshake.h"
#include "rpc/links.h"
#include "rpc/stream.h"

namespace ringmaster {

class Opening : public std::enable_shared_from_this<Opening> {
 public:
  struct Opened {
    std::unique_ptr<Stream> stream;
    FrameDecoder decoder;  // may hold bytes behind the handshake
    std::string
        first_bytes;  // an acceptor's welcome: not yet sent, so that older channels can go down before it
    Identity peer;
    std::uint32_t protocol = 0;
  };
  struct Failure {
    DialError error;
    std::string reason;
  };
  using Done = std::move_only_function<void(std::expected<Opened, Failure>)>;

  Opening(Loop& loop, std::unique_ptr<Stream> stream, Handshake handshake);
  // `done` runs once, never inside this call.
  void start(Duration timeout, Done done);
  // Silently.
  void cancel();

 private:
  void read();
  void on_read(boost::system::error_code error, std::size_t size);
  void write(const std::optional<HandshakeFrame>& frame);
  void settle();
  void fail_as(DialError error, std::string reason);

  Loop& loop_;
  std::unique_ptr<Stream> stream_;
  Handshake handshake_;
  FrameDecoder decoder_;
  std::string out_;   // being written
  std::string last_;  // left to the owner
  bool writing_ = false;
  Done done_;  // empty once it has run
  Timer timer_;
};

}  // namespace ringmaster
