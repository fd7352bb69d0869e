#include "base/failpoint.h"

#if RINGMASTER_FAILPOINTS

#include <algorithm>
#include <charconv>
#include <csignal>

#include <glog/logging.h>

#include "base/nearest_word.h"

namespace ringmaster {
namespace {

Result<std::size_t> find_site(std::string_view name) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kFailpointSites.size(); ++i) {
    if (kFailpointSites[i].name == name) return i;
    names.emplace_back(kFailpointSites[i].name);
  }
  const std::string nearest = nearest_word(name, names);
  return fail(ErrorCode::invalid_argument,
              "there is no site '" + std::string(name) + "'" +
                  (nearest.empty() ? "; see docs/failpoints.md" : "; did you mean " + nearest + "?"));
}

}  // namespace

Result<Failpoints::Arming> Failpoints::parse(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos)
    return fail(ErrorCode::invalid_argument, "'" + std::string(text) + "': expected site=action[@n]");
  Arming arming;
  std::string_view name = text.substr(0, equals), action = text.substr(equals + 1);
  if (const auto arrow = name.find('>'); arrow != std::string_view::npos) {
    const auto first = find_site(name.substr(0, arrow));
    if (!first) return std::unexpected(first.error());
    arming.first = *first;
    name.remove_prefix(arrow + 1);
  }
  const auto site = find_site(name);
  if (!site) return std::unexpected(site.error());
  arming.site = *site;
  if (const auto at = action.find('@'); at != std::string_view::npos) {
    const std::string_view number = action.substr(at + 1);
    const char* const end = number.data() + number.size();
    const auto [stop, error] = std::from_chars(number.data(), end, arming.countdown);
    if (error != std::errc() || stop != end || arming.countdown < 1)
      return fail(ErrorCode::invalid_argument,
                  "'" + std::string(text) + "': after @ a number of hits is expected, from 1 on");
    action = action.substr(0, at);
  }
  const bool operation = kFailpointSites[*site].kind == FailpointSite::Kind::operation;
  if (action == "kill") {
    arming.action = Action::kill;
  } else if (action == "freeze") {
    arming.action = Action::freeze;
  } else if (action == "fail" && operation) {
    arming.action = Action::fail;
  } else {
    return fail(ErrorCode::invalid_argument, "'" + std::string(text) + "': expected the action kill" +
                                                 (operation ? ", freeze or fail" : " or freeze"));
  }
  return arming;
}

Result<> Failpoints::arm(std::string_view text) {
  std::vector<Arming> armings;
  for (std::string_view rest = text; !rest.empty();) {
    const auto comma = std::min(rest.find(','), rest.size());
    auto arming = parse(rest.substr(0, comma));
    if (!arming) return std::unexpected(arming.error());
    armings.push_back(*arming);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  armed_ = {};
  for (const Arming& arming : armings) {
    armed_[arming.site] = true;
    if (arming.first) armed_[*arming.first] = true;
  }
  armings_ = std::move(armings);
  text_ = text;
  return {};
}

bool Failpoints::hit(std::size_t site) {
  if (!is_armed(site)) return false;
  bool fails = false;
  const std::lock_guard lock(mutex_);
  for (Arming& arming : armings_) {
    if (arming.site == site && !arming.first && arming.countdown > 0 && --arming.countdown == 0)
      fails |= act(arming);
    if (arming.first == site) arming.first.reset();
  }
  return fails;
}

// raise() and not kill(): this thread goes no further.
bool Failpoints::act(const Arming& arming) {
  const std::string_view name = kFailpointSites[arming.site].name;
  if (arming.action == Action::fail) {
    LOG(ERROR) << "FAILPOINT " << name << ": it fails here";
    return true;
  }
  const bool freezes = arming.action == Action::freeze;
  LOG(ERROR) << "FAILPOINT " << name << ": " << (freezes ? "frozen" : "killed") << " here";
  std::raise(freezes ? SIGSTOP : SIGKILL);
  LOG(ERROR) << "FAILPOINT " << name << ": goes on";
  return false;
}

Failpoints& failpoints() {
  static Failpoints* const instance = new Failpoints;  // until the last thread has ended
  return *instance;
}

}  // namespace ringmaster

#endif
