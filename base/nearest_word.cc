#include "base/nearest_word.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace ringmaster {
namespace {

// Levenshtein: how many letters must be typed otherwise.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({replaced, row[j] + 1, row[j - 1] + 1}));
    }
  }
  return row.back();
}

}  // namespace

std::string nearest_word(std::string_view typed, const std::vector<std::string>& words) {
  const auto distance = [&](const std::string& word) { return edit_distance(typed, word); };
  const auto nearest = std::ranges::min_element(words, {}, distance);
  const bool near =
      nearest != words.end() && distance(*nearest) <= std::max<std::size_t>(2, typed.size() / 3);
  return near ? *nearest : "";
}

}  // namespace ringmaster
