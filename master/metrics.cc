#include "master/metrics.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <type_traits>

#include <glog/logging.h>

namespace ringmaster {
namespace {

std::string number(double value) {
  std::array<char, 32> text{};
  // Fixed where it is short: a bound of 100 us reads as 0.0001, not as 1e-04.
  const double size = std::abs(value);
  const bool fixed = size == 0 || (size >= 1e-7 && size < 1e15);
  const auto format = fixed ? std::chars_format::fixed : std::chars_format::general;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value, format).ptr;
  return {text.data(), end};
}

double seconds(std::int64_t us) {
  return static_cast<double>(us) / 1e6;
}

void append_escaped(std::string& out, const std::string& text) {
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
}

// `a="1",b="2"`: the text between the braces.
std::string render(const Metrics::Labels& labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    if (!text.empty()) text += ',';
    text += name;
    text += "=\"";
    append_escaped(text, value);
    text += '"';
  }
  return text;
}

void append_sample(std::string& out, const std::string& name, const std::string& labels,
                   const std::string& value) {
  out += name;
  if (!labels.empty()) out += '{' + labels + '}';
  out += ' ';
  out += value;
  out += '\n';
}

void append(std::string& out, const std::string& name, const std::string& labels, const Counter& counter) {
  append_sample(out, name, labels, std::to_string(counter.value()));
}

void append(std::string& out, const std::string& name, const std::string& labels, const Gauge& gauge) {
  append_sample(out, name, labels, number(gauge.value()));
}

void append(std::string& out, const std::string& name, const std::string& labels,
            const Histogram& histogram) {
  const std::string prefix = labels.empty() ? "le=\"" : labels + ",le=\"";
  for (std::size_t i = 0; i < Histogram::kBoundsUs.size(); ++i) {
    append_sample(out, name + "_bucket", prefix + number(seconds(Histogram::kBoundsUs[i])) + '"',
                  std::to_string(histogram.at_most(i)));
  }
  append_sample(out, name + "_bucket", prefix + "+Inf\"", std::to_string(histogram.count()));
  append_sample(out, name + "_sum", labels, number(seconds(histogram.sum().count())));
  append_sample(out, name + "_count", labels, std::to_string(histogram.count()));
}

const char* type_name(const Counter&) {
  return "counter";
}
const char* type_name(const Gauge&) {
  return "gauge";
}
const char* type_name(const Histogram&) {
  return "histogram";
}

}  // namespace

void Histogram::observe(Duration took) {
  const auto bound = std::ranges::lower_bound(kBoundsUs, took.count());
  if (bound != kBoundsUs.end()) ++buckets_[static_cast<std::size_t>(bound - kBoundsUs.begin())];
  ++count_;
  sum_ += took;
}

std::uint64_t Histogram::at_most(std::size_t i) const {
  std::uint64_t total = 0;
  for (std::size_t bucket = 0; bucket <= i; ++bucket) total += buckets_[bucket];
  return total;
}

template <class Kind>
Kind& Metrics::instrument(const std::string& name, const std::string& help, const Labels& labels) {
  Family& family = families_.try_emplace(name, Family{help, {}}).first->second;
  CHECK(family.series.empty() || std::holds_alternative<Kind>(family.series.begin()->second))
      << "metric " << name << " has two kinds";
  return std::get<Kind>(family.series.try_emplace(render(labels), std::in_place_type<Kind>).first->second);
}

Counter& Metrics::counter(const std::string& name, const std::string& help, const Labels& labels) {
  return instrument<Counter>(name, help, labels);
}
Gauge& Metrics::gauge(const std::string& name, const std::string& help, const Labels& labels) {
  return instrument<Gauge>(name, help, labels);
}
Histogram& Metrics::histogram(const std::string& name, const std::string& help, const Labels& labels) {
  return instrument<Histogram>(name, help, labels);
}

std::string Metrics::expose() const {
  for (const auto& refresh : refreshers_) refresh();
  std::string out;
  for (const auto& [name, family] : families_) {
    out += "# HELP " + name + ' ' + family.help + '\n';
    const auto type = [](const auto& instrument) { return type_name(instrument); };
    out += "# TYPE " + name + ' ' + std::visit(type, family.series.begin()->second) + '\n';
    for (const auto& [labels, series] : family.series) {
      std::visit([&](const auto& instrument) { append(out, name, labels, instrument); }, series);
    }
  }
  return out;
}

}  // namespace ringmaster
