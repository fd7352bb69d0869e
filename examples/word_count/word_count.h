// What the client asks and the worker answers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <ringmaster/codec.h>

struct CountWords {
  std::string path;
};
struct WordCount {
  std::uint64_t words = 0;
  std::uint64_t bytes = 0;
};

template <>
struct ringmaster::sdk::Codec<CountWords> {
  static std::string encode(const CountWords& order) { return Fields().set("path", order.path).text(); }
  static CountWords decode(std::string_view json) { return {Fields::parse(json).get<std::string>("path")}; }
};

template <>
struct ringmaster::sdk::Codec<WordCount> {
  static std::string encode(const WordCount& count) {
    return Fields().set("words", count.words).set("bytes", count.bytes).text();
  }
  static WordCount decode(std::string_view json) {
    const Fields fields = Fields::parse(json);
    return {fields.get<std::uint64_t>("words"), fields.get<std::uint64_t>("bytes")};
  }
};
