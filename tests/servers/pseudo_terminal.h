// PseudoTerminal: a program on a terminal of its own, of a known size, as a person would see it. It dies with
// the test. One thread.
#pragma once

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ringmaster {

class PseudoTerminal {
 public:
  struct Options {
    unsigned short columns = 80, rows = 24;
    std::map<std::string, std::string> environment;  // added to ours
    std::string output;                              // stdout goes to this file, not to the terminal
  };

  PseudoTerminal(std::vector<std::string> argv, const Options& options) {
    std::vector<char*> arguments;
    for (std::string& argument : argv) arguments.push_back(argument.data());
    arguments.push_back(nullptr);
    winsize size{};
    size.ws_col = options.columns;
    size.ws_row = options.rows;
    pid_ = ::forkpty(&terminal_, nullptr, nullptr, &size);
    if (pid_ < 0) throw std::runtime_error("cannot make a pseudo-terminal");
    if (pid_ > 0) return;
    for (const auto& [name, value] : options.environment) ::setenv(name.c_str(), value.c_str(), 1);
    if (!options.output.empty())
      ::dup2(::open(options.output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  ~PseudoTerminal() {
    if (!status_) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(terminal_);
  }
  PseudoTerminal(const PseudoTerminal&) = delete;
  PseudoTerminal& operator=(const PseudoTerminal&) = delete;

  // All that was written so far, line ends as a terminal gets them ("\r\n").
  const std::string& seen() const { return seen_; }
  void type(const std::string& keys) {
    if (::write(terminal_, keys.data(), keys.size()) < 0) throw std::runtime_error("cannot type");
  }
  // Reads until this holds; false when the time is up or the program has ended without it.
  bool until(const std::function<bool(const std::string&)>& holds, std::chrono::milliseconds time) {
    const auto deadline = std::chrono::steady_clock::now() + time;
    while (!holds(seen_)) {
      if (std::chrono::steady_clock::now() > deadline || !read_some(deadline)) return holds(seen_);
    }
    return true;
  }
  // Exit code, or 128 + signal; none if it still runs when the time is up.
  std::optional<int> wait(std::chrono::milliseconds time) {
    until([](const std::string&) { return false; }, time);
    const auto deadline = std::chrono::steady_clock::now() + time;
    while (!status_ && std::chrono::steady_clock::now() < deadline) {
      int status = 0;
      if (::waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
      if (!status_) ::poll(nullptr, 0, 5);
    }
    if (!status_) return std::nullopt;
    return WIFEXITED(*status_) ? WEXITSTATUS(*status_) : 128 + WTERMSIG(*status_);
  }

 private:
  // False at the end: the program has closed its side.
  bool read_some(std::chrono::steady_clock::time_point deadline) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd ready{terminal_, POLLIN, 0};
    if (::poll(&ready, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0))) <= 0) return true;
    std::array<char, 4096> bytes;
    const ssize_t size = ::read(terminal_, bytes.data(), bytes.size());
    if (size <= 0) return false;
    seen_.append(bytes.data(), static_cast<std::size_t>(size));
    return true;
  }

  int terminal_ = -1;
  pid_t pid_ = 0;
  std::optional<int> status_;
  std::string seen_;
};

}  // namespace ringmaster
