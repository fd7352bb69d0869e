#include "ctl/option_values.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace ringmaster {

std::string alternatives(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : "|") + word;
  return text;
}

std::vector<std::string> choices_of(const std::string& type_name) {
  std::vector<std::string> words;
  if (!type_name.contains('|')) return words;
  for (std::size_t begin = 0; begin <= type_name.size();) {
    const std::size_t end = std::min(type_name.find('|', begin), type_name.size());
    words.push_back(type_name.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

std::string as_sentence(std::string text) {
  if (!text.empty() && text.front() >= 'a' && text.front() <= 'z')
    text.front() = static_cast<char>(text.front() - 'a' + 'A');
  return text;
}

CLI::Option* one_of(CLI::Option* option, const std::vector<std::string>& words) {
  const auto check = [words](std::string& text) {
    return std::ranges::find(words, text) != words.end()
               ? std::string()
               : "\"" + text + "\" is not allowed: expected " + alternatives(words);
  };
  return option->check(CLI::Validator(check, ""))->type_name(alternatives(words));
}

CLI::Validator positive_number() {
  const auto check = [](std::string& text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool whole = error == std::errc() && end == text.data() + text.size() && number > 0;
    return whole ? std::string() : "\"" + text + "\" is not allowed: expected a number from 1 up";
  };
  return {check, ""};
}

}  // namespace ringmaster
