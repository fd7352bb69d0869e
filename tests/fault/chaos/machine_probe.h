// MachineProbe: notices when the machine itself stands still: no processor, or no disk. What a cluster does
// not do in such a time is not its fault. On a thread of its own until stop().
#pragma once

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

namespace ringmaster {

class MachineProbe {
 public:
  using Clock = std::chrono::steady_clock;
  struct Stall {
    Clock::time_point from, to;
  };

  // Writes to this file, again and again.
  explicit MachineProbe(const std::string& file)
      : file_(::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)),
        thread_([this](const std::stop_token& stopping) { look(stopping); }) {}
  ~MachineProbe() {
    stop();
    ::close(file_);
  }
  MachineProbe(const MachineProbe&) = delete;
  MachineProbe& operator=(const MachineProbe&) = delete;

  const std::vector<Stall>& stop() {
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
    return stalls_;
  }

 private:
  static constexpr auto kEvery = std::chrono::milliseconds(50);
  static constexpr auto kStall = std::chrono::milliseconds(300);

  void look(const std::stop_token& stopping) {
    while (!stopping.stop_requested()) {
      const auto from = Clock::now();
      [[maybe_unused]] const ssize_t written = ::pwrite(file_, "probe", 5, 0);
      ::fdatasync(file_);
      ::poll(nullptr, 0, kEvery.count());
      const auto to = Clock::now();
      if (to - from > kStall + kEvery) stalls_.push_back({from, to});
    }
  }

  int file_;
  std::vector<Stall> stalls_;
  std::jthread thread_;
};

}  // namespace ringmaster
