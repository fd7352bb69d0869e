#include "tests/fault/chaos/fault_plan.h"

#include <algorithm>
#include <array>
#include <utility>

namespace ringmaster {

namespace {

using std::chrono::milliseconds;
using enum FaultKind;

constexpr milliseconds kFirst{6'000};  // what is normal is measured before it
constexpr milliseconds kStorm{22'000}, kCalm{7'000};
constexpr milliseconds kShortestGap{200}, kLongestGap{4'000};

struct Chance {
  FaultKind kind;
  unsigned weight;
  milliseconds shortest, longest;
};
constexpr std::array kChances{
    Chance{kill, 16, milliseconds(100), milliseconds(10'000)},
    Chance{stop, 8, milliseconds(100), milliseconds(6'000)},
    Chance{freeze, 12, milliseconds(1'000), milliseconds(15'000)},
    Chance{freeze_all, 5, milliseconds(1'000), milliseconds(15'000)},
    Chance{cut, 12, milliseconds(500), milliseconds(15'000)},
    Chance{cut_one_way, 10, milliseconds(500), milliseconds(15'000)},
    Chance{isolate, 8, milliseconds(500), milliseconds(15'000)},
    Chance{reset, 7, milliseconds(0), milliseconds(0)},
    Chance{slow, 8, milliseconds(2'000), milliseconds(15'000)},
    Chance{crash_database, 3, milliseconds(200), milliseconds(5'000)},
    Chance{crash_backend, 3, milliseconds(0), milliseconds(0)},
    Chance{end_backends, 6, milliseconds(0), milliseconds(0)},
    Chance{freeze_backend, 5, milliseconds(500), milliseconds(10'000)},
    Chance{freeze_database, 3, milliseconds(500), milliseconds(8'000)},
    Chance{kill_registry, 5, milliseconds(200), milliseconds(10'000)},
    Chance{freeze_registry, 5, milliseconds(500), milliseconds(10'000)},
    Chance{lose_quorum, 3, milliseconds(1'000), milliseconds(10'000)},
};

// The standard's distributions differ between libraries; a seed is the same everywhere.
class Random {
 public:
  // Not the step of next(): neighbours would have the same numbers, one later.
  explicit Random(std::uint64_t seed) : state_((seed + 1) * 0xd1342543de82ef95ULL) {}
  unsigned below(std::size_t bound) { return static_cast<unsigned>(next() % bound); }
  milliseconds between(milliseconds low, milliseconds high) {
    return low + milliseconds(below(static_cast<std::size_t>((high - low).count()) + 1));
  }
  const std::string& one_of(const std::vector<std::string>& all) { return all[below(all.size())]; }

 private:
  std::uint64_t next() {  // splitmix64
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  std::uint64_t state_;
};

// What a fault pulls at; another one must not, until it has ended.
std::string subject_of(const Fault& fault) {
  switch (fault.kind) {
    case cut:
    case cut_one_way:
      return "line of " + std::min(fault.node, fault.other) + " and " + std::max(fault.node, fault.other);
    case isolate:
      return "all lines of " + fault.node;
    case slow:
      return "speed of " + fault.node;
    case reset:
      return "connections of " + fault.node;
    default:
      if (is_of_database(fault.kind)) return "PostgreSQL";
      if (is_of_registry(fault.kind)) return "ZooKeeper";
      return "process of " + fault.node;
  }
}

bool is_long(const Fault& fault) {
  return fault.length > kLongestFault;
}

class Planner {
 public:
  explicit Planner(const PlanOptions& options) : options_(options), random_(options.seed) {
    daemons_ = options.masters;
    daemons_.insert(daemons_.end(), options.workers.begin(), options.workers.end());
  }

  std::vector<Fault> plan() {
    milliseconds now = kFirst;
    milliseconds calm = now + kStorm;
    while (now < options_.length) {
      add(now);
      now += random_.between(kShortestGap, kLongestGap);
      if (now < calm) continue;
      now = std::max(now, last_end()) + kCalm;
      calm = now + kStorm;
    }
    std::ranges::stable_sort(faults_, {}, &Fault::at);
    return std::move(faults_);
  }

 private:
  milliseconds last_end() const {
    milliseconds last{0};
    for (const Fault& fault : faults_) {
      if (!is_long(fault)) last = std::max(last, fault.end());
    }
    return last;
  }

  // Longer than a lease: of workers that are out of reach, and of the database that renews leases.
  void perhaps_prolong(Fault& fault) {
    const bool of_worker = (fault.kind == isolate || fault.kind == freeze || fault.kind == freeze_all) &&
                           std::ranges::count(options_.workers, fault.node) > 0;
    if (options_.length < kPlanWithLongFaults || !(of_worker || fault.kind == crash_database)) return;
    if (random_.below(4) == 0) fault.length = random_.between(milliseconds(34'000), kLongFault);
  }

  void add(milliseconds now) {
    const Chance& chance = pick();
    const auto length = random_.between(chance.shortest, chance.longest);
    if (chance.kind == stop && random_.below(3) == 0) return roll(now, length);
    Fault fault = make(chance.kind, now, length);
    perhaps_prolong(fault);
    if (fits(fault)) faults_.push_back(fault);
  }

  const Chance& pick() {
    unsigned all = 0;
    for (const Chance& chance : kChances) all += chance.weight;
    unsigned drawn = random_.below(all);
    for (const Chance& chance : kChances) {
      if (drawn < chance.weight) return chance;
      drawn -= chance.weight;
    }
    return kChances.front();
  }

  // One after the other, as for an upgrade.
  void roll(milliseconds now, milliseconds length) {
    for (const std::string& node : random_.below(2) == 0 ? options_.masters : options_.workers) {
      const Fault fault{.kind = stop, .node = node, .at = now, .length = length / 2};
      if (fits(fault)) faults_.push_back(fault);
      now = fault.end() + milliseconds(1'500);
    }
  }

  Fault make(FaultKind kind, milliseconds now, milliseconds length) {
    Fault fault{.kind = kind, .at = now, .length = length, .chance = random_.below(1U << 30)};
    if (kind == cut || kind == cut_one_way) {
      choose_ends(fault);
    } else if (is_of_database(kind)) {
      fault.node = "pg";
    } else if (kind == lose_quorum) {
      const unsigned first = random_.below(options_.registry.size());
      fault.node = options_.registry[first];
      fault.other = options_.registry[(first + 1) % options_.registry.size()];
    } else if (is_of_registry(kind)) {
      fault.node = random_.below(2) == 0 ? "zk-leader" : "zk-follower";
    } else if (kind == freeze_all) {
      fault.node = random_.one_of(options_.workers);
    } else if (kind == isolate && random_.below(3) == 0) {
      fault.node = random_.below(2) == 0 ? "pg" : random_.one_of(options_.registry);
    } else {
      fault.node = random_.one_of(daemons_);
    }
    if (kind == slow) {
      fault.delay = random_.between(milliseconds(5), milliseconds(250));
      fault.loses = random_.below(2) == 0 ? 0 : 5 + random_.below(200);
    }
    return fault;
  }

  void choose_ends(Fault& fault) {
    fault.node = random_.one_of(options_.masters);
    switch (random_.below(5)) {
      case 0:
      case 1:
        fault.other = random_.one_of(options_.workers);
        break;
      case 2:
        fault.other = "pg";
        break;
      case 3:
        do fault.other = random_.one_of(options_.masters);
        while (fault.other == fault.node);
        break;
      default:
        fault.node = random_.one_of(daemons_);
        fault.other = random_.one_of(options_.registry);
    }
    if (random_.below(2) == 0) std::swap(fault.node, fault.other);
  }

  bool fits(const Fault& fault) const {
    if (fault.kind == slow && !options_.lines) return false;
    if (fault.kind == lose_quorum && options_.registry.size() < 3) return false;
    if (fault.end() > options_.length) return false;
    std::vector<const Fault*> meets;
    for (const Fault& other : faults_) {
      if (other.end() < fault.at || fault.end() < other.at) continue;
      if (subject_of(other) == subject_of(fault)) return false;
      meets.push_back(&other);
    }
    // They are most at the beginning of one of them.
    const auto at_once = [&](milliseconds when) {
      return std::ranges::count_if(meets, [&](const Fault* f) { return f->at <= when && when <= f->end(); });
    };
    const auto fewer = [&](milliseconds when) { return std::cmp_less(at_once(when), kMostFaultsAtOnce); };
    return fewer(fault.at) &&
           std::ranges::all_of(meets, [&](const Fault* f) { return f->at < fault.at || fewer(f->at); });
  }

  const PlanOptions& options_;
  Random random_;
  std::vector<std::string> daemons_;
  std::vector<Fault> faults_;
};

}  // namespace

std::vector<Fault> make_plan(const PlanOptions& options) {
  return Planner(options).plan();
}

bool is_of_daemon(FaultKind kind) {
  return kind == kill || kind == stop || kind == freeze || kind == freeze_all;
}
bool is_of_database(FaultKind kind) {
  return kind == crash_database || kind == crash_backend || kind == end_backends || kind == freeze_backend ||
         kind == freeze_database;
}
bool is_of_registry(FaultKind kind) {
  return kind == kill_registry || kind == freeze_registry || kind == lose_quorum;
}

std::string_view to_string(FaultKind kind) {
  switch (kind) {
    case kill:
      return "kill";
    case stop:
      return "stop";
    case freeze:
      return "freeze";
    case freeze_all:
      return "freeze with supervisor";
    case cut:
      return "cut";
    case cut_one_way:
      return "cut one way";
    case isolate:
      return "isolate";
    case reset:
      return "reset connections";
    case slow:
      return "slow line";
    case crash_database:
      return "crash PostgreSQL";
    case crash_backend:
      return "kill a backend";
    case end_backends:
      return "end backends";
    case freeze_backend:
      return "freeze a backend";
    case freeze_database:
      return "freeze PostgreSQL";
    case kill_registry:
      return "kill ZooKeeper";
    case freeze_registry:
      return "freeze ZooKeeper";
    case lose_quorum:
      return "lose the quorum";
  }
  return "";
}

std::string title_of(const Fault& fault) {
  std::string title(to_string(fault.kind));
  if (is_of_database(fault.kind)) return title;
  if (fault.kind == cut_one_way) return title + " " + fault.node + " → " + fault.other;
  title += " " + fault.node;
  if (!fault.other.empty()) title += " and " + fault.other;
  if (fault.kind == slow) {
    title += ", " + std::to_string(fault.delay.count()) + " ms late";
    if (fault.loses > 0) title += ", loses 1 in " + std::to_string(fault.loses);
  }
  return title;
}

}  // namespace ringmaster
