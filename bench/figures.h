// Figures: what a benchmark has measured, a value for each of its rounds. Shown are the median and the
// spread; a ratio is taken within each round, because two figures of one round met the same weather.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace ringmaster {

// The least value that so large a part of them, from 0 to 1, do not exceed; 0 of none.
double percentile(std::vector<double> values, double part);
inline double median(std::vector<double> values) {
  return percentile(std::move(values), 0.5);
}

class Figures {
 public:
  struct Goal {
    enum class Kind { at_least, at_most } kind;
    double value = 0;
    std::string of;  // times this figure of the same round; empty: in the figure's own unit
  };
  static Goal at_least(double value, std::string of = {}) {
    return {Goal::Kind::at_least, value, std::move(of)};
  }
  static Goal at_most(double value, std::string of = {}) {
    return {Goal::Kind::at_most, value, std::move(of)};
  }

  // One round's value. The goals are those of the last call.
  void add(const std::string& name, const std::string& unit, double value, std::vector<Goal> goals = {});
  // How it was measured: the machine, the settings.
  void note(const std::string& name, const std::string& value) { notes_.emplace_back(name, value); }

  double median_of(const std::string& name) const;
  std::string text() const;
  std::string json() const;
  // The ratios that are clearly worse than in an earlier json(), a line each; absolute values are not
  // compared. Errors: invalid_argument (not such a text).
  Result<std::vector<std::string>> losses_against(const std::string& json) const;

 private:
  struct Figure {
    std::string name, unit;
    std::vector<double> values;
    std::vector<Goal> goals;
  };
  const Figure* find(const std::string& name) const;
  // What is held against the goal: the median of the rounds' ratios, or of their values.
  double measured(const Figure& figure, const Goal& goal) const;
  std::string text_of(const Figure& figure) const;

  std::vector<std::pair<std::string, std::string>> notes_;
  std::vector<Figure> figures_;  // in the order of their first value
};

}  // namespace ringmaster
