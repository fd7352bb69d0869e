#include "base/time.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

#include <time.h>

namespace ringmaster {
namespace {

Duration read_clock(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return std::chrono::seconds(now.tv_sec) +
         std::chrono::floor<Duration>(std::chrono::nanoseconds(now.tv_nsec));
}

// Takes characters off the front of `text_`; every member answers whether it could.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool number(int digits, int low, int high, int& out) {
    if (text_.size() < static_cast<std::size_t>(digits)) return false;
    out = 0;
    for (int i = 0; i < digits; ++i) {
      if (!digit()) return false;
      out = out * 10 + take_digit();
    }
    return out >= low && out <= high;
  }
  bool one_of(std::string_view allowed, char& out) {
    if (text_.empty() || !allowed.contains(text_.front())) return false;
    out = text_.front();
    text_.remove_prefix(1);
    return true;
  }
  bool skip(std::string_view allowed) {
    char ignored;
    return one_of(allowed, ignored);
  }
  bool digit() const { return !text_.empty() && text_.front() >= '0' && text_.front() <= '9'; }
  int take_digit() {
    const int value = text_.front() - '0';
    text_.remove_prefix(1);
    return value;
  }
  bool done() const { return text_.empty(); }

 private:
  std::string_view text_;
};

// 1 to 9 digits; what is finer than a microsecond is cut off.
bool read_fraction(Reader& in, Duration& out) {
  int digits = 0;
  std::int64_t micros = 0;
  for (; in.digit(); ++digits) {
    const int value = in.take_digit();
    if (digits < 6) micros = micros * 10 + value;
  }
  for (int i = digits; i < 6; ++i) micros *= 10;
  out = Duration(micros);
  return digits >= 1 && digits <= 9;
}

bool read_offset(Reader& in, std::chrono::minutes& out) {
  char sign = 'Z';
  if (!in.one_of("Zz+-", sign)) return false;
  if (sign == 'Z' || sign == 'z') return true;
  int hours = 0, minutes = 0;
  if (!in.number(2, 0, 23, hours) || !in.skip(":") || !in.number(2, 0, 59, minutes)) return false;
  out = std::chrono::hours(hours) + std::chrono::minutes(minutes);
  if (sign == '-') out = -out;
  return true;
}

struct Unit {
  std::string_view name;
  std::int64_t micros;
};
constexpr std::array<Unit, 6> kUnits{{{"d", 86'400'000'000},
                                      {"h", 3'600'000'000},
                                      {"m", 60'000'000},
                                      {"s", 1'000'000},
                                      {"ms", 1'000},
                                      {"us", 1}}};

}  // namespace

MonoTime read_mono_clock() {
  return MonoTime(read_clock(CLOCK_BOOTTIME));
}
WallTime read_wall_clock() {
  return WallTime(read_clock(CLOCK_REALTIME));
}

std::string format_time(WallTime t) {
  // A peer may send any number; RFC 3339 has the years 0 to 9999.
  using namespace std::chrono_literals;
  t = std::clamp<WallTime>(t, std::chrono::sys_days(0y / 1 / 1),
                           std::chrono::sys_days(std::chrono::year(10000) / 1 / 1) - Duration(1));
  const auto day = std::chrono::floor<std::chrono::days>(t);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(t - day);
  std::array<char, 48> text;
  const int length = std::snprintf(
      text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return {text.data(), static_cast<std::size_t>(length)};
}

Result<WallTime> parse_time(std::string_view text) {
  const auto refuse = [] {
    return fail(
        ErrorCode::invalid_argument,
        "not a time: expected RFC 3339, for example 2026-11-21T09:30:00Z or 2026-11-21T10:30:00.5+01:00");
  };
  Reader in(text);
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  if (!in.number(4, 0, 9999, year) || !in.skip("-") || !in.number(2, 1, 12, month) || !in.skip("-") ||
      !in.number(2, 1, 31, day) || !in.skip("Tt ") || !in.number(2, 0, 23, hour) || !in.skip(":") ||
      !in.number(2, 0, 59, minute) || !in.skip(":") || !in.number(2, 0, 60, second)) {
    return refuse();
  }
  Duration fraction{0};
  if (in.skip(".") && !read_fraction(in, fraction)) return refuse();
  std::chrono::minutes offset{0};
  if (!read_offset(in, offset) || !in.done()) return refuse();
  const std::chrono::year_month_day date(std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  if (!date.ok()) return refuse();
  // A leap second (60) is the first one of the next minute: UTC without leap seconds has no other name for
  // it.
  const WallTime time = std::chrono::sys_days(date) + std::chrono::hours(hour) +
                        std::chrono::minutes(minute) + std::chrono::seconds(second) + fraction - offset;
  const auto utc_year = std::chrono::year_month_day(std::chrono::floor<std::chrono::days>(time)).year();
  if (utc_year < std::chrono::year(0) || utc_year > std::chrono::year(9999)) return refuse();
  return time;
}

std::string format_duration(Duration d) {
  if (d == Duration::zero()) return "0s";
  std::string text = d < Duration::zero() ? "-" : "";
  // Unsigned, so that the smallest value can be negated.
  auto rest = static_cast<std::uint64_t>(d.count());
  if (d < Duration::zero()) rest = ~rest + 1;
  for (const Unit& unit : kUnits) {
    const auto size = static_cast<std::uint64_t>(unit.micros);
    if (rest < size) continue;
    text += std::to_string(rest / size);
    text += unit.name;
    rest %= size;
  }
  return text;
}

Result<Duration> parse_duration(std::string_view text) {
  const auto refuse = [](std::string_view why) {
    return fail(ErrorCode::invalid_argument,
                "not a duration (" + std::string(why) +
                    "): expected for example 1h30m, 250ms or 0s; units d h m s ms us");
  };
  if (text == "0") return Duration::zero();
  if (text.empty()) return refuse("empty");
  std::int64_t total = 0;
  std::size_t next_unit = 0;
  while (!text.empty()) {
    std::int64_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error == std::errc::result_out_of_range) return refuse("too long");
    if (error != std::errc() || text.front() == '-') return refuse("a number is missing or negative");
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const std::string_view name = text.substr(0, text.find_first_of("0123456789"));
    text.remove_prefix(name.size());
    std::size_t unit = 0;
    while (unit < kUnits.size() && kUnits[unit].name != name) ++unit;
    if (unit == kUnits.size()) return refuse("a unit is missing or unknown");
    if (unit < next_unit) return refuse("units go from the largest to the smallest, each once");
    next_unit = unit + 1;
    std::int64_t micros = 0;
    if (__builtin_mul_overflow(count, kUnits[unit].micros, &micros) ||
        __builtin_add_overflow(total, micros, &total)) {
      return refuse("too long");
    }
  }
  return Duration(total);
}

}  // namespace ringmaster
