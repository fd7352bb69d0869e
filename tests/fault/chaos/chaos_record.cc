#include "tests/fault/chaos/chaos_record.h"

#include <algorithm>

namespace ringmaster {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kNear{5'000}, kSecond{1'000}, kStep{100};

double rate_between(const ChaosRecord& record, milliseconds from, milliseconds to) {
  if (to <= from) return 0;
  const auto first = std::ranges::lower_bound(record.results, from, {}, &ChaosRecord::Results::at);
  int count = 0;
  for (auto at = first; at != record.results.end() && at->at < to; ++at) count += at->count;
  return 1000.0 * count / static_cast<double>((to - from).count());
}

// The longest time without a result of which some part lies in between.
milliseconds longest_gap(const ChaosRecord& record, milliseconds from, milliseconds to) {
  milliseconds longest{0};
  milliseconds last{0};
  const auto look_at = [&](milliseconds begin, milliseconds end) {
    if (begin < to && end > from) longest = std::max(longest, end - begin);
  };
  for (const auto& result : record.results) {
    look_at(last, result.at);
    last = result.at;
  }
  if (last < to) look_at(last, std::max(record.loaded, to));
  return longest;
}

milliseconds longest_answer(const ChaosRecord& record, milliseconds from, milliseconds to) {
  milliseconds longest{0};
  for (const auto& answer : record.answers) {
    if (answer.asked < to && answer.answered > from)
      longest = std::max(longest, answer.answered - answer.asked);
  }
  return longest;
}

milliseconds recovery(const ChaosRecord& record, milliseconds from, double wanted) {
  for (milliseconds at = from; at < record.loaded; at += kStep) {
    if (rate_between(record, at, at + kSecond) >= wanted) return at - from;
  }
  return std::max(record.loaded - from, milliseconds(0));
}

}  // namespace

double usual_rate(const ChaosRecord& record) {
  std::vector<double> rates = result_rates(record, kSecond);
  rates.resize(std::min(rates.size(), static_cast<std::size_t>(record.length / kSecond)));
  if (rates.empty()) return 0;
  const auto middle = rates.begin() + static_cast<std::ptrdiff_t>(rates.size() / 2);
  std::ranges::nth_element(rates, middle);
  return *middle;
}

std::vector<double> result_rates(const ChaosRecord& record, milliseconds step) {
  std::vector<double> rates;
  for (milliseconds at{0}; at < record.loaded; at += step)
    rates.push_back(rate_between(record, at, at + step));
  return rates;
}

std::vector<double> accept_rates(const ChaosRecord& record, milliseconds step) {
  std::vector<double> rates(static_cast<std::size_t>((record.loaded + step - milliseconds(1)) / step));
  for (const auto& answer : record.answers) {
    const auto index = static_cast<std::size_t>(answer.answered / step);
    if (index < rates.size())
      rates[index] += 1000.0 * static_cast<double>(answer.accepted) / static_cast<double>(step.count());
  }
  return rates;
}

std::vector<Effect> effects_of(const ChaosRecord& record) {
  const double wanted = std::max(usual_rate(record) / 2, 1.0);
  std::vector<Effect> effects;
  for (const DoneFault& done : record.faults) {
    const milliseconds end = std::max(done.ended, done.begun + milliseconds(500));
    effects.push_back(
        {.before = rate_between(record, std::max(done.begun - kNear, milliseconds(0)), done.begun),
         .during = rate_between(record, done.begun, end),
         .after = rate_between(record, end, end + kNear),
         .longest_gap = longest_gap(record, done.begun, end + kNear),
         .longest_answer = longest_answer(record, done.begun, end),
         .recovery = recovery(record, done.ended, wanted)});
  }
  return effects;
}

}  // namespace ringmaster
