// SupervisorGuard: a second, tiny process that sees to it that leases end, and that attempts die with their
// daemon, even if the supervisor does not run: stopped by a signal, frozen by a debugger, starved. The
// supervisor writes into shared memory by when it will have killed what lives under a lease that is not
// renewed, and that it has killed everything. If it is late, the guard kills the supervisor, whose attempts
// die with it by the kernel's hand, and then what those have left.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <utility>

#include <sys/types.h>

#include "base/result.h"
#include "base/time.h"

namespace ringmaster {

// How late a supervisor may be. With the guard's own pace, well within what masters wait for the kernel.
inline constexpr Duration kGuardPatience = std::chrono::milliseconds(500);
// How long it may take to kill everything when the daemon is gone. Then masters wait for the kernel only.
inline constexpr Duration kOrphanPatience = std::chrono::seconds(1);
inline constexpr MonoTime kEverythingKilled = MonoTime::min();

// One time, shared with the processes forked after it is made.
class SharedTime {
 public:
  // Errors: unavailable (no memory).
  static Result<SharedTime> make();
  ~SharedTime();
  SharedTime(SharedTime&& other) noexcept : time_(std::exchange(other.time_, nullptr)) {}
  SharedTime(const SharedTime&) = delete;
  SharedTime& operator=(const SharedTime&) = delete;
  SharedTime& operator=(SharedTime&&) = delete;

  void set(MonoTime time) const { time_->store(time.time_since_epoch().count(), std::memory_order_relaxed); }
  MonoTime get() const { return MonoTime(Duration(time_->load(std::memory_order_relaxed))); }

 private:
  explicit SharedTime(std::atomic<std::int64_t>* time) : time_(time) {}
  std::atomic<std::int64_t>* time_;
};

// What the guard, a child of the daemon, does until the supervisor has ended, by itself or by its hand.
// `process`: a pidfd of the supervisor. `mark`: of its attempts.
void guard_supervisor(pid_t daemon, pid_t supervisor, int process, const SharedTime& kill_by,
                      const std::string& mark);

}  // namespace ringmaster
