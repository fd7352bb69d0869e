// Daemons as a benchmark runs them: processes of its own that end with it, and what they cost. One thread.
#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ringmaster {

class DaemonProcess {
 public:
  DaemonProcess(std::vector<std::string> argv, const std::string& log) {
    std::vector<char*> arguments;
    for (std::string& argument : argv) arguments.push_back(argument.data());
    arguments.push_back(nullptr);
    pid_ = fork();
    if (pid_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  ~DaemonProcess() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  DaemonProcess(const DaemonProcess&) = delete;
  DaemonProcess& operator=(const DaemonProcess&) = delete;
  bool alive() const { return waitpid(pid_, nullptr, WNOHANG) == 0; }

  pid_t pid() const { return pid_; }
  // Memory in use, in KiB.
  long resident() const {
    std::ifstream file("/proc/" + std::to_string(pid_) + "/statm");
    long size = 0, pages = 0;
    file >> size >> pages;
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
  }
  // User and system time of the process so far, in seconds; of its waited-for children too.
  double cpu() const { return cpu_of(pid_); }
  static double cpu_of(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    std::getline(file, line);
    std::istringstream fields(line.substr(line.rfind(')') + 2));
    std::string skip;
    for (int i = 0; i < 11; ++i) fields >> skip;
    double user = 0, system = 0;
    fields >> user >> system;
    return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
  }

 private:
  pid_t pid_ = 0;
};

// Of all processes of PostgreSQL on this machine, together.
inline double sum_over_postgres(const std::function<double(pid_t)>& of) {
  double total = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream comm(entry.path() / "comm");
    std::string program;
    if (std::getline(comm, program) && program == "postgres") total += of(std::stoi(name));
  }
  return total;
}
inline double postgres_cpu() {
  return sum_over_postgres(&DaemonProcess::cpu_of);
}
// What they do not share, in KiB.
inline double postgres_memory() {
  return sum_over_postgres([](pid_t pid) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    double kibibytes = 0;
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("RssAnon:")) kibibytes = std::stod(line.substr(8));
    return kibibytes;
  });
}

}  // namespace ringmaster
