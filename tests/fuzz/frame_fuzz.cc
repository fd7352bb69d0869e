// The whole reading side of a connection: bytes → frames → messages, handshakes and errors.
//
// Input: a byte that says how the rest is cut into pieces (what comes out must not depend on it), then the
// stream.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "rpc/frame.h"
#include "rpc/handshake.h"
#include "rpc/message_codec.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

using namespace ringmaster;

// The types and payloads that came out, and how it ended.
std::vector<std::string> read_all(std::string_view bytes, std::size_t piece) {
  std::vector<std::string> seen;
  FrameDecoder decoder;
  while (!bytes.empty()) {
    decoder.feed(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    for (;;) {
      const auto next = decoder.next();
      if (!next) {
        seen.push_back("error: " + next.error().message);
        return seen;
      }
      if (!*next) break;
      fuzz_check((*next)->payload.size() <= kMaxPayloadBytes, "a payload is bounded");
      seen.push_back(std::to_string((*next)->header.type) + ":" + std::string((*next)->payload));
    }
  }
  return seen;
}

// What decodes must encode to something that decodes again.
template <class Value, class Decode>
void check_value(const Result<Value>& value, Decode decode) {
  if (!value) return;
  std::string again;
  encode(*value, again);
  fuzz_check(decode(static_cast<std::uint16_t>(type_of(*value)), again).has_value(),
             "what was encoded decodes");
}

void decode_all(std::uint16_t type, std::string_view payload) {
  check_value(decode(type, payload), [](auto t, auto p) { return decode(t, p); });
  check_value(decode_request(type, payload), [](auto t, auto p) { return decode_request(t, p); });
  check_value(decode_reply(type, payload), [](auto t, auto p) { return decode_reply(t, p); });
  (void)decode_error(payload);
  (void)decode_goodbye(payload);
  Identity identity;
  identity.node_id = "n";
  auto acceptor = Handshake::acceptor(identity, "secret", Nonce{});
  acceptor.on_frame(type, payload);
  fuzz_check(acceptor.state() != Handshake::State::done, "no proof, no channel");
  auto dialler = Handshake::dialler(identity, "secret", {Role::worker, "w"}, Nonce{});
  dialler.on_frame(type, payload);
  dialler.on_frame(type, payload);
  fuzz_check(dialler.state() != Handshake::State::done, "no proof, no channel");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto whole = read_all(bytes, bytes.size() + 1);
  fuzz_check(whole == read_all(bytes, std::size_t{data[0]} % 64 + 1), "frames do not depend on the pieces");
  FrameDecoder decoder;
  decoder.feed(bytes);
  for (auto next = decoder.next(); next && *next; next = decoder.next())
    decode_all((*next)->header.type, (*next)->payload);
  // The payload alone too: mutations rarely keep a header whole.
  if (size > 3) decode_all(static_cast<std::uint16_t>(data[1]), bytes.substr(1));
  return 0;
}
