// HandlerRunner: runs attempts by the handlers of a program, each for one kind.
//
// A blocking handler runs on one of `threads` threads, a coroutine on the loop. Nobody can end a handler: a
// kill, a time-out and stop_all() ask it to stop, and the attempt ends when it has returned. What waits for a
// thread ends at once. Attempts with a lease are refused: a frozen process could not keep it.
// On the loop's thread. Destruction asks everything to stop, waits for the threads and destroys what
// coroutines have not ended; nothing is reported any more.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>

#include "base/loop.h"
#include "ringmaster/worker.h"
#include "sdk/handler_attempt.h"
#include "worker/runner.h"

namespace ringmaster::sdk {

using Handler = std::variant<BlockingHandler, CoroutineHandler>;
using Handlers = std::map<std::string, Handler, std::less<>>;  // by kind

class HandlerRunner final : public Runner {
 public:
  // All outlive the runner.
  HandlerRunner(Loop& loop, const Handlers& handlers, std::uint32_t threads);
  ~HandlerRunner() override;
  HandlerRunner(const HandlerRunner&) = delete;
  HandlerRunner& operator=(const HandlerRunner&) = delete;

  void set_handler(RunnerHandler& handler) override { handler_ = &handler; }
  void start(Dispatch attempt) override;
  void kill(Token token) override;
  void extend_lease(ShardId, MonoTime) override {}

  // Tells all attempts, and those that start later; what waits for a thread is given back.
  void begin_drain();
  // Asks all attempts to stop, because the worker does.
  void stop_all();
  // Once no attempt runs any more, and all ends are reported; one at a time.
  void when_idle(Callback idle);

 private:
  // The frame of the coroutine around a coroutine handler.
  class Frame;
  struct Running {
    std::shared_ptr<HandlerAttempt> attempt;
    WallTime started_at{};
    std::unique_ptr<Timer> timeout;
    std::unique_ptr<Frame> frame;
  };
  using Attempts = std::multimap<ringmaster::TaskId, Running>;

  Attempts::iterator find(Token token);
  void refuse(Token token, std::string why);
  void run_on_thread(const BlockingHandler& handler, std::shared_ptr<HandlerAttempt> attempt);
  void run_on_loop(const CoroutineHandler& handler, std::shared_ptr<HandlerAttempt> attempt);
  Frame drive(const CoroutineHandler& handler, std::shared_ptr<HandlerAttempt> attempt);
  // False: the attempt has ended meanwhile, or this is gone.
  bool begin(Token token);
  // True: it had not begun, and never will; its end is told.
  bool end_unbegun(HandlerAttempt& attempt);
  void stop(Running& running, StopReason reason);
  void check_idle();
  void end_later(HandlerAttempt& attempt, HandlerResult<> returned);
  void end_later(HandlerAttempt& attempt, HandlerResult<> returned, StopReason asked);
  void end(Token token, HandlerResult<> returned, StopReason asked);
  std::string known_kinds() const;

  Loop& loop_;
  const Handlers& handlers_;
  RunnerHandler* handler_ = nullptr;
  bool draining_ = false;
  Callback idle_;
  std::shared_ptr<HandlerLoop> to_loop_;
  Attempts running_;
};

}  // namespace ringmaster::sdk
