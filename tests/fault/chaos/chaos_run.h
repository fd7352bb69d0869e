// ChaosRun: one chaos from the first daemon to the last check. Needs root. One thread, and those of its
// clients.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/fault/chaos/aftermath.h"
#include "tests/fault/chaos/fault_injector.h"
#include "tests/fault/chaos/machine_probe.h"
#include "tests/fault/mixed_load.h"

namespace ringmaster {

// Whether this machine lets us make lines that can be slow.
bool can_make_lines();

class ChaosRun {
 public:
  struct Options {
    PlanOptions plan;
    std::filesystem::path keep_in;  // where logs go if something is found
    bool keep_all = false;          // or even if not
    std::function<void(const std::string&)> say = [](const std::string&) {};
    const std::atomic<bool>* stop_early = nullptr;
  };
  // Throws where the cluster cannot even be started.
  ChaosRun(BridgedNetwork& network, Options options);

  ChaosRecord run();

 private:
  using Clock = std::chrono::steady_clock;
  std::chrono::milliseconds since_begin(Clock::time_point time) const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time - begun_);
  }
  std::chrono::milliseconds now() const { return since_begin(Clock::now()); }
  void start_daemon(const std::string& node);
  void start_cluster();
  void start_loads();
  void add_load(LoadOptions load);
  void inject();
  void measure_daemons();
  void settle();
  void collect();
  void collect_answers();
  void judge();
  void judge_untold(const Evidence& evidence);
  void keep_logs();

  BridgedNetwork& network_;
  const Options options_;
  std::unique_ptr<Cluster> cluster_;
  ChaosRecord record_;
  Aftermath aftermath_;
  FaultInjector injector_;
  std::vector<std::unique_ptr<MixedLoad>> loads_;
  std::unique_ptr<MachineProbe> probe_;
  Clock::time_point begun_;
  std::string begun_at_;  // by PostgreSQL's clock, seconds
  std::chrono::milliseconds measured_{0};
};

}  // namespace ringmaster
