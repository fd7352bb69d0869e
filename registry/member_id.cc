#include "registry/member_id.h"

#include <algorithm>
#include <string>

namespace ringmaster {
namespace {

// Not std::isalnum: that one follows the locale.
bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_allowed(char c) {
  return is_alphanumeric(c) || c == '.' || c == '_' || c == '-';
}

}  // namespace

Result<> validate_member_id(std::string_view id, std::string_view field) {
  const bool good = !id.empty() && id.size() <= kMaxMemberIdBytes && is_alphanumeric(id.front()) &&
                    std::ranges::all_of(id, is_allowed);
  if (good) return {};
  std::string message(field);
  message += " must be 1 to " + std::to_string(kMaxMemberIdBytes) +
             " letters, digits, `.`, `_` or `-`, beginning with a letter or a digit";
  return fail(ErrorCode::invalid_argument, std::move(message), std::string(field));
}

Result<> validate_member(std::string_view id, std::string_view data) {
  if (auto valid = validate_member_id(id); !valid) return valid;
  if (data.size() <= kMaxMemberDataBytes) return {};
  return fail(ErrorCode::invalid_argument,
              "data has " + std::to_string(data.size()) + " bytes; at most " +
                  std::to_string(kMaxMemberDataBytes) + " are allowed",
              "data");
}

}  // namespace ringmaster
