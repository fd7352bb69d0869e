// NoopRunner: attempts of kind `noop` succeed at once and cost nothing: for benchmarks, tests and trying
// things out. Spec, all optional: {"sleep":"100ms"} first waits, {"fail":true} ends with exit code 1; other
// fields are refused. Starts and ends of one turn of the loop are reported by one post. Leases are kept by
// the loop's timers: a frozen daemon's sleepers do nothing meanwhile. On any loop, on its thread.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.h"
#include "worker/runner.h"

namespace ringmaster {

class NoopRunner final : public Runner {
 public:
  // The loop and the handler must outlive the runner.
  explicit NoopRunner(Loop& loop) : loop_(loop) {}
  ~NoopRunner() override;

  void set_handler(RunnerHandler& handler) override { handler_ = &handler; }
  void start(Dispatch attempt) override;
  void kill(Token token) override;
  void extend_lease(ShardId shard, MonoTime until) override;

 private:
  struct Spec {
    Duration sleep{0};
    bool fails = false;
  };
  struct Sleeper {
    Token token;
    TimerId timer = 0;  // for wake_at or the end of its lease, as known when it was set
    bool fails = false;
    bool leased = false;
    WallTime started_at{};
    MonoTime wake_at{};
  };
  using Sleepers = std::multimap<TaskId, Sleeper>;
  struct Report {
    Token token;
    bool started = false;
    bool finished = false;
    AttemptResult result;  // started_at counts for both
  };

  static Result<Spec> parse(const std::string& json);
  void sleep(const Dispatch& attempt, const Spec& spec, WallTime now);
  void set_timer(Sleepers::iterator entry);
  void wake(Sleepers::iterator entry);
  Sleepers::iterator stop(Sleepers::iterator entry, Outcome outcome, std::string why);
  bool lease_ended(ShardId shard) const { return leases_[shard] <= loop_.now(); }
  void report(Report report);
  void deliver();

  Loop& loop_;
  RunnerHandler* handler_ = nullptr;
  bool posted_ = false;
  std::vector<Report> reports_;
  Sleepers sleepers_;
  std::array<MonoTime, kShardCount> leases_{};                  // their ends, by shard
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // posted work holds it weakly
};

}  // namespace ringmaster
