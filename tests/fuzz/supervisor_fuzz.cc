// What a worker and its supervisor say to each other: any bytes give frames or an error, and an order or an
// event that was read is written as bytes that read back as the same.
//
// Input: a byte (how the rest is cut into pieces, and which way it goes), then the stream.
#include <string>

#include "tests/fuzz/fuzz_input.h"
#include "worker/supervisor_protocol.h"

namespace {

using namespace ringmaster;

template <class Decode>
void check_body(std::string_view body, Decode decode) {
  const auto value = decode(body);
  if (!value) return;
  std::string once, twice;
  encode(*value, once);
  const auto again = decode(std::string_view(once).substr(sizeof(std::uint32_t)));
  fuzz_check(again.has_value(), "what was written reads back");
  encode(*again, twice);
  fuzz_check(once == twice, "as the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzInput input(data, size);
  const auto first = input.byte();
  const std::size_t piece = first % 64 + 1;
  const bool orders = (first & 0x80) != 0;
  check_body(input.rest(), &decode_order);
  check_body(input.rest(), &decode_event);
  SupervisorFrames frames;
  while (!input.empty()) {
    frames.feed(input.take(piece));
    for (;;) {
      const auto body = frames.next();
      if (!body) return 0;
      if (!*body) break;
      orders ? check_body(**body, &decode_order) : check_body(**body, &decode_event);
    }
  }
  return 0;
}
