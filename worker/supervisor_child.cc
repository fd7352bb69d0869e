#include "worker/supervisor_child.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ringmaster {
namespace {

enum class Stage { none, prepare, directory, execute };

// What the child reads, and how it failed. In memory that both share while the parent waits.
struct Plan {
  char* const* argv = nullptr;
  char* const* env = nullptr;
  const char* const* files = nullptr;  // to try in turn, ended by nullptr
  const char* directory = nullptr;
  int stdin_fd = -1, output_fd = -1;
  rlimit open_files{};
  pid_t parent = -1;
  volatile Stage failed = Stage::none;
  volatile int error = 0;
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

[[gnu::no_sanitize("address")]] void give_up(Plan& plan, Stage stage, int error) {
  plan.failed = stage;
  plan.error = error;
  ::_exit(127);
}

// Runs in the parent's memory: system calls only, and nothing written but the plan's end.
[[gnu::no_sanitize("address")]] int run_child(void* argument) {
  Plan& plan = *static_cast<Plan*>(argument);
  if (::setpgid(0, 0) != 0 || ::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) give_up(plan, Stage::prepare, errno);
  if (::getppid() != plan.parent) ::_exit(127);  // the parent died before it could matter
  if (::dup2(plan.stdin_fd, 0) < 0 || ::dup2(plan.output_fd, 1) < 0 || ::dup2(plan.output_fd, 2) < 0 ||
      ::setrlimit(RLIMIT_NOFILE, &plan.open_files) != 0) {
    give_up(plan, Stage::prepare, errno);
  }
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

// The files that argv[0] may mean. Empty parts of PATH would mean the working directory: never.
std::vector<std::string> files_of(const ChildProgram& program) {
  const auto& name = program.argv.front();
  if (name.contains('/')) return {name};
  std::string_view path;
  for (const auto& entry : program.env) {
    if (entry.starts_with("PATH=")) path = std::string_view(entry).substr(5);
  }
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

std::string describe_execute(const ChildProgram& program, int error) {
  const auto& name = program.argv.front();
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
    default:
      return "cannot execute " + name + ": " + std::strerror(error);
  }
}

std::string describe(const ChildProgram& program, Stage stage, int error) {
  switch (stage) {
    case Stage::directory:
      if (error == ENOENT || error == ENOTDIR) return "no such directory: " + program.cwd;
      return "cannot enter directory " + program.cwd + ": " + std::strerror(error);
    case Stage::execute:
      return describe_execute(program, error);
    default:
      return std::string("cannot prepare a process: ") + std::strerror(error);
  }
}

}  // namespace

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
  plan.open_files = program.open_files;
  plan.parent = ::getpid();
  const pid_t pid = ::clone(run_child, stack.get() + kStackBytes, CLONE_VM | CLONE_VFORK | SIGCHLD, &plan);
  if (pid < 0) return {-1, std::string("cannot fork: ") + std::strerror(errno), false};
  if (plan.failed == Stage::none) return {pid, {}, false};
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  const int error = plan.error;
  const bool permanent = plan.failed != Stage::prepare && is_permanent(error);
  return {-1, describe(program, plan.failed, error), permanent};
}

}  // namespace ringmaster
