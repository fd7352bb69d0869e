#include "sdk/handler_threads.h"

#include <system_error>
#include <utility>

namespace ringmaster::sdk {

void HandlerThreads::run(Work work) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  if (idle_ <= queue_.size() && threads_.size() < most_) {
    try {
      threads_.emplace_back([this] { serve(); });
    } catch (const std::system_error&) {
      if (threads_.empty()) throw;
    }
  }
  queue_.push_back(std::move(work));
  changed_.notify_one();
}

void HandlerThreads::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    changed_.wait(lock, [this] { return closed_ || !queue_.empty(); });
    --idle_;
    if (closed_) return;
    Work work = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    work();
    work = nullptr;  // what it holds goes before the lock is held
    lock.lock();
  }
}

void HandlerThreads::join() {
  std::vector<std::thread> threads;
  std::deque<Work> dropped;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    threads.swap(threads_);
    dropped.swap(queue_);
  }
  changed_.notify_all();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace ringmaster::sdk
