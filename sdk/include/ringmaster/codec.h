// Typed payloads. A task's spec is a JSON object; Codec<T> says how a T becomes one and is read back.
// Specialise it for your types, with whatever JSON library you use, or with Fields, which is enough for flat
// ones:
//
//   template <> struct ringmaster::sdk::Codec<Order> {
//     static std::string encode(const Order& order) { return Fields().set("item", order.item).text(); }
//     static Order decode(std::string_view json) { return {Fields::parse(json).get<std::string>("item")}; }
//   };
#pragma once

#include <concepts>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ringmaster/export.h"

namespace ringmaster::sdk {

// encode: a JSON object as text. decode: throws any std::exception on what it cannot read; in a worker that
// ends the task as failed for good, since another attempt would read the same.
template <class T>
struct Codec;

template <class T>
concept Payload = requires(const T& value, std::string_view json) {
  { Codec<T>::encode(value) } -> std::convertible_to<std::string>;
  { Codec<T>::decode(json) } -> std::convertible_to<T>;
};

// Text as it is: specs that the program makes or reads by other means.
template <>
struct Codec<std::string> {
  static std::string encode(const std::string& json) { return json; }
  static std::string decode(std::string_view json) { return std::string(json); }
};

// A JSON object's fields, in order, each kept as JSON text. A value type; not for several threads at once.
class RINGMASTER_SDK Fields {
 public:
  Fields() = default;
  // Of a field that is there twice the last value counts. Throws std::invalid_argument: not a JSON object.
  static Fields parse(std::string_view json);
  std::string text() const;

  // A field set twice keeps the last value. Floating-point values must be finite (std::invalid_argument).
  Fields& set(std::string_view name, std::string_view value);
  Fields& set(std::string_view name, const char* value) { return set(name, std::string_view(value)); }
  Fields& set(std::string_view name, bool value);
  Fields& set(std::string_view name, double value);
  template <std::integral T>
    requires(!std::same_as<T, bool>)
  Fields& set(std::string_view name, T value) {
    return set_json(name, std::to_string(value));
  }
  // Any JSON value, taken as it is: for what is nested. Throws std::invalid_argument if it is none.
  Fields& set_json(std::string_view name, std::string_view json);

  bool has(std::string_view name) const { return find(name) != nullptr; }
  // T: std::string, bool, an integer or a floating-point type. Throws std::invalid_argument, with the field's
  // name and what is wanted: absent, of another type, or out of T's range.
  template <class T>
  T get(std::string_view name) const {
    if constexpr (std::same_as<T, std::string>) {
      return get_string(name);
    } else if constexpr (std::same_as<T, bool>) {
      return get_bool(name);
    } else if constexpr (std::floating_point<T>) {
      return static_cast<T>(get_double(name));
    } else if constexpr (std::unsigned_integral<T>) {
      const std::uint64_t value = get_unsigned(name);
      if (!std::in_range<T>(value)) out_of_range(name);
      return static_cast<T>(value);
    } else {
      static_assert(std::signed_integral<T>, "std::string, bool, an integer or a floating-point type");
      const std::int64_t value = get_signed(name);
      if (!std::in_range<T>(value)) out_of_range(name);
      return static_cast<T>(value);
    }
  }
  template <class T>
  T get_or(std::string_view name, T otherwise) const {
    return has(name) ? get<T>(name) : std::move(otherwise);
  }
  // The field's JSON text. Throws std::invalid_argument if it is absent.
  std::string get_json(std::string_view name) const;

 private:
  const std::string* find(std::string_view name) const;
  std::string get_string(std::string_view name) const;
  bool get_bool(std::string_view name) const;
  double get_double(std::string_view name) const;
  std::int64_t get_signed(std::string_view name) const;
  std::uint64_t get_unsigned(std::string_view name) const;
  [[noreturn]] static void out_of_range(std::string_view name);

  std::vector<std::pair<std::string, std::string>> fields_;  // name, JSON text
};

}  // namespace ringmaster::sdk
