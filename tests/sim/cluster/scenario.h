// Scenarios: interleavings that the protocol must survive (protocol.md, H1 to H14), scripted over a SimWorld
// and the same in every run. Each is told twice: with its rule, when nothing may be violated and everything
// comes to its end, and with the rule switched off by a planted bug, when it must be caught.
#pragma once

#include <functional>
#include <initializer_list>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/sim/sim_world.h"

namespace ringmaster {

// A world with the words in which a scenario is told. Once something is violated nothing happens any more:
// the rest of the story is skipped.
class Story {
 public:
  explicit Story(PlantedBug bug);

  // Starts them together, and waits until every shard has its owner and every worker serves every master that
  // can reach it.
  void start(std::initializer_list<std::string> nodes);
  void cut(const std::string& a, const std::string& b);  // both ways
  void heal(const std::string& a, const std::string& b);
  // What attempts of it do is to sleep. `worker`: whom it goes to if that one has room; the ring is then that
  // of w1 and w2.
  struct Work {
    OnWorkerLost policy = OnWorkerLost::rerun;
    std::string sleep = "100ms";
    std::string worker{};
    Duration due_in{0};
  };
  static NewTask task(const Work& work);
  // Submitted and answered: `master` owns it.
  TaskId submit(const std::string& master, const Work& work);

  // Lets time pass until it is so. A story that does not come to that fails.
  void until(const std::string& what, const std::function<bool()>& done,
             Duration limit = std::chrono::seconds(40));
  void pass(Duration time) { world.run_for(time); }
  void expect(const std::string& what, bool so) const;  // a fact, unless something was violated
  void until_it_runs_on(const std::string& worker, TaskId id);
  void until_ended(TaskId id);
  // Everything is mended, what is missing of `nodes` starts, and all that was accepted comes to its end.
  void settle(std::initializer_list<std::string> nodes);

  bool violated() const { return !world.witness.violations().empty(); }
  std::optional<TaskState> end_of(TaskId id) const;
  std::string recorded_worker(TaskId id) const;                 // as the database has it
  std::size_t shards_of(const std::string& master) const;       // likewise
  std::size_t results_on(const std::string& worker) const;      // in its spool
  bool dispatched(const std::string& master, TaskId id) const;  // as that master thinks

  SimWorld world;

 private:
  bool ready() const;
};

struct Scenario {
  std::string name;
  PlantedBug without_its_rule;
  std::string caught_as;  // part of the violation
  std::function<void(Story&)> tell;
};
inline void PrintTo(const Scenario& scenario, std::ostream* out) {
  *out << scenario.name;
}

class Protocol : public testing::TestWithParam<Scenario> {};

inline std::string name_of(const testing::TestParamInfo<Scenario>& tested) {
  return tested.param.name;
}

}  // namespace ringmaster
