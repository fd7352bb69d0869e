// The opening of a connection, from both ends. Without the secret nobody gets in, whatever they send; with it
// (the MACs are then made here, as docs/protocol.md says) any bytes may stand where the identity does, and
// only a sound one gets in. What an end says of a failure can always be logged.
//
// Input: a byte for the scene, then a byte stream, an identity or changes to an honest handshake.
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/utf8.h"
#include "rpc/frame.h"
#include "rpc/handshake.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

using namespace ringmaster;
using State = Handshake::State;

constexpr std::string_view kSecret = "the cluster's secret";
constexpr std::size_t kMaxHandshakeBytes = 4096;

Nonce nonce_of(char fill) {
  Nonce nonce;
  nonce.fill(fill);
  return nonce;
}
std::string_view view(const Nonce& nonce) {
  return {nonce.data(), nonce.size()};
}

Identity identity_of(Role role, std::string node_id) {
  return {.cluster = "test",
          .role = role,
          .node_id = std::move(node_id),
          .incarnation = Incarnation{7},
          .store_id = "store",
          .version = "1.0"};
}
Handshake acceptor() {
  return Handshake::acceptor(identity_of(Role::worker, "w1"), std::string(kSecret), nonce_of('a'));
}
Handshake dialler() {
  return Handshake::dialler(identity_of(Role::master, "m1"), std::string(kSecret), {Role::worker, "w1"},
                            nonce_of('d'));
}

std::string mac(std::initializer_list<std::string_view> fields) {
  std::string text;
  for (const auto field : fields) {
    for (unsigned shift = 0; shift < 32; shift += 8)
      text += static_cast<char>(static_cast<std::uint32_t>(field.size()) >> shift & 0xff);
    text += field;
  }
  std::string digest(32, '\0');
  HMAC(EVP_sha256(), kSecret.data(), static_cast<int>(kSecret.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(),
       reinterpret_cast<unsigned char*>(digest.data()), nullptr);
  return digest;
}

void check_end(const Handshake& end) {
  if (end.state() == State::failed) {
    fuzz_check(!end.error().empty() && is_printable_utf8(end.error()),
               "a failure is told in printable words");
  }
  if (end.state() != State::done) return;
  fuzz_check(end.peer().cluster == "test", "a peer is of this cluster");
  fuzz_check(!end.peer().node_id.empty() && is_printable_utf8(end.peer().node_id), "a peer has a name");
  fuzz_check(end.protocol() >= kProtocolMin && end.protocol() <= kProtocolMax, "the version is one of ours");
  fuzz_check(end.peer().store_id.empty() || end.peer().store_id == "store", "a peer is of this store");
}

// Frames from a stranger.
void read_stream(Handshake end, std::string_view bytes) {
  FrameDecoder decoder(kMaxHandshakeBytes);
  decoder.feed(bytes);
  while (end.state() == State::waiting) {
    const auto frame = decoder.next();
    if (!frame || !*frame) break;
    (void)end.on_frame((*frame)->header.type, (*frame)->payload);
  }
  fuzz_check(end.state() != State::done, "nobody gets in without the secret");
  check_end(end);
}

std::uint16_t number(FrameType type) {
  return static_cast<std::uint16_t>(type);
}

// A dialler that knows the secret, with this identity.
void prove(std::string_view identity) {
  auto end = acceptor();
  const auto theirs = nonce_of('d');
  std::string payload(view(theirs));
  payload += mac({"ringmaster handshake 1, dialler", view(nonce_of('a')), view(theirs), identity});
  payload += identity;
  const auto answer = end.on_frame(number(FrameType::proof), payload);
  fuzz_check(answer.has_value() && end.state() != State::waiting, "a proof is answered");
  fuzz_check(answer->type == (end.state() == State::done ? FrameType::welcome : FrameType::reject),
             "welcome or reject");
  check_end(end);
}

// An acceptor that knows the secret, with this identity.
void welcome(std::string_view identity) {
  auto end = dialler();
  const auto proof = end.on_frame(number(FrameType::challenge), view(nonce_of('a')));
  fuzz_check(proof.has_value() && proof->payload.size() > 64, "a challenge is answered");
  const auto own = std::string_view(proof->payload).substr(64);
  std::string payload =
      mac({"ringmaster handshake 1, acceptor", view(nonce_of('a')), view(nonce_of('d')), own, identity});
  payload += identity;
  (void)end.on_frame(number(FrameType::welcome), payload);
  fuzz_check(end.state() != State::waiting, "a welcome decides");
  check_end(end);
}

// An honest handshake, each frame of which is changed on its way: two bytes say where and how, 0 not at all.
void tamper(FuzzInput input) {
  auto from = acceptor(), to = dialler();
  auto frame = from.start();
  bool changed = false, to_dialler = true;
  for (int i = 0; i < 4 && frame; ++i, to_dialler = !to_dialler) {
    const std::size_t at = input.byte();
    const auto by = static_cast<char>(input.byte());
    if (at < frame->payload.size() && by != 0) {
      frame->payload[at] = static_cast<char>(frame->payload[at] ^ by);
      changed = true;
    }
    frame = (to_dialler ? to : from).on_frame(number(frame->type), frame->payload);
  }
  const bool both = from.state() == State::done && to.state() == State::done;
  fuzz_check(both == !changed, "both ends are through exactly when nothing was changed");
  check_end(from);
  check_end(to);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  switch (input.byte() % 5) {
    case 0:
      read_stream(acceptor(), input.rest());
      break;
    case 1:
      read_stream(dialler(), input.rest());
      break;
    case 2:
      prove(input.rest());
      break;
    case 3:
      welcome(input.rest());
      break;
    default:
      tamper(input);
  }
  return 0;
}
