#include "base/utf8.h"

#include <cstdint>

namespace ringmaster {
namespace {

// One step over the front of a string: a code point of `size` bytes, or `size` bytes that cannot begin one.
struct Decoded {
  char32_t code = 0;
  std::size_t size = 1;
  bool valid = false;
};

// What the first byte promises: the length, and the bounds of the second byte that exclude overlong forms,
// surrogates and anything above U+10FFFF (Unicode 15, table 3-7).
struct Lead {
  std::size_t size = 0;
  std::uint8_t low = 0x80, high = 0xbf;
};

Lead lead_of(std::uint8_t byte) {
  if (byte >= 0xc2 && byte <= 0xdf) return {2};
  if (byte == 0xe0) return {3, 0xa0, 0xbf};
  if (byte == 0xed) return {3, 0x80, 0x9f};
  if (byte >= 0xe1 && byte <= 0xef) return {3};
  if (byte == 0xf0) return {4, 0x90, 0xbf};
  if (byte == 0xf4) return {4, 0x80, 0x8f};
  if (byte >= 0xf1 && byte <= 0xf3) return {4};
  return {};
}

Decoded decode(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  if (byte(0) < 0x80) return {byte(0), 1, true};
  const Lead lead = lead_of(byte(0));
  if (lead.size == 0) return {};
  char32_t code = byte(0) & (0x7fU >> lead.size);
  for (std::size_t i = 1; i < lead.size; ++i) {
    const bool fits =
        i < text.size() && byte(i) >= (i == 1 ? lead.low : 0x80) && byte(i) <= (i == 1 ? lead.high : 0xbf);
    if (!fits) return {0, i, false};
    code = code << 6 | (byte(i) & 0x3fU);
  }
  return {code, lead.size, true};
}

bool is_control(char32_t code) {
  return code < 0x20 || (code >= 0x7f && code <= 0x9f);
}

}  // namespace

bool is_printable_utf8(std::string_view text) {
  while (!text.empty()) {
    const Decoded next = decode(text);
    if (!next.valid || is_control(next.code)) return false;
    text.remove_prefix(next.size);
  }
  return true;
}

std::string replace_invalid_utf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const Decoded next = decode(bytes);
    if (next.valid && next.code != 0) {
      text += bytes.substr(0, next.size);
    } else {
      text += "\xef\xbf\xbd";
    }
    bytes.remove_prefix(next.size);
  }
  return text;
}

}  // namespace ringmaster
