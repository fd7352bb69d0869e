// The names that people give: of namespaces, kinds, groups, members, secrets, profiles. Pure. Any thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace ringmaster {

inline constexpr std::size_t kMaxName = 64;

// Not std::isalnum: that one follows the locale.
constexpr bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// 1 to `most` letters, digits, `.`, `_` and `-`: safe in a path, a URL, a log line and a shell.
constexpr bool is_name(std::string_view text, std::size_t most = kMaxName) {
  return !text.empty() && text.size() <= most && std::ranges::all_of(text, [](char c) {
    return is_letter_or_digit(c) || c == '.' || c == '_' || c == '-';
  });
}

}  // namespace ringmaster
