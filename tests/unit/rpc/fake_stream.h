// A stream in memory, for tests of what lies above it: what was written is kept, what is to be read is
// pushed.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/error.hpp>

#include "base/loop.h"
#include "rpc/stream.h"

namespace ringmaster {

class FakeStream final : public Stream {
 public:
  // Outlives the stream, which its channel owns.
  struct Wire {
    std::vector<std::string> writes;  // one gather write each
    bool fin = false, closed = false;
    bool stuck = false;  // writes do not end
    std::string incoming;
    bool incoming_end = false;
    FakeStream* stream = nullptr;

    void push(std::string_view bytes) {
      incoming += bytes;
      if (stream != nullptr) stream->deliver();
    }
    void push_end() {
      incoming_end = true;
      if (stream != nullptr) stream->deliver();
    }
    void unstick() {
      stuck = false;
      if (stream != nullptr) stream->land();
    }
    std::string written() const {
      std::string all;
      for (const auto& write : writes) all += write;
      return all;
    }
  };

  FakeStream(Loop& loop, std::shared_ptr<Wire> wire) : loop_(loop), wire_(std::move(wire)) {
    wire_->stream = this;
  }
  ~FakeStream() override { wire_->stream = nullptr; }

  void async_read_some(std::span<char> into, Handler handler) override {
    into_ = into;
    reader_ = std::move(handler);
    deliver();
  }
  void async_write(std::span<const std::string_view> parts, Handler handler) override {
    std::string all;
    for (const auto part : parts) all += part;
    wire_->writes.push_back(all);
    writer_ = std::move(handler);
    land();
  }
  void shutdown_send() override { wire_->fin = true; }
  void close() override {
    wire_->closed = true;
    finish(reader_, boost::asio::error::operation_aborted, 0);
    finish(writer_, boost::asio::error::operation_aborted, 0);
  }

  void deliver() {
    if (!reader_) return;
    if (!wire_->incoming.empty()) {
      const auto size = std::min(into_.size(), wire_->incoming.size());
      std::copy_n(wire_->incoming.data(), size, into_.data());
      wire_->incoming.erase(0, size);
      finish(reader_, {}, size);
    } else if (wire_->incoming_end) {
      finish(reader_, boost::asio::error::eof, 0);
    }
  }
  void land() {
    if (writer_ && !wire_->stuck) finish(writer_, {}, wire_->writes.back().size());
  }

 private:
  void finish(Handler& handler, boost::system::error_code error, std::size_t size) {
    if (!handler) return;
    loop_.post([handler = std::exchange(handler, nullptr), error, size]() mutable { handler(error, size); });
  }

  Loop& loop_;
  std::shared_ptr<Wire> wire_;
  std::span<char> into_;
  Handler reader_, writer_;
};

}  // namespace ringmaster
