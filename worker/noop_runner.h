// NoopRunner: attempts of kind `noop` succeed at once and cost nothing: for benchmarks, tests and trying
// things out. Spec, all optional: {"sleep":"100ms"} first waits, {"fail":true} ends with exit code 1; other
// fields are refused. Starts and ends of one turn of the loop are reported by one post. On any loop, on its
// thread.
#pragma once

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

 private:
  struct Spec {
    Duration sleep{0};
    bool fails = false;
  };
  struct Sleeper {
    Token token;
    TimerId timer = 0;
    bool fails = false;
    WallTime started_at{};
  };
  struct Report {
    Token token;
    bool started = false;
    bool finished = false;
    AttemptResult result;  // started_at counts for both
  };

  static Result<Spec> parse(const std::string& json);
  void sleep(Token token, const Spec& spec, WallTime now);
  void report(Report report);
  void deliver();

  Loop& loop_;
  RunnerHandler* handler_ = nullptr;
  bool posted_ = false;
  std::vector<Report> reports_;
  std::multimap<TaskId, Sleeper> sleepers_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // posted work holds it weakly
};

}  // namespace ringmaster
