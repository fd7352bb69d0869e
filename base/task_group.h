// TaskGroup: owns the coroutines of one object on one io_context, so that none outlives what it works on and
// no exception is lost. Declare it last in its class. All members on the loop's thread.
//
// Shutdown: cancel_all(), then destroy the owner from when_finished(). The destructor CHECKs that nothing
// runs, unless the context has stopped: then nothing resumes any more, and the context's end frees the
// coroutines. Their locals must not touch the owner in their destructors.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>

namespace ringmaster {

class TaskGroup {
 public:
  explicit TaskGroup(boost::asio::io_context& context);
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  // Runs `task`, perhaps up to its first suspension before this returns. `name` stands in the log if it
  // throws; an exception that says "operation aborted" is the normal end of a cancelled coroutine and is not
  // logged.
  void spawn(std::string name, boost::asio::awaitable<void> task);

  // Asks everything that runs now to end: what it awaits fails with operation_aborted. Ends nothing at once.
  void cancel_all();

  std::size_t running() const;
  // Calls `done` once, from the loop, as soon as nothing runs. A later call replaces one that still waits.
  void when_finished(std::move_only_function<void()> done);

 private:
  struct Running {
    std::string name;
    boost::asio::cancellation_signal cancel;
  };
  // Outlives the group for completions that come after the context was stopped and restarted.
  struct State {
    std::list<std::shared_ptr<Running>> running;
    std::move_only_function<void()> when_finished;
  };
  static void post_if_finished(boost::asio::io_context& context, const std::shared_ptr<State>& state);

  boost::asio::io_context& context_;
  std::shared_ptr<State> state_;
};

}  // namespace ringmaster
