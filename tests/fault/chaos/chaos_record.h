// ChaosRecord: what a chaos did to a cluster, what the cluster did meanwhile, and what was found afterwards.
// Times are milliseconds from the start of its load. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/fault/chaos/fault_plan.h"

namespace ringmaster {

struct DoneFault {
  Fault fault;  // with the nodes that it met
  std::chrono::milliseconds begun{0}, ended{0};
  std::string skipped;  // why it was not done; empty: it was
};

struct ChaosRecord {
  using Milliseconds = std::chrono::milliseconds;
  struct Results {
    Milliseconds at{0};
    int count = 0;
  };
  struct Answer {
    Milliseconds asked{0}, answered{0};
    std::size_t accepted = 0;  // tasks; 0: refused, or not known
  };
  struct Footprint {
    std::int64_t most_rss_kib = 0;  // of all its lives
    std::size_t most_descriptors = 0;
    int lives = 0;
  };

  struct Stall {
    Milliseconds from{0}, to{0};
  };

  std::uint64_t seed = 0;
  Milliseconds length{0};  // of the faults
  std::vector<std::string> nodes;
  std::vector<DoneFault> faults;
  std::vector<Results> results;  // recorded ends of tasks, by time
  std::vector<Answer> answers;   // to submissions, by time of the question
  std::vector<Stall> stalls;     // of the machine itself: no processor or no disk for so long
  Milliseconds loaded{0};        // when the load stopped
  Milliseconds settled{0};       // when nothing was open any more; 0: never

  std::size_t accepted = 0, witness_lines = 0;
  std::size_t in_doubt = 0;                   // tasks of submissions that were given up and may have happened
  std::map<std::string, std::int64_t> ended;  // by state
  std::int64_t ran_again = 0, late = 0;
  std::map<std::string, Footprint> footprints;
  std::vector<std::string> checks;  // what was looked at and found right
  std::vector<std::string> broken;  // promises, and whatever else must not be
};

// What the clients noticed of a fault.
struct Effect {
  double before = 0, during = 0, after = 0;     // recorded results a second, within 5 s of it
  std::chrono::milliseconds longest_gap{0};     // without a recorded result, from its beginning to 5 s later
  std::chrono::milliseconds longest_answer{0};  // to a submission
  std::chrono::milliseconds recovery{0};        // from its end until results came at half the usual rate
};

// The median of all seconds under faults.
double usual_rate(const ChaosRecord& record);
// A second's worth of results from each step of this length on: for curves.
std::vector<double> result_rates(const ChaosRecord& record, std::chrono::milliseconds step);
std::vector<double> accept_rates(const ChaosRecord& record, std::chrono::milliseconds step);
std::vector<Effect> effects_of(const ChaosRecord& record);  // one for each of record.faults

}  // namespace ringmaster
