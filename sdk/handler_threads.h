// HandlerThreads: a bounded pool. Threads are made when work waits and all are busy, and stay until the end.
// Safe from any thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace ringmaster::sdk {

using Work = std::move_only_function<void()>;

class HandlerThreads {
 public:
  explicit HandlerThreads(std::uint32_t most) : most_(most) {}
  ~HandlerThreads() { join(); }
  HandlerThreads(const HandlerThreads&) = delete;
  HandlerThreads& operator=(const HandlerThreads&) = delete;

  // Runs `work`, which must not throw, when its turn comes. Throws std::system_error when there is no thread
  // and none can be made.
  void run(Work work);
  // Waits for what is running; what is not is dropped, now and from now on. Not from one of the threads.
  void join();

 private:
  void serve();

  const std::uint32_t most_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Work> queue_;
  std::size_t idle_ = 0;
  bool closed_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace ringmaster::sdk
