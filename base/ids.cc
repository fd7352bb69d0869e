#include "base/ids.h"

#include <array>

namespace ringmaster {
namespace {

// Crockford: no i, l, o, u, so that an id survives being read aloud. Only the canonical spelling is accepted.
constexpr std::string_view kAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr int kDigits = 13;  // 13 * 5 = 65 bits; the first digit is at most 7, because values have 63

constexpr std::array<std::int8_t, 256> kDigitOf = [] {
  std::array<std::int8_t, 256> table{};
  table.fill(-1);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    table[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::int8_t>(i);
  }
  return table;
}();

std::string encode(std::string_view prefix, std::int64_t value) {
  std::string text(prefix.size() + kDigits, '0');
  text.replace(0, prefix.size(), prefix);
  auto rest = static_cast<std::uint64_t>(value);
  for (std::size_t i = text.size(); i > prefix.size(); --i) {
    text[i - 1] = kAlphabet[rest & 31];
    rest >>= 5;
  }
  return text;
}

Result<std::int64_t> decode(std::string_view prefix, std::string_view text) {
  const auto refuse = [&] {
    return fail(ErrorCode::invalid_argument,
                "not an id: expected " + std::string(prefix) + " and 13 characters of lower-case base 32");
  };
  if (text.size() != prefix.size() + kDigits || !text.starts_with(prefix)) return refuse();
  std::uint64_t value = 0;
  for (const char c : text.substr(prefix.size())) {
    const int digit = kDigitOf[static_cast<unsigned char>(c)];
    if (digit < 0) return refuse();
    if (value >> 58 != 0) return refuse();  // would leave 63 bits
    value = value << 5 | static_cast<std::uint64_t>(digit);
  }
  return static_cast<std::int64_t>(value);
}

}  // namespace

std::string to_string(TaskId id) {
  return encode("task_", id.value);
}

Result<TaskId> parse_task_id(std::string_view text) {
  const auto value = decode("task_", text);
  if (!value) return std::unexpected(value.error());
  return TaskId{*value};
}

std::string to_string(Incarnation incarnation) {
  return encode("inc_", incarnation.value);
}

Result<Incarnation> parse_incarnation(std::string_view text) {
  const auto value = decode("inc_", text);
  if (!value) return std::unexpected(value.error());
  return Incarnation{*value};
}

}  // namespace ringmaster
