#include "ctl/relative_time.h"

#include <array>
#include <cstdio>

namespace ringmaster {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

std::string largest_unit(Duration d) {
  if (d >= days(1)) return std::to_string(d / days(1)) + "d";
  if (d >= hours(1)) return std::to_string(d / hours(1)) + "h";
  if (d >= minutes(1)) return std::to_string(d / minutes(1)) + "m";
  return std::to_string(d / seconds(1)) + "s";
}

std::string fraction(double value, int digits) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%.*fs", digits, value);
  return text.data();
}

}  // namespace

std::string relative_time(WallTime when, WallTime now) {
  const Duration past = now - when;
  if (past < seconds(1) && past > -seconds(1)) return "now";
  return past > Duration{0} ? largest_unit(past) + " ago" : "in " + largest_unit(-past);
}

std::string rough_duration(Duration d) {
  if (d >= hours(1))
    return std::to_string(d / hours(1)) + "h " + std::to_string(d % hours(1) / minutes(1)) + "m";
  if (d >= minutes(1))
    return std::to_string(d / minutes(1)) + "m " + std::to_string(d % minutes(1) / seconds(1)) + "s";
  return std::to_string(d / seconds(1)) + "s";
}

std::string short_duration(Duration took) {
  if (took >= minutes(1)) return rough_duration(took);
  const double exact = static_cast<double>(took.count()) / 1e6;
  return fraction(exact, took >= seconds(1) ? 1 : 3);
}

}  // namespace ringmaster
