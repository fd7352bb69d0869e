// HandlerLoop: the way from handlers, on whatever thread, to the worker's loop and to its threads. Shared by
// a HandlerRunner and its attempts, which handlers may keep alive for longer: once closed it does nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>

#include "base/loop.h"
#include "sdk/handler_threads.h"

namespace ringmaster::sdk {

class HandlerLoop {
 public:
  HandlerLoop(Loop& loop, std::uint32_t threads) : loop_(&loop), threads_(threads) {}

  // Runs `fn` on the loop's thread, unless this is closed by then. From any thread.
  void post(std::shared_ptr<HandlerLoop> self, Callback fn);
  // Throws std::system_error when there is no thread and none can be made. From any thread.
  void run_on_thread(Work work) { threads_.run(std::move(work)); }

  // On the loop's thread.
  Loop* loop() const { return loop_; }  // null once closed
  // Waits for the threads; work that they have not begun is dropped.
  void join_threads() { threads_.join(); }
  void close();

 private:
  std::mutex mutex_;
  Loop* loop_;
  HandlerThreads threads_;
};

}  // namespace ringmaster::sdk
