#include "ctl/interrupt.h"

#include <atomic>
#include <cerrno>
#include <cstdint>

#include <glog/logging.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace ringmaster {
namespace {

std::atomic<int> came = 0;
std::atomic<int> event = -1;

void note(int number) {
  const int before = errno;
  came = number;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(event, &one, sizeof one);
  errno = before;
}

}  // namespace

Interrupt::Interrupt() {
  CHECK_EQ(event.load(), -1) << "two at a time";
  came = 0;
  event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  PCHECK(event >= 0);
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    ::sigaction(kSignals[i], nullptr, &before_[i]);
    if (before_[i].sa_handler == SIG_IGN) continue;
    struct sigaction action{};
    action.sa_handler = &note;
    action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
    ::sigaction(kSignals[i], &action, nullptr);
  }
}

Interrupt::~Interrupt() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &before_[i], nullptr);
  ::close(event.exchange(-1));
}

int Interrupt::signal() const {
  return came;
}

int Interrupt::fd() const {
  return event;
}

bool Interrupt::sleep(Duration time) const {
  const MonoTime end = read_mono_clock() + time;
  for (Duration left = time; came == 0 && left > Duration{0}; left = end - read_mono_clock()) {
    pollfd ready{event, POLLIN, 0};
    const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(left);
    ::poll(&ready, 1, static_cast<int>(std::min<std::int64_t>(milliseconds.count(), 60'000)));
  }
  return came == 0;
}

}  // namespace ringmaster
