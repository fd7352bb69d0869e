#include "ctl/terminal.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include <sys/ioctl.h>
#include <unistd.h>

namespace ringmaster {
namespace {

struct Range {
  std::uint32_t first, last;
};

// Blocks rather than single characters: enough for tables to stay straight.
constexpr std::array<Range, 12> kWide{{{0x1100, 0x115f},
                                       {0x2e80, 0x303e},
                                       {0x3041, 0xa4cf},
                                       {0xac00, 0xd7a3},
                                       {0xf900, 0xfaff},
                                       {0xfe30, 0xfe6f},
                                       {0xff00, 0xff60},
                                       {0xffe0, 0xffe6},
                                       {0x1f300, 0x1f64f},
                                       {0x1f680, 0x1f6ff},
                                       {0x1f900, 0x1f9ff},
                                       {0x20000, 0x3fffd}}};
constexpr std::array<Range, 6> kCombining{{{0x0300, 0x036f},
                                           {0x1ab0, 0x1aff},
                                           {0x1dc0, 0x1dff},
                                           {0x200b, 0x200f},
                                           {0x20d0, 0x20ff},
                                           {0xfe00, 0xfe0f}}};

bool within(const auto& ranges, std::uint32_t point) {
  return std::ranges::any_of(ranges,
                             [&](Range range) { return point >= range.first && point <= range.last; });
}

// The bytes of the character at the beginning of `text`; ill-formed ones stand for themselves.
std::size_t decode(std::string_view text, std::uint32_t& point) {
  const auto byte = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i]));
  };
  const std::uint32_t lead = byte(0);
  const std::size_t size = lead < 0xc0U ? 1 : lead < 0xe0U ? 2 : lead < 0xf0U ? 3 : 4;
  point = size == 1 ? lead : lead & (0xffU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if (i >= text.size() || (byte(i) & 0xc0U) != 0x80U) return i;
    point = (point << 6) | (byte(i) & 0x3fU);
  }
  return size;
}

std::size_t width_of(std::uint32_t point) {
  if (point < 0x300) return 1;
  return within(kCombining, point) ? 0 : within(kWide, point) ? 2 : 1;
}

}  // namespace

std::optional<TerminalSize> terminal_size(int fd) {
  winsize size{};
  if (::isatty(fd) == 0 || ::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0)
    return std::nullopt;
  return TerminalSize{size.ws_col, size.ws_row};
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (std::uint32_t point = 0; !text.empty();) {
    text.remove_prefix(decode(text, point));
    width += width_of(point);
  }
  return width;
}

std::size_t fitting_bytes(std::string_view text, std::size_t columns) {
  std::size_t at = 0, width = 0;
  for (std::uint32_t point = 0; at < text.size();) {
    const std::size_t size = decode(text.substr(at), point);
    width += width_of(point);
    if (width > columns) break;
    at += size;
  }
  return at;
}

}  // namespace ringmaster
