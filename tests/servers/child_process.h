// ChildProcess: a program run by a test, its output kept in a file; it dies with the test. One thread.
#pragma once

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/servers/place.h"

namespace ringmaster {

class ChildProcess {
 public:
  struct Options {
    std::filesystem::path output;                    // stdout and stderr, appended
    std::filesystem::path errors;                    // stderr, if it is to be apart
    std::string input;                               // its whole stdin
    std::map<std::string, std::string> environment;  // added to ours
    Place place;
  };

  ChildProcess(std::vector<std::string> argv, Options options) : options_(std::move(options)) {
    spawn(std::move(argv));
  }
  ~ChildProcess() {
    if (!exit_status_) {
      ::kill(pid_, SIGKILL);
      ::kill(pid_, SIGCONT);
      ::waitpid(pid_, nullptr, 0);
    }
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const {
    if (!exit_status_) ::kill(pid_, number);
  }
  bool running() {
    reap(WNOHANG);
    return !exit_status_;
  }
  // By SIGSTOP; until SIGCONT.
  bool frozen() const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
    std::string line;
    std::getline(file, line);
    const auto name_end = line.rfind(") ");
    return name_end != std::string::npos && line[name_end + 2] == 'T';
  }
  // Exit code, or 128 + signal; none if it still runs when the time is up.
  std::optional<int> wait(std::chrono::milliseconds time) {
    const auto deadline = std::chrono::steady_clock::now() + time;
    while (running() && std::chrono::steady_clock::now() < deadline) ::poll(nullptr, 0, 5);
    if (!exit_status_) return std::nullopt;
    return WIFEXITED(*exit_status_) ? WEXITSTATUS(*exit_status_) : 128 + WTERMSIG(*exit_status_);
  }
  std::string output() const {
    std::ifstream file(options_.output);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  void reap(int flags) {
    int status = 0;
    if (!exit_status_ && ::waitpid(pid_, &status, flags) == pid_) exit_status_ = status;
  }

  void spawn(std::vector<std::string> argv) {
    std::vector<char*> arguments;
    for (std::string& argument : argv) arguments.push_back(argument.data());
    arguments.push_back(nullptr);
    const std::filesystem::path input = options_.output.string() + ".in";
    std::ofstream(input) << options_.input;
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("cannot fork");
    if (pid_ > 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent || !options_.place.enter()) ::_exit(127);
    for (const auto& [name, value] : options_.environment) ::setenv(name.c_str(), value.c_str(), 1);
    const int out = ::open(options_.output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    const int in = ::open(input.c_str(), O_RDONLY);
    ::dup2(in, STDIN_FILENO);
    ::dup2(out, STDOUT_FILENO);
    const bool apart = !options_.errors.empty();
    ::dup2(apart ? ::open(options_.errors.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600) : out, STDERR_FILENO);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }

  Options options_;
  pid_t pid_ = 0;
  std::optional<int> exit_status_;
};

}  // namespace ringmaster
