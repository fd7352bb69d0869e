// A peer that says on a socket whatever a test wants, garbage included. Turns the world while it waits.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpc/frame.h"
#include "rpc/handshake.h"
#include "tests/contract/rpc/links_world.h"

namespace ringmaster {

class RawPeer {
 public:
  RawPeer(LinksWorld& world, const std::string& address) : world_(world) {
    const auto colon = address.rfind(':');
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
    ::inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    ::fcntl(socket_, F_SETFL, O_NONBLOCK);
  }
  ~RawPeer() { ::close(socket_); }
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent > 0) {
        bytes.remove_prefix(static_cast<std::size_t>(sent));
      } else if (errno != EAGAIN || !world_.run_until([&] { return writable(); }, kPatience)) {
        return;
      }
    }
  }
  void send_frame(const FrameHeader& header, std::string_view payload) {
    std::string bytes;
    append_frame(header, payload, bytes);
    send(bytes);
  }

  struct Heard {
    FrameHeader header;
    std::string payload;
  };
  // The next frame but heartbeats; none: the connection ended, or nothing came.
  std::optional<Heard> receive() {
    std::optional<Heard> heard;
    world_.run_until([&] { return (heard = poll_frame()) || ended_; }, kPatience);
    return heard;
  }
  bool wait_for_end() {
    return world_.run_until([&] { return !poll_frame() && ended_; }, kPatience);
  }

  // As a client that knows the secret. True: welcome.
  bool shake_hands(const Identity& own, const Handshake::Target& target) {
    auto machine = Handshake::dialler(own, "a secret", target, random_nonce());
    while (machine.state() == Handshake::State::waiting) {
      const auto frame = receive();
      if (!frame) return false;
      if (const auto answer = machine.on_frame(frame->header.type, frame->payload))
        send_frame({static_cast<std::uint16_t>(answer->type), FrameKind::one_way, 0}, answer->payload);
    }
    return machine.state() == Handshake::State::done;
  }

 private:
  static constexpr Duration kPatience = std::chrono::seconds(10);

  bool writable() const { return ::send(socket_, "", 0, MSG_NOSIGNAL) == 0; }

  std::optional<Heard> poll_frame() {
    for (;;) {
      const auto next = decoder_.next();
      if (!next) {
        ended_ = true;
        return std::nullopt;
      }
      if (*next) {
        if ((*next)->header.type == static_cast<std::uint16_t>(FrameType::heartbeat)) continue;
        return Heard{(*next)->header, std::string((*next)->payload)};
      }
      char bytes[4096];
      const auto size = ::recv(socket_, bytes, sizeof bytes, 0);
      if (size == 0 || (size < 0 && errno != EAGAIN)) ended_ = true;
      if (size <= 0) return std::nullopt;
      decoder_.feed({bytes, static_cast<std::size_t>(size)});
    }
  }

  LinksWorld& world_;
  int socket_;
  FrameDecoder decoder_;
  bool ended_ = false;
};

}  // namespace ringmaster
