#include "worker/supervisor_guard.h"

#include <algorithm>
#include <new>

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "worker/supervisor_strays.h"

namespace ringmaster {

namespace {
constexpr int kLookMs = 200;
constexpr auto kRemainsLimit = std::chrono::seconds(30);
}  // namespace

Result<SharedTime> SharedTime::make() {
  using Time = std::atomic<std::int64_t>;
  static_assert(Time::is_always_lock_free, "another process reads it");
  void* page = ::mmap(nullptr, sizeof(Time), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return fail(ErrorCode::unavailable, "no memory to share with the supervisor");
  return SharedTime(new (page) Time(MonoTime::max().time_since_epoch().count()));
}

SharedTime::~SharedTime() {
  if (time_ != nullptr) ::munmap(time_, sizeof *time_);
}

void guard_supervisor(pid_t daemon, pid_t supervisor, int process, const SharedTime& kill_by,
                      const std::string& mark) {
  if (process < 0) return;
  pollfd ended{process, POLLIN, 0};
  MonoTime orphaned = MonoTime::max();
  while (::poll(&ended, 1, kLookMs) <= 0) {
    const MonoTime now = read_mono_clock();
    const MonoTime due = kill_by.get();
    if (due == kEverythingKilled) continue;
    if (::getppid() != daemon) orphaned = std::min(orphaned, now);
    if (now - kGuardPatience < due && now - kOrphanPatience < orphaned) continue;
    static constexpr char kWord[] =
        "ringmaster supervisor: it did not end a lease, or the attempts of a dead daemon, in time (stopped? "
        "starved?) and is killed with all its attempts\n";
    [[maybe_unused]] const ssize_t told = ::write(STDERR_FILENO, kWord, sizeof kWord - 1);
    ::kill(supervisor, SIGKILL);
    ::poll(&ended, 1, -1);
    break;
  }
  // It leaves nothing when it ends by itself; whoever it was, nothing of it may live on.
  kill_all_marked(mark, kRemainsLimit);
}

}  // namespace ringmaster
