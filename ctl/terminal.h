// The size of the terminal behind a descriptor, and how wide text is on it.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace ringmaster {

struct TerminalSize {
  std::size_t columns = 80, rows = 24;
};

// Nothing if it is no terminal, or one that does not know its size.
std::optional<TerminalSize> terminal_size(int fd);

// Columns that a terminal gives to the text: two for East Asian wide characters and emoji, none for what
// combines. Pure.
std::size_t display_width(std::string_view text);

// The bytes of the longest beginning of `text`, in whole characters, that is at most `columns` wide. Pure.
std::size_t fitting_bytes(std::string_view text, std::size_t columns);

}  // namespace ringmaster
