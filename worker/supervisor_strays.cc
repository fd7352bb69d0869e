#include "worker/supervisor_strays.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace ringmaster {
namespace {

constexpr std::size_t kMaxEnvironment = 4 * 1024 * 1024;
constexpr std::size_t kReadBytes = 16 * 1024;

// The whole of a file in /proc into `text`, from its beginning.
void read_all(int file, std::string& text, std::size_t limit) {
  text.clear();
  while (text.size() < limit) {
    const auto size = text.size();
    text.resize(size + kReadBytes);
    const ssize_t count = ::pread(file, text.data() + size, kReadBytes, static_cast<off_t>(size));
    text.resize(size + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    if (count <= 0) return;
  }
}

bool contains_mark(std::string_view environment, std::string_view mark) {
  for (auto at = environment.find(mark); at != std::string_view::npos; at = environment.find(mark, at + 1)) {
    if (at == 0 || environment[at - 1] == '\0') return true;
  }
  return false;
}

// What a process is whose environment reads as empty: from the flags and the environment's bounds in
// proc(5)'s stat.
MarkFate judge_unmarked(pid_t pid) {
  constexpr std::uint64_t kExiting = 0x4, kKernelThread = 0x200000;
  constexpr int kFlags = 9, kEnvironmentBegin = 50, kEnvironmentEnd = 51;
  const auto path = "/proc/" + std::to_string(pid) + "/stat";
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return MarkFate::other;
  std::string text;
  read_all(file, text, kReadBytes);
  ::close(file);
  std::uint64_t flags = 0, begin = 0, end = 0;
  auto at = text.rfind(')');  // the second field is the program's name: anything, in brackets
  for (int field = 3; at != std::string::npos && field <= kEnvironmentEnd; ++field) {
    at = text.find(' ', at + 1);
    if (at == std::string::npos) break;
    if (field == kFlags) std::from_chars(text.data() + at + 1, text.data() + text.size(), flags);
    if (field == kEnvironmentBegin) std::from_chars(text.data() + at + 1, text.data() + text.size(), begin);
    if (field == kEnvironmentEnd) std::from_chars(text.data() + at + 1, text.data() + text.size(), end);
  }
  if ((flags & kKernelThread) != 0) return MarkFate::other;
  if ((flags & kExiting) != 0) return MarkFate::exiting;
  // Between two programs there were no bounds when it was read, and may be some by now.
  return end != 0 && begin == end ? MarkFate::cleared : MarkFate::unclear;
}

}  // namespace

// The C library's own declarations of these two have no C linkage before 2.37.
int open_process(pid_t pid) {
  return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}

MarkFate kill_if_marked(pid_t pid, std::string_view mark) {
  // The descriptor first: should the number pass to another process meanwhile, the signal does not.
  const int process = open_process(pid);
  if (process < 0) return MarkFate::other;
  const auto path = "/proc/" + std::to_string(pid) + "/environ";
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool foreign = file < 0 && errno != ESRCH;  // another user's; ESRCH: it is exiting
  std::string environment;
  if (file >= 0) {
    read_all(file, environment, kMaxEnvironment);
    ::close(file);
  }
  auto fate = MarkFate::other;
  if (contains_mark(environment, mark)) {
    fate = MarkFate::killed;
    ::syscall(SYS_pidfd_send_signal, process, SIGKILL, nullptr, 0);
  } else if (environment.empty() && !foreign) {
    fate = judge_unmarked(pid);
  }
  ::close(process);
  return fate;
}

bool kill_all_marked(std::string_view mark, Duration limit) {
  const MonoTime end = read_mono_clock() + limit;
  const pid_t self = ::getpid();
  int clean_scans = 0;  // one may miss a process that executes another program just then
  while (true) {
    bool found = false;
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir("/proc"), ::closedir);
    if (!directory) return false;
    while (const dirent* entry = ::readdir(directory.get())) {
      const std::string_view name = entry->d_name;
      pid_t pid = 0;
      const auto [rest, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
      if (error == std::errc() && rest == name.data() + name.size() && pid != self) {
        const auto fate = kill_if_marked(pid, mark);
        found = found || fate == MarkFate::killed || fate == MarkFate::unclear;
      }
    }
    clean_scans = found ? 0 : clean_scans + 1;
    if (clean_scans == 2) return true;
    if (read_mono_clock() >= end) return false;
    const timespec pause{0, 2'000'000};
    ::nanosleep(&pause, nullptr);
  }
}

ChildList::ChildList() {
  const auto path = "/proc/self/task/" + std::to_string(::gettid()) + "/children";
  file_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
}

ChildList::~ChildList() {
  if (file_ >= 0) ::close(file_);
}

const std::vector<pid_t>& ChildList::read() {
  pids_.clear();
  if (file_ < 0) return pids_;
  read_all(file_, text_, kMaxEnvironment);
  const char* at = text_.data();
  const char* const end = at + text_.size();
  while (at < end) {
    pid_t pid = 0;
    const auto [rest, error] = std::from_chars(at, end, pid);
    if (error != std::errc()) break;
    pids_.push_back(pid);
    at = rest + 1;  // a blank follows each number
  }
  return pids_;
}

}  // namespace ringmaster
