// The names under which members, and clusters, stand in the registry. They become one component of a public
// path, so the rule is narrow: 1 to 128 letters, digits, `.`, `_` and `-`, the first one a letter or a digit.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"

namespace ringmaster {

inline constexpr std::size_t kMaxMemberIdBytes = 128;
inline constexpr std::size_t kMaxMemberDataBytes = 64 * 1024;

// Errors: invalid_argument; `field` names what was checked (`id`, `cluster`), the message what is allowed.
Result<> validate_member_id(std::string_view id, std::string_view field = "id");
// Both arguments of Registry::join.
Result<> validate_member(std::string_view id, std::string_view data);

}  // namespace ringmaster
