#include "worker/supervisor.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/spool_record.h"
#include "worker/supervisor_guard.h"
#include "worker/supervisor_process.h"
#include "worker/supervisor_strays.h"

namespace ringmaster {
namespace {

constexpr int kLockPollMs = 10;
constexpr auto kLeftoverLimit = std::chrono::seconds(30);
constexpr int kExitWaitMs = 35'000;  // longer than the supervisor takes to give up
constexpr rlim_t kOpenFiles = 65'536;
constexpr const char* kLastWords = "/last_words";

std::unexpected<Error> system_failure(const std::string& what) {
  return fail(ErrorCode::unavailable, what + ": " + std::strerror(errno));
}

void report(const std::string& text) {
  const std::string line = "ringmaster supervisor: " + text + "\n";
  [[maybe_unused]] const ssize_t count = ::write(STDERR_FILENO, line.data(), line.size());
}

// Closes every descriptor but stderr and these two; stdin and stdout become /dev/null.
void close_all_but(int one, int other) {
  const auto [low, high] = std::minmax({static_cast<unsigned>(one), static_cast<unsigned>(other)});
  if (low > 3) ::close_range(3, low - 1, 0);
  if (high > low + 1) ::close_range(low + 1, high - 1, 0);
  ::close_range(high + 1, ~0U, 0);
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  ::dup2(null, STDIN_FILENO);
  ::dup2(null, STDOUT_FILENO);
  ::close(null);
}

// Nothing is handled and all is blocked: a signal for the daemon's group, such as a terminal's, stays
// pending.
void settle_signals() {
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_BLOCK, &all, nullptr);
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
}

// The lock passes on when the predecessor has killed all it could. False: the daemon went away meanwhile.
bool await_lock(int socket, int lock) {
  while (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    pollfd daemon{socket, POLLRDHUP, 0};
    if (::poll(&daemon, 1, kLockPollMs) > 0) return false;
  }
  return true;
}

bool append(const std::string& path, const std::string& bytes) {
  if (bytes.empty()) return true;
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  const bool written =
      file >= 0 && ::write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
  if (file >= 0) ::close(file);
  return written;
}

std::string mark_of(const std::string& directory_mark, pid_t supervisor) {
  return directory_mark + std::to_string(supervisor) + "/";
}

void guard(pid_t daemon, pid_t supervisor, int process, const SharedTime& kill_by, const std::string& mark) {
  close_all_but(process, process);
  settle_signals();
  ::setsid();
  ::prctl(PR_SET_NAME, "ring-guard");
  guard_supervisor(daemon, supervisor, process, kill_by, mark_of(mark, supervisor));
}

int supervise(int socket, int lock, const std::string& mark, const CgroupRoots& roots,
              const std::string& last_words, const SharedTime& kill_by) {
  close_all_but(socket, lock);
  settle_signals();
  ::setsid();
  ::prctl(PR_SET_NAME, "ring-supervisor");
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  rlimit open_files{};
  ::getrlimit(RLIMIT_NOFILE, &open_files);
  rlimit raised = open_files;  // a pipe and a log for each attempt; the attempts keep the old limit
  raised.rlim_cur = std::max(open_files.rlim_cur, std::min(open_files.rlim_max, kOpenFiles));
  ::setrlimit(RLIMIT_NOFILE, &raised);
  if (!await_lock(socket, lock)) return 0;
  if (!kill_all_marked(mark, kLeftoverLimit)) {
    report("an earlier attempt on this data directory does not die; not starting");
    return 1;
  }
  AttemptCgroups cgroups(roots, mark.substr(mark.find('=') + 1, mark.size() - mark.find('=') - 2));
  if (roots != CgroupRoots{}) report("cgroups of attempts are for: " + cgroups.describe());
  SupervisorProcess process(socket, mark_of(mark, ::getpid()), open_files, cgroups, kill_by);
  const bool all_dead = process.run();
  if (!all_dead) report("an attempt outlived SIGKILL");
  if (!append(last_words, process.last_words()))
    report("cannot write " + last_words + ": " + std::strerror(errno) +
           "; nobody will know how the attempts ended");
  return all_dead ? 0 : 1;
}

// Descriptors 0 to 2 are taken, be it by /dev/null, so that no socket becomes a program's stdin by accident.
void occupy_standard_descriptors() {
  int file = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  while (file >= 0 && file <= STDERR_FILENO) file = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (file >= 0) ::close(file);
}

}  // namespace

Supervisor::Supervisor(pid_t pid, pid_t guard, int process, int socket, std::string mark,
                       const std::string& directory)
    : pid_(pid),
      guard_(guard),
      process_(process),
      socket_(socket),
      mark_(std::move(mark)),
      log_dir_(directory + "/logs"),
      last_words_(directory + kLastWords) {}

Supervisor::Supervisor(Supervisor&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      guard_(std::exchange(other.guard_, -1)),
      process_(std::exchange(other.process_, -1)),
      socket_(std::exchange(other.socket_, -1)),
      mark_(std::move(other.mark_)),
      log_dir_(std::move(other.log_dir_)),
      last_words_(std::move(other.last_words_)) {}

Result<Supervisor> Supervisor::spawn(const std::string& data_dir, const std::string& cgroup_root) {
  const auto roots = find_cgroup_roots(cgroup_root);
  if (!roots) return std::unexpected(roots.error());
  std::error_code error;
  const auto directory = std::filesystem::absolute(data_dir, error);
  std::filesystem::create_directories(directory / "logs", error);
  if (error)
    return fail(ErrorCode::unavailable, "cannot make " + directory.string() + ": " + error.message());
  occupy_standard_descriptors();
  const auto lock_path = (directory / "supervisor.lock").string();
  const int lock = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  struct stat status{};
  if (lock < 0 || ::fstat(lock, &status) != 0) return system_failure("cannot open " + lock_path);
  // The lock file stands for the data directory: no other worker on this host has its number.
  std::array<char, 80> mark;
  std::snprintf(mark.data(), mark.size(), "RINGMASTER_RUN=%jx.%jx/",
                static_cast<std::uintmax_t>(status.st_dev), static_cast<std::uintmax_t>(status.st_ino));
  std::array<int, 2> sockets{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()) != 0) {
    ::close(lock);
    return system_failure("cannot make a socket pair");
  }
  const auto kill_by = SharedTime::make();
  if (!kill_by) {
    for (const int file : {lock, sockets[0], sockets[1]}) ::close(file);
    return std::unexpected(kill_by.error());
  }
  const pid_t pid = ::fork();
  if (pid == 0)
    ::_exit(supervise(sockets[1], lock, mark.data(), *roots, directory.string() + kLastWords, *kill_by));
  const auto forked = pid > 0 ? Result<>() : Result<>(system_failure("cannot fork the supervisor"));
  ::close(lock);
  ::close(sockets[1]);
  if (!forked) {
    ::close(sockets[0]);
    return std::unexpected(forked.error());
  }
  const int process = open_process(pid);
  const pid_t daemon = ::getpid();
  const pid_t guard_pid = ::fork();
  if (guard_pid == 0) {
    guard(daemon, pid, process, *kill_by, mark.data());
    ::_exit(0);
  }
  Supervisor supervisor(pid, guard_pid, process, sockets[0], mark.data(), directory.string());
  if (guard_pid < 0) return system_failure("cannot fork the supervisor's guard");
  return supervisor;
}

Supervisor::~Supervisor() {
  if (socket_ >= 0) ::close(socket_);
  if (pid_ <= 0) return;
  pollfd exited{process_, POLLIN, 0};
  while (::poll(&exited, 1, kExitWaitMs) < 0 && errno == EINTR) {
  }
  // It ends once nothing of the supervisor is left; one that outlived SIGKILL keeps it waiting, not us.
  const bool gone = ::waitpid(pid_, nullptr, WNOHANG) == pid_;
  if (guard_ > 0) ::waitpid(guard_, nullptr, gone ? 0 : WNOHANG);
  if (process_ >= 0) ::close(process_);
}

Result<> Supervisor::wait_ready(Duration limit) const {
  const MonoTime end = read_mono_clock() + limit;
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - read_mono_clock()).count();
    pollfd ready{socket_, POLLIN, 0};
    const int count = ::poll(&ready, 1, static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000)));
    if (count < 0 && errno == EINTR) continue;
    if (count == 0) {
      return fail(ErrorCode::deadline_exceeded,
                  "another worker uses this data directory, or its attempts do not die: " + log_dir_);
    }
    char byte = 0;  // only looked at: the runner reads the event
    if (count > 0 && ::recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1) return {};
    return fail(ErrorCode::unavailable, "the supervisor died as it started");
  }
}

std::vector<ResultReport> Supervisor::last_words() const {
  std::ifstream file(last_words_, std::ios::binary);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  std::string_view bytes = text.view();
  std::vector<ResultReport> reports;
  while (auto word = spool::parse(bytes)) {  // a torn end says nothing
    if (auto* report = std::get_if<ResultReport>(&word->record)) reports.push_back(std::move(*report));
    bytes.remove_prefix(word->size);
  }
  return reports;
}

void Supervisor::forget_last_words() const {
  std::remove(last_words_.c_str());
}

bool Supervisor::kill_leftovers(Duration limit) const {
  return kill_all_marked(mark_, limit);
}

}  // namespace ringmaster
