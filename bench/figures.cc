#include "bench/figures.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace ringmaster {

namespace {

bool reached(const Figures::Goal& goal, double measured) {
  return goal.kind == Figures::Goal::Kind::at_least ? measured >= goal.value : measured <= goal.value;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", std::abs(value) < 10 ? 2 : std::abs(value) < 100 ? 1 : 0, value);
  return text;
}

// Machines are noisy, and so are ratios: what is closer than this may be chance.
constexpr double kClearLoss = 0.7;

double loss(const Figures::Goal& goal, double now, double then) {
  return goal.kind == Figures::Goal::Kind::at_least ? now / then : then / now;
}

}  // namespace

double percentile(std::vector<double> values, double part) {
  if (values.empty()) return 0;
  const auto rank = static_cast<std::ptrdiff_t>(std::ceil(part * static_cast<double>(values.size())));
  const auto middle = values.begin() + std::max<std::ptrdiff_t>(rank, 1) - 1;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

const Figures::Figure* Figures::find(const std::string& name) const {
  const auto found = std::ranges::find(figures_, name, &Figure::name);
  return found == figures_.end() ? nullptr : &*found;
}

void Figures::add(const std::string& name, const std::string& unit, double value, std::vector<Goal> goals) {
  auto found = std::ranges::find(figures_, name, &Figure::name);
  if (found == figures_.end()) found = figures_.insert(found, Figure{name, unit, {}, {}});
  found->values.push_back(value);
  found->goals = std::move(goals);
}

double Figures::median_of(const std::string& name) const {
  const Figure* figure = find(name);
  return figure == nullptr ? 0 : median(figure->values);
}

double Figures::measured(const Figure& figure, const Goal& goal) const {
  const Figure* limit = find(goal.of);
  if (limit == nullptr) return median(figure.values);
  std::vector<double> ratios;
  for (std::size_t i = 0; i < std::min(figure.values.size(), limit->values.size()); ++i)
    ratios.push_back(figure.values[i] / limit->values[i]);
  return median(std::move(ratios));
}

std::string Figures::text_of(const Figure& figure) const {
  const auto [least, most] = std::ranges::minmax(figure.values);
  char line[160];
  std::snprintf(line, sizeof line, "%-50s %9s %-8s", figure.name.c_str(),
                number(median(figure.values)).c_str(), figure.unit.c_str());
  std::string text = line;
  if (figure.values.size() > 1) text += "  " + number(least) + " … " + number(most);
  for (const Goal& goal : figure.goals) {
    const double found = measured(figure, goal);
    const char* sign = goal.kind == Goal::Kind::at_least ? ">= " : "<= ";
    text += "\n    " + number(found) + (goal.of.empty() ? " " + figure.unit : " x " + goal.of) + "; goal " +
            sign + number(goal.value) + (reached(goal, found) ? "" : ": MISSED");
  }
  return text;
}

std::string Figures::text() const {
  std::string text;
  for (const auto& [name, value] : notes_) text += name + ": " + value + "\n";
  for (const Figure& figure : figures_) text += text_of(figure) + "\n";
  return text;
}

std::string Figures::json() const {
  boost::json::object root, notes;
  for (const auto& [name, value] : notes_) notes[name] = value;
  boost::json::array figures;
  for (const Figure& figure : figures_) {
    boost::json::array goals;
    for (const Goal& goal : figure.goals) {
      const double found = measured(figure, goal);
      goals.push_back({{"of", goal.of},
                       {goal.kind == Goal::Kind::at_least ? "at_least" : "at_most", goal.value},
                       {"measured", found},
                       {"reached", reached(goal, found)}});
    }
    figures.push_back({{"name", figure.name},
                       {"unit", figure.unit},
                       {"median", median(figure.values)},
                       {"values", boost::json::array(figure.values.begin(), figure.values.end())},
                       {"goals", std::move(goals)}});
  }
  root["settings"] = std::move(notes);
  root["figures"] = std::move(figures);
  return boost::json::serialize(root) + "\n";
}

Result<std::vector<std::string>> Figures::losses_against(const std::string& json) const try {
  std::map<std::pair<std::string, std::string>, double> then;
  const auto root = boost::json::parse(json);
  for (const auto& figure : root.at("figures").as_array()) {
    for (const auto& goal : figure.at("goals").as_array()) {
      then[{std::string(figure.at("name").as_string()), std::string(goal.at("of").as_string())}] =
          goal.at("measured").to_number<double>();
    }
  }
  std::vector<std::string> losses;
  for (const Figure& figure : figures_) {
    for (const Goal& goal : figure.goals) {
      const auto known = then.find({figure.name, goal.of});
      if (goal.of.empty() || known == then.end()) continue;
      const double now = measured(figure, goal);
      if (loss(goal, now, known->second) < kClearLoss)
        losses.push_back(figure.name + ": " + number(now) + " x " + goal.of + ", recorded " +
                         number(known->second));
    }
  }
  return losses;
} catch (const std::exception& error) {
  return fail(ErrorCode::invalid_argument, std::string("not the JSON of a benchmark: ") + error.what());
}

}  // namespace ringmaster
