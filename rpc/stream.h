// Stream: the byte stream under a channel. TcpStream is the real one; tests bring their own, and TLS would be
// a third.
//
// At most one read and one write at a time. Handlers run on the loop's thread, never inside the call that
// took them, each exactly once: with an error after close(). Buffers must live until then. Closing twice is
// harmless.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string_view>

#include <boost/system/error_code.hpp>

namespace ringmaster {

class Stream {
 public:
  using Handler = std::move_only_function<void(boost::system::error_code, std::size_t)>;

  virtual ~Stream() = default;
  // At least one byte, or an error (the end of the stream is one).
  virtual void async_read_some(std::span<char> into, Handler handler) = 0;
  // All of these parts, in one gather write as far as the system takes them.
  virtual void async_write(std::span<const std::string_view> parts, Handler handler) = 0;
  virtual void shutdown_send() = 0;
  virtual void close() = 0;
};

}  // namespace ringmaster
