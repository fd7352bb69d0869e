#include "registry/member_id.h"

#include <string>

#include "base/name.h"

namespace ringmaster {
Result<> validate_member_id(std::string_view id, std::string_view field) {
  if (is_name(id, kMaxMemberIdBytes) && is_letter_or_digit(id.front())) return {};
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
