// What somebody meant who typed a word that there is not. Pure. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ringmaster {

// The one of `words` that takes the fewest changed letters, or nothing if more than a third of the letters
// (and more than two) would change.
std::string nearest_word(std::string_view typed, const std::vector<std::string>& words);

}  // namespace ringmaster
