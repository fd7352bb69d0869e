// What an option takes, said once: CLI11's type name of it, `text|json` or `FILE`, is what help and manual
// show and what the completions offer.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace ringmaster {

// `a|b|c`.
std::string alternatives(const std::vector<std::string>& words);
// The other way round; empty if `type_name` is a placeholder.
std::vector<std::string> choices_of(const std::string& type_name);

// With a capital letter, as help and manual begin.
std::string as_sentence(std::string text);

// Only these words are taken.
CLI::Option* one_of(CLI::Option* option, const std::vector<std::string>& words);

// A whole number from 1 up, refused with words of its own.
CLI::Validator positive_number();

}  // namespace ringmaster
