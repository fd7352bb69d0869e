#include "worker/supervisor_strays.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <memory>
#include <optional>

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

// From proc(5)'s stat of a process or thread.
struct Bounds {
  std::uint64_t flags = 0, begin = 0, end = 0;  // of the environment
  bool operator==(const Bounds&) const = default;
};

std::optional<Bounds> read_bounds(const std::string& directory) {
  constexpr int kFlags = 9, kEnvironmentBegin = 50, kEnvironmentEnd = 51;
  const int file = ::open((directory + "/stat").c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  std::string text;
  read_all(file, text, kReadBytes);
  ::close(file);
  Bounds bounds;
  auto at = text.rfind(')');  // the second field is the program's name: anything, in brackets
  for (int field = 3; at != std::string::npos && field <= kEnvironmentEnd; ++field) {
    at = text.find(' ', at + 1);
    if (at == std::string::npos) break;
    const char* const begin = text.data() + at + 1;
    const char* const end = text.data() + text.size();
    if (field == kFlags) std::from_chars(begin, end, bounds.flags);
    if (field == kEnvironmentBegin) std::from_chars(begin, end, bounds.begin);
    if (field == kEnvironmentEnd) std::from_chars(begin, end, bounds.end);
  }
  return bounds;
}

// False: another user's, or gone.
bool read_environment(const std::string& directory, std::string& environment) {
  const int file = ::open((directory + "/environ").c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return errno == ESRCH;  // it is exiting
  read_all(file, environment, kMaxEnvironment);
  ::close(file);
  return true;
}

// What a process or thread is whose environment reads as empty.
MarkFate judge_unmarked(const std::string& directory) {
  constexpr std::uint64_t kExiting = 0x4, kKernelThread = 0x200000;
  const auto bounds = read_bounds(directory);
  if (!bounds || (bounds->flags & kKernelThread) != 0) return MarkFate::other;
  if ((bounds->flags & kExiting) != 0) return MarkFate::exiting;
  // Between two programs there were no bounds when it was read, and may be some by now.
  if (bounds->end == 0) return MarkFate::unclear;
  if (bounds->begin == bounds->end) return MarkFate::cleared;
  // Bounds that hold around another look, which finds nothing: it has taken the memory away.
  std::string again;
  const bool empty = read_environment(directory, again) && again.empty();
  return empty && read_bounds(directory) == bounds ? MarkFate::cleared : MarkFate::unclear;
}

// Of a process whose first thread has ended, which shows no environment any more, though others go on.
MarkFate judge_threads(const std::string& directory, std::string_view mark) {
  std::error_code error;
  std::filesystem::directory_iterator thread(directory + "/task", error);
  for (; !error && thread != std::filesystem::directory_iterator(); thread.increment(error)) {
    const auto path = thread->path().string();
    std::string environment;
    if (!read_environment(path, environment)) continue;
    if (contains_mark(environment, mark)) return MarkFate::killed;
    const auto fate = environment.empty() ? judge_unmarked(path) : MarkFate::other;
    if (fate != MarkFate::exiting) return fate;
  }
  return MarkFate::exiting;
}

MarkFate judge(pid_t pid, std::string_view mark) {
  const auto directory = "/proc/" + std::to_string(pid);
  std::string environment;
  if (!read_environment(directory, environment)) return MarkFate::other;
  if (contains_mark(environment, mark)) return MarkFate::killed;
  if (!environment.empty()) return MarkFate::other;
  const auto fate = judge_unmarked(directory);
  return fate == MarkFate::exiting ? judge_threads(directory, mark) : fate;
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
  const auto fate = judge(pid, mark);
  if (fate == MarkFate::killed) ::syscall(SYS_pidfd_send_signal, process, SIGKILL, nullptr, 0);
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
