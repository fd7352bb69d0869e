// Handshake: how the two ends of a fresh connection prove to each other that they know the cluster secret.
//
//   acceptor → challenge  nonce A (32 bytes)
//   dialler  → proof      nonce D (32), MAC D (32), identity D      MAC D over: "dialler", A, D, identity D
//   acceptor → welcome    MAC A (32), identity A                    MAC A over: "acceptor", A, D, identity D,
//   identity A
//           or reject     why, for people
//
// MACs are HMAC-SHA256 with the secret, compared in constant time; fields are length-prefixed. The direction
// is part of the MAC, so nothing can be reflected, and an identity is parsed only after its MAC held. The
// acceptor says nothing of itself before the dialler's proof. Pure: no socket, clock or random device; nonces
// are brought in. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "rpc/links.h"
#include "rpc/message_codec.h"

namespace ringmaster {

using Nonce = std::array<char, 32>;
// From OpenSSL's generator.
Nonce random_nonce();

// Protocol versions that this software speaks: N and N-1.
inline constexpr std::uint32_t kProtocolMin = 1;
inline constexpr std::uint32_t kProtocolMax = 1;

struct Identity {
  std::string cluster;
  Role role = Role::client;
  std::string node_id;  // 1..256 bytes of printable UTF-8
  Incarnation incarnation;
  std::string store_id;  // empty: not known; two that are known must agree
  std::string version;
  std::uint32_t protocol_min = kProtocolMin, protocol_max = kProtocolMax;
};

// What the machine wants done after an event: send this frame (if there is one), then look at its state.
struct HandshakeFrame {
  FrameType type;
  std::string payload;
};

class Handshake {
 public:
  enum class State { waiting, done, failed };

  // Whom a dialler means to reach.
  struct Target {
    Role role;
    std::string node_id;
  };

  static Handshake dialler(Identity own, std::string secret, Target target, const Nonce& nonce);
  static Handshake acceptor(Identity own, std::string secret, const Nonce& nonce);

  // The acceptor's challenge; nothing for a dialler.
  std::optional<HandshakeFrame> start() const;
  std::optional<HandshakeFrame> on_frame(std::uint16_t type, std::string_view payload);

  State state() const { return state_; }
  // Once done. An acceptor is done when it answers its welcome, a dialler when it has read it.
  const Identity& peer() const { return peer_; }
  std::uint32_t protocol() const { return protocol_; }
  // Once failed. For people; safe to log.
  const std::string& error() const { return error_; }

 private:
  Handshake(bool dials, Identity own, std::string secret, std::optional<Target> target, const Nonce& nonce);
  std::optional<HandshakeFrame> on_challenge(std::string_view payload);
  std::optional<HandshakeFrame> on_proof(std::string_view payload);
  void on_welcome(std::string_view payload);
  // Adopts the peer's identity; the answer says what is wrong with it, empty if nothing is.
  std::string examine(std::string_view identity);
  std::optional<HandshakeFrame> reject(std::string why);
  void fail_with(std::string why);

  bool dials_;
  Identity own_;
  std::string secret_;
  std::optional<Target> target_;
  Nonce nonce_;
  std::string own_identity_;  // as sent: the MACs cover these very bytes
  Nonce challenge_{};         // of the acceptor, as the dialler read it
  State state_ = State::waiting;
  bool challenged_ = false;
  Identity peer_;
  std::uint32_t protocol_ = 0;
  std::string error_;
};

}  // namespace ringmaster
