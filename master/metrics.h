// Metrics: the figures that a master shows at /metrics, in the Prometheus text format 0.0.4.
//
// Counters only grow and histograms are cumulative, as Prometheus expects; times are exposed in seconds. An
// instrument lives as long as its Metrics, so parts keep plain references and update them in O(1) without
// look-ups. Thread: the loop's. Nothing here is safe from elsewhere.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/time.h"

namespace ringmaster {

class Counter {
 public:
  void add(std::uint64_t n = 1) { value_ += n; }
  // For a total that another part counts: never lowers it.
  void raise_to(std::uint64_t total) { value_ = total > value_ ? total : value_; }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 0;
};

class Gauge {
 public:
  void set(double value) { value_ = value; }
  void add(double delta) { value_ += delta; }
  double value() const { return value_; }

 private:
  double value_ = 0;
};

// Latencies from 100 us to 60 s, in buckets that grow by 2 to 2.5.
class Histogram {
 public:
  static constexpr std::array<std::int64_t, 18> kBoundsUs{
      100,     250,     500,     1'000,     2'500,     5'000,     10'000,     25'000,     50'000,
      100'000, 250'000, 500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000, 30'000'000, 60'000'000};

  void observe(Duration took);
  std::uint64_t count() const { return count_; }
  Duration sum() const { return sum_; }
  // How many were at most kBoundsUs[i].
  std::uint64_t at_most(std::size_t i) const;

 private:
  std::array<std::uint64_t, kBoundsUs.size()> buckets_{};
  std::uint64_t count_ = 0;
  Duration sum_{0};
};

class Metrics {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;

  // Finds or makes the instrument of this name and these labels. A name has one kind and one help text;
  // asking for it as another kind is a bug (CHECK). Label values come from fixed sets, never from requests:
  // each is a time series.
  Counter& counter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge& gauge(const std::string& name, const std::string& help, const Labels& labels = {});
  Histogram& histogram(const std::string& name, const std::string& help, const Labels& labels = {});

  // Runs before each exposition: refreshes gauges that are cheaper to read than to maintain.
  void before_expose(std::function<void()> refresh) { refreshers_.push_back(std::move(refresh)); }

  // The whole page, families and series in a stable order.
  std::string expose() const;

 private:
  using Instrument = std::variant<Counter, Gauge, Histogram>;
  struct Family {
    std::string help;
    std::map<std::string, Instrument> series;  // by rendered labels; a map's nodes never move
  };

  template <class Kind>
  Kind& instrument(const std::string& name, const std::string& help, const Labels& labels);

  std::map<std::string, Family> families_;
  std::vector<std::function<void()>> refreshers_;
};

}  // namespace ringmaster
