// UTF-8 as it arrives from outside: checked, or made presentable. Pure. Any thread.
#pragma once

#include <string>
#include <string_view>

namespace ringmaster {

// Well-formed UTF-8 without control characters (U+0000..1F, U+007F..9F): safe in a log line, a header, a
// terminal.
bool is_printable_utf8(std::string_view text);

// Well-formed UTF-8 without U+0000 (which PostgreSQL cannot store): each maximal ill-formed part and each NUL
// becomes U+FFFD; the rest is unchanged.
std::string replace_invalid_utf8(std::string_view bytes);

}  // namespace ringmaster
