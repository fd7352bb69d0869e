// DelayLine: carries Ethernet frames between two TAP devices, late or not at all, on a thread of its own
// until it is destroyed. What tc netem would do, where the kernel has none.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <random>
#include <string>
#include <thread>

#include <poll.h>
#include <unistd.h>

namespace ringmaster {

class DelayLine {
 public:
  // Two TAP descriptors, which it closes.
  DelayLine(int one, int other) : ends_{one, other}, thread_([this] { carry(); }) {}
  ~DelayLine() {
    stopping_ = true;
    thread_.join();
    for (const int end : ends_) ::close(end);
  }
  DelayLine(const DelayLine&) = delete;
  DelayLine& operator=(const DelayLine&) = delete;

  // One frame in `loses` is lost; 0: none.
  void disturb(std::chrono::milliseconds delay, unsigned loses) {
    delay_ms_ = delay.count();
    loses_ = loses;
  }

 private:
  using Clock = std::chrono::steady_clock;
  struct Frame {
    Clock::time_point due;
    std::string bytes;
  };
  static constexpr std::size_t kMostFrames = 20'000;  // in one direction

  void carry() {
    while (!stopping_) {
      std::array<pollfd, 2> ready{{{ends_[0], POLLIN, 0}, {ends_[1], POLLIN, 0}}};
      ::poll(ready.data(), ready.size(), waiting_[0].empty() && waiting_[1].empty() ? 20 : 1);
      for (std::size_t from = 0; from < 2; ++from) {
        if ((ready[from].revents & POLLIN) != 0) take(from);
        deliver(from);
      }
    }
  }
  void take(std::size_t from) {
    std::array<char, 65'536> buffer;
    const ssize_t size = ::read(ends_[from], buffer.data(), buffer.size());
    if (size <= 0 || waiting_[from].size() >= kMostFrames) return;
    if (loses_ > 0 && random_() % loses_ == 0) return;
    waiting_[from].push_back({Clock::now() + std::chrono::milliseconds(delay_ms_),
                              std::string(buffer.data(), static_cast<std::size_t>(size))});
  }
  void deliver(std::size_t from) {
    while (!waiting_[from].empty() && waiting_[from].front().due <= Clock::now()) {
      const std::string& bytes = waiting_[from].front().bytes;
      // A frame that does not fit is a frame that is lost.
      [[maybe_unused]] const ssize_t sent = ::write(ends_[1 - from], bytes.data(), bytes.size());
      waiting_[from].pop_front();
    }
  }

  std::array<int, 2> ends_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::int64_t> delay_ms_{0};
  std::atomic<unsigned> loses_{0};
  std::array<std::deque<Frame>, 2> waiting_;  // by where they come from
  std::mt19937 random_{7};
  std::thread thread_;
};

}  // namespace ringmaster
