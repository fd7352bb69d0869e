#include "worker/supervisor_strays.h"

#include <algorithm>
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

bool carries(pid_t pid, std::string_view mark) {
  const auto path = "/proc/" + std::to_string(pid) + "/environ";
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  std::string text;
  read_all(file, text, kMaxEnvironment);
  ::close(file);
  for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 1)) {
    if (at == 0 || text[at - 1] == '\0') return true;
  }
  return false;
}

}  // namespace

// The C library's own declarations of these two have no C linkage before 2.37.
int open_process(pid_t pid) {
  return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}

bool kill_if_marked(pid_t pid, std::string_view mark) {
  // The descriptor first: should the number pass to another process meanwhile, the signal does not.
  const int process = open_process(pid);
  if (process < 0) return false;
  const bool marked = carries(pid, mark);
  if (marked) ::syscall(SYS_pidfd_send_signal, process, SIGKILL, nullptr, 0);
  ::close(process);
  return marked;
}

bool is_exiting(pid_t pid) {
  constexpr unsigned kExiting = 0x4;  // PF_EXITING, see proc(5): the flags are the ninth field
  const auto path = "/proc/" + std::to_string(pid) + "/stat";
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return true;
  std::string text;
  read_all(file, text, kReadBytes);
  ::close(file);
  auto at = text.rfind(')');  // the second field is the program's name: anything, in brackets
  for (int field = 2; field < 9 && at != std::string::npos; ++field) at = text.find(' ', at + 1);
  unsigned flags = kExiting;
  if (at != std::string::npos) std::from_chars(text.data() + at + 1, text.data() + text.size(), flags);
  return (flags & kExiting) != 0;
}

bool kill_all_marked(std::string_view mark, Duration limit) {
  const MonoTime end = read_mono_clock() + limit;
  const pid_t self = ::getpid();
  while (true) {
    bool found = false;
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir("/proc"), ::closedir);
    if (!directory) return false;
    while (const dirent* entry = ::readdir(directory.get())) {
      const std::string_view name = entry->d_name;
      pid_t pid = 0;
      const auto [rest, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
      if (error == std::errc() && rest == name.data() + name.size() && pid != self) {
        found = kill_if_marked(pid, mark) || found;
      }
    }
    if (!found) return true;
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
