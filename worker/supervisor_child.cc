#include "worker/supervisor_child.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/process_spec.h"

namespace ringmaster {
namespace {

enum class Stage : int { none, prepare, cgroup, limit, identity, directory, execute };

struct Failure {
  Stage stage = Stage::none;
  int error = 0;
  int detail = 0;  // of `limit`: which
};

// What the child reads, and how it failed: in memory that both share while the parent waits, or through
// `status_fd` if there is one.
struct Plan {
  char* const* argv = nullptr;
  char* const* env = nullptr;
  const char* const* files = nullptr;  // to try in turn, ended by nullptr
  const char* directory = nullptr;
  int stdin_fd = -1, output_fd = -1, progress_fd = -1, status_fd = -1;
  const int* cgroups = nullptr;
  std::size_t cgroup_count = 0;
  const ResourceLimit* limits = nullptr;
  std::size_t limit_count = 0;
  const ProcessIdentity* identity = nullptr;
  pid_t parent = -1;
  volatile int stage = 0, error = 0, detail = 0;
};

// Tries each file as execvp(3) does: a missing one is passed over, one without permission remembered.
[[gnu::no_sanitize("address")]] int execute(const Plan& plan) {
  int denied = 0;
  int error = ENOENT;
  for (const char* const* file = plan.files; *file != nullptr; ++file) {
    ::execve(*file, plan.argv, plan.env);
    error = errno;
    if (error == EACCES) {
      denied = error;
    } else if (error != ENOENT && error != ENOTDIR && error != ESTALE && error != ENODEV) {
      return error;
    }
  }
  return denied != 0 ? denied : error;
}

[[gnu::no_sanitize("address")]] void give_up(Plan& plan, Stage stage, int error, int detail = 0) {
  plan.stage = static_cast<int>(stage);
  plan.error = error;
  plan.detail = detail;
  if (plan.status_fd >= 0) {
    const Failure failure{stage, error, detail};
    [[maybe_unused]] const ssize_t count = ::write(plan.status_fd, &failure, sizeof failure);
  }
  ::_exit(127);
}

// True: no way leads back. The kernel's own calls: the C library's would tell threads that are not there.
[[gnu::no_sanitize("address")]] bool is_final(uid_t uid) {
  uid_t real = 0, effective = 0, saved = 0;
  if (::syscall(SYS_getresuid, &real, &effective, &saved) != 0) return false;
  if (real != uid || effective != uid || saved != uid) return false;
  if (uid == 0) return true;
  if (::syscall(SYS_setresuid, -1, 0, -1) == 0) return false;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (::syscall(SYS_capget, &header, &data) != 0) return false;
  return data[0].permitted == 0 && data[1].permitted == 0;
}

// Groups while there is the right to, the user last. 0, or errno.
[[gnu::no_sanitize("address")]] int take_identity(const ProcessIdentity& identity) {
  const gid_t gid = identity.gid;
  const uid_t uid = identity.uid;
  if (::syscall(SYS_setgroups, identity.groups.size(), identity.groups.data()) != 0 ||
      ::syscall(SYS_setresgid, gid, gid, gid) != 0 || ::syscall(SYS_setresuid, uid, uid, uid) != 0) {
    return errno;
  }
  if (!is_final(uid)) return EPERM;
  // Until it executes, it holds a copy of the caller's memory: nobody else's to read, whatever
  // fs.suid_dumpable says.
  if (::prctl(PR_SET_DUMPABLE, 0) != 0 || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
  return 0;
}

// 0, or errno. Root could go beyond its own hard limits, which somebody has set for a reason: it may not.
[[gnu::no_sanitize("address")]] int set_limit(const ResourceLimit& wanted) {
  const auto resource = static_cast<__rlimit_resource>(wanted.resource);
  rlimit own{};
  if (::getrlimit(resource, &own) != 0) return errno;
  if (wanted.hard > own.rlim_max) return EPERM;
  const rlimit limit{wanted.soft, wanted.hard};
  return ::setrlimit(resource, &limit) == 0 ? 0 : errno;
}

// True: kProgressDescriptor, and kept on execution.
[[gnu::no_sanitize("address")]] bool place_progress(int descriptor) {
  if (descriptor == kProgressDescriptor) return ::fcntl(descriptor, F_SETFD, 0) == 0;
  return descriptor < 0 || ::dup2(descriptor, kProgressDescriptor) >= 0;
}

[[gnu::no_sanitize("address")]] void place_descriptors(Plan& plan) {
  if (::dup2(plan.stdin_fd, 0) < 0 || ::dup2(plan.output_fd, 1) < 0 || ::dup2(plan.output_fd, 2) < 0 ||
      !place_progress(plan.progress_fd)) {
    give_up(plan, Stage::prepare, errno);
  }
}

// Execution would do it, but its user's other processes may stop it before that, and the ends of other
// attempts' pipes with it. Where a filter knows no close_range(2), there is that much less protection.
[[gnu::no_sanitize("address")]] void close_others(const Plan& plan) {
  const unsigned first = kProgressDescriptor + (plan.progress_fd >= 0 ? 1 : 0);
  const auto kept = static_cast<unsigned>(plan.status_fd);
  if (kept > first) ::syscall(SYS_close_range, first, kept - 1, 0);
  ::syscall(SYS_close_range, kept + 1, ~0U, 0);
}

// While it has the caller's rights.
[[gnu::no_sanitize("address")]] void restrict_child(Plan& plan) {
  for (std::size_t i = 0; i < plan.cgroup_count; ++i) {
    if (::write(plan.cgroups[i], "0", 1) != 1) give_up(plan, Stage::cgroup, errno);
  }
  place_descriptors(plan);
  for (std::size_t i = 0; i < plan.limit_count; ++i) {
    const int error = set_limit(plan.limits[i]);
    if (error != 0) give_up(plan, Stage::limit, error, plan.limits[i].resource);
  }
  if (plan.identity == nullptr) return;
  close_others(plan);
  // The caller's keys are not the user's. Where the kernel or a filter knows no keys, there are none to keep.
  ::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr);
  const int error = take_identity(*plan.identity);
  if (error != 0) give_up(plan, Stage::identity, error);
}

// Runs in the parent's memory or in a copy of it: system calls only, and nothing written but the plan's end.
[[gnu::no_sanitize("address")]] int run_child(void* argument) {
  Plan& plan = *static_cast<Plan*>(argument);
  if (::setpgid(0, 0) != 0 || ::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) give_up(plan, Stage::prepare, errno);
  restrict_child(plan);
  // A change of user clears it: once more.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) give_up(plan, Stage::prepare, errno);
  if (::getppid() != plan.parent) ::_exit(127);  // the parent died before it could matter
  if (::chdir(plan.directory) != 0) give_up(plan, Stage::directory, errno);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  give_up(plan, Stage::execute, execute(plan));
  return 127;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> all;
  all.reserve(texts.size() + 1);
  for (const auto& text : texts) all.push_back(const_cast<char*>(text.c_str()));
  all.push_back(nullptr);
  return all;
}

// The directories to look in: as many of the first as a spec may name, though PATH may be a secret too.
std::string_view search_path(const std::vector<std::string>& env) {
  std::string_view path;
  for (const auto& entry : env) {
    if (entry.starts_with("PATH=")) path = std::string_view(entry).substr(5);
  }
  if (path.size() <= kMaxSearchPath) return path;
  const auto end = path.rfind(':', kMaxSearchPath);
  return path.substr(0, end == std::string_view::npos ? 0 : end);
}

// The files that argv[0] may mean. Empty parts of PATH would mean the working directory: never.
std::vector<std::string> files_of(const ChildProgram& program) {
  const auto& name = program.argv.front();
  if (name.contains('/')) return {name};
  auto path = search_path(program.env);
  std::vector<std::string> files;
  while (!path.empty()) {
    const auto directory = path.substr(0, path.find(':'));
    path.remove_prefix(std::min(path.size(), directory.size() + 1));
    if (!directory.empty()) files.push_back(std::string(directory) + "/" + name);
  }
  return files;
}

bool is_permanent(int error) {
  constexpr std::array kErrors{ENOENT, ENOTDIR, EACCES, EPERM,        ENOEXEC, E2BIG,
                               EISDIR, ELOOP,   EINVAL, ENAMETOOLONG, ELIBBAD};
  for (const int permanent : kErrors) {
    if (error == permanent) return true;
  }
  return false;
}

std::string describe_execute(const std::string& name, int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      if (!name.contains('/')) return "no such command in PATH: " + name;
      if (name.starts_with('/') && ::access(name.c_str(), F_OK) == 0) {
        return "the interpreter that this file names does not exist: " + name;
      }
      return "no such file: " + name;
    case EACCES:
      return "not executable: " + name;
    case ENOEXEC:
      return "not executable, neither a program for this machine nor a script with a #! line: " + name;
    case E2BIG:
      return "arguments and environment are too long for this machine: " + name;
    case EAGAIN:
      return "cannot execute " + name + ": its user has as many processes as limits.processes allows";
    default:
      return "cannot execute " + name + ": " + std::strerror(error);
  }
}

std::string describe(const Failure& failure, const std::string& name, const std::string& cwd) {
  const std::string reason = std::strerror(failure.error);
  switch (failure.stage) {
    case Stage::cgroup:
      return "cannot enter its cgroup: " + reason;
    case Stage::limit:
      return std::string("cannot set its limit ") + limit_name(failure.detail) + ": " + reason +
             "; it must not be above this worker's own";
    case Stage::identity:
      return "cannot become the user of run_as for good: " + reason;
    case Stage::directory:
      if (failure.error == ENOENT || failure.error == ENOTDIR) return "no such directory: " + cwd;
      return "cannot enter directory " + cwd + ": " + reason;
    case Stage::execute:
      return describe_execute(name, failure.error);
    default:
      return "cannot prepare a process: " + reason;
  }
}

StartFailure explain(const Failure& failure, const std::string& name, const std::string& cwd) {
  const bool transient = failure.stage == Stage::prepare || failure.stage == Stage::cgroup;
  return {describe(failure, name, cwd), !transient && is_permanent(failure.error)};
}

// Both ends above kProgressDescriptor, which must not run over them.
bool open_status(std::array<int, 2>& ends) {
  std::array<int, 2> low{-1, -1};
  if (::pipe2(low.data(), O_CLOEXEC | O_NONBLOCK) != 0) return false;
  for (std::size_t i = 0; i < ends.size(); ++i) {
    ends[i] = ::fcntl(low[i], F_DUPFD_CLOEXEC, kProgressDescriptor + 1);
    ::close(low[i]);
  }
  if (ends[0] >= 0 && ends[1] >= 0) return true;
  for (const int end : ends) {
    if (end >= 0) ::close(end);
  }
  return false;
}

// A child with the caller's memory: it has executed its program, or told why not, when clone() returns.
ChildStart start_sharing(Plan& plan, std::byte* stack_end, const ChildProgram& program) {
  const pid_t pid = ::clone(run_child, stack_end, CLONE_VM | CLONE_VFORK | SIGCHLD, &plan);
  if (pid < 0) return {-1, {std::string("cannot fork: ") + std::strerror(errno), false}, nullptr};
  const Failure failure{static_cast<Stage>(plan.stage), plan.error, plan.detail};
  if (failure.stage == Stage::none) return {pid, {}, nullptr};
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return {-1, explain(failure, program.argv.front(), program.cwd), nullptr};
}

ChildStart start_copied(Plan& plan, std::byte* stack_end, const ChildProgram& program) {
  std::array<int, 2> status{-1, -1};
  if (!open_status(status))
    return {-1, {std::string("cannot make a pipe: ") + std::strerror(errno), false}, nullptr};
  plan.status_fd = status[1];
  const pid_t pid = ::clone(run_child, stack_end, SIGCHLD, &plan);
  const int error = errno;
  ::close(status[1]);
  auto pending = std::make_unique<PendingStart>(status[0], program.argv.front(), program.cwd);
  if (pid < 0) return {-1, {std::string("cannot fork: ") + std::strerror(error), false}, nullptr};
  ::setpgid(pid, pid);  // whoever comes first, so that its group can be signalled from now on
  return {pid, {}, std::move(pending)};
}

}  // namespace

PendingStart::~PendingStart() {
  ::close(descriptor_);
}

std::optional<StartFailure> PendingStart::read() const {
  Failure failure;
  if (::read(descriptor_, &failure, sizeof failure) != sizeof failure) return std::nullopt;
  return explain(failure, program_, cwd_);
}

ChildStart start_child(const ChildProgram& program) {
  constexpr std::size_t kStackBytes = 64 * 1024;
  static const auto stack = std::make_unique<std::byte[]>(kStackBytes);  // one child at a time uses it
  const auto argv = pointers(program.argv);
  const auto env = pointers(program.env);
  const auto file_texts = files_of(program);
  const auto files = pointers(file_texts);
  Plan plan;
  plan.argv = argv.data();
  plan.env = env.data();
  plan.files = files.data();
  plan.directory = program.cwd.empty() ? "/" : program.cwd.c_str();
  plan.stdin_fd = program.stdin_fd;
  plan.output_fd = program.output_fd;
  plan.progress_fd = program.progress_fd;
  plan.cgroups = program.cgroups.data();
  plan.cgroup_count = program.cgroups.size();
  plan.limits = program.limits.data();
  plan.limit_count = program.limits.size();
  plan.identity = program.identity ? &*program.identity : nullptr;
  plan.parent = ::getpid();
  auto* const stack_end = stack.get() + kStackBytes;
  return program.identity ? start_copied(plan, stack_end, program) : start_sharing(plan, stack_end, program);
}

}  // namespace ringmaster
