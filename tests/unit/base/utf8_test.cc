#include "base/utf8.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace ringmaster {
namespace {

using namespace std::string_view_literals;

TEST(PrintableUtf8, TakesEveryScriptAndRefusesControls) {
  for (const std::string_view good : {""sv, "plain"sv, "Straße 任务 🚀"sv, "\xc2\xa0"sv}) {
    EXPECT_TRUE(is_printable_utf8(good)) << good;
  }
  for (const std::string_view bad :
       {"\0"sv, "a\nb"sv, "\x7f"sv, "\xc2\x85"sv, "\x1b[31m"sv, "\xff"sv, "\xc0\x80"sv, "\xed\xa0\x80"sv,
        "\xf4\x90\x80\x80"sv, "\xe4\xbb"sv, "\x80"sv}) {
    EXPECT_FALSE(is_printable_utf8(bad));
  }
}

TEST(ReplaceInvalidUtf8, KeepsWhatIsValid) {
  const std::string text = "line\n\ttab é 任务 🚀";
  EXPECT_EQ(replace_invalid_utf8(text), text);
}

// The practice of Unicode 15, section 3.9: one U+FFFD for each maximal ill-formed part.
TEST(ReplaceInvalidUtf8, ReplacesEachMaximalPart) {
  const std::vector<std::pair<std::string_view, std::string>> cases{
      {"\xff"sv, "\ufffd"},
      {"a\x80z"sv, "a\ufffdz"},
      {"\xe4\xbbz"sv, "\ufffdz"},
      {"\xe4\xbb"sv, "\ufffd"},
      {"\xf0\x9f\x9a"sv, "\ufffd"},
      {"\xc0\x80"sv, "\ufffd\ufffd"},
      {"\xed\xa0\x80"sv, "\ufffd\ufffd\ufffd"},
      {"\xf0\x80\x80\x41"sv, "\ufffd\ufffd\ufffdA"},
      {"a\0b"sv,
       "a\ufffd"
       "b"},
  };
  for (const auto& [bytes, expected] : cases) EXPECT_EQ(replace_invalid_utf8(bytes), expected);
}

}  // namespace
}  // namespace ringmaster
