// What the runner tests share: a private data directory, a runner on a real loop with everything it reported,
// and ways to wait for other processes without sleeping.
#pragma once

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/asio_loop.h"
#include "worker/process_runner.h"
#include "worker/supervisor_strays.h"

namespace ringmaster {

inline constexpr auto kPatience = std::chrono::seconds(60);

inline Token token_of(std::int64_t number, Attempt attempt = 1) {
  return Token{TaskId{number << 8}, 7, attempt};
}

class TempDirectory {
 public:
  TempDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ringmaster-runner-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A named pipe: attempts write lines, the test waits for them.
class LinePipe {
 public:
  explicit LinePipe(std::string path) : path_(std::move(path)) {
    EXPECT_EQ(::mkfifo(path_.c_str(), 0600), 0);
    file_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);
  }
  ~LinePipe() { ::close(file_); }
  LinePipe(const LinePipe&) = delete;
  LinePipe& operator=(const LinePipe&) = delete;
  const std::string& path() const { return path_; }

  // Fails the test and answers "" when no line comes.
  std::string line() {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < end) {
      if (const auto at = text_.find('\n'); at != std::string::npos) {
        std::string first = text_.substr(0, at);
        text_.erase(0, at + 1);
        return first;
      }
      pollfd readable{file_, POLLIN, 0};
      ::poll(&readable, 1, 100);
      char bytes[512];
      const ssize_t count = ::read(file_, bytes, sizeof bytes);
      if (count > 0) text_.append(bytes, static_cast<std::size_t>(count));
    }
    ADD_FAILURE() << "no line came through " << path_;
    return {};
  }
  pid_t pid() { return static_cast<pid_t>(std::strtol(line().c_str(), nullptr, 10)); }
  void write(const std::string& text) {
    EXPECT_EQ(::write(file_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

 private:
  std::string path_;
  int file_ = -1;
  std::string text_;
};

// True once `pid` has ended (perhaps as a zombie), within `limit`.
inline bool ends(pid_t pid, std::chrono::milliseconds limit = kPatience) {
  const int process = open_process(pid);
  if (process < 0) return true;
  pollfd exited{process, POLLIN, 0};
  const bool ended = ::poll(&exited, 1, static_cast<int>(limit.count())) == 1;
  ::close(process);
  return ended;
}
inline bool is_alive(pid_t pid) {
  return !ends(pid, std::chrono::milliseconds(0));
}

inline std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

struct RecordingHandler final : RunnerHandler {
  void on_attempt_started(Token token, WallTime) override { started.push_back(token); }
  void on_attempt_progress(Token, Progress said) override { progress.push_back(std::move(said)); }
  void on_attempt_finished(Token token, AttemptResult result) override {
    finished.emplace_back(token, std::move(result));
  }
  const AttemptResult* result_of(Token token) const {
    for (const auto& [of, result] : finished) {
      if (of == token) return &result;
    }
    return nullptr;
  }

  std::vector<Token> started;
  std::vector<Progress> progress;
  std::vector<std::pair<Token, AttemptResult>> finished;
};

// A runner with its supervisor on a loop of its own.
class RunnerWorld {
 public:
  explicit RunnerWorld(const std::string& data_dir, ProcessRules rules = {},
                       const std::string& cgroup_root = "off") {
    auto supervisor = Supervisor::spawn(data_dir, cgroup_root);
    if (!supervisor) throw std::runtime_error(supervisor.error().message);
    supervisor_pid = supervisor->pid();
    if (const auto ready = supervisor->wait_ready(kPatience); !ready)
      throw std::runtime_error(ready.error().message);
    runner = std::make_unique<ProcessRunner>(
        loop, std::move(*supervisor), [this] { supervisor_lost = true; }, std::move(rules));
    runner->set_handler(handler);
  }

  bool run_until(const std::function<bool()>& done, std::chrono::milliseconds limit = kPatience) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!done()) {
      if (std::chrono::steady_clock::now() >= end) return false;
      loop.context().run_one_for(std::chrono::milliseconds(50));
    }
    return true;
  }
  void start(Token token, std::string spec, Duration timeout = Duration::zero(),
             OnWorkerLost policy = OnWorkerLost::rerun) {
    Dispatch attempt;
    attempt.on_worker_lost = policy;
    attempt.token = token;
    attempt.kind = "process";
    attempt.spec = std::move(spec);
    attempt.timeout = timeout;
    runner->start(std::move(attempt));
  }
  // Fails the test and answers an empty result when it does not end.
  AttemptResult result_of(Token token) {
    const bool ended = run_until([&] { return handler.result_of(token) != nullptr; });
    EXPECT_TRUE(ended) << "the attempt does not end";
    return ended ? *handler.result_of(token) : AttemptResult{};
  }
  AttemptResult run(std::string spec, Duration timeout = Duration::zero()) {
    const Token token = token_of(++last_);
    start(token, std::move(spec), timeout);
    return result_of(token);
  }

  AsioLoop loop;
  RecordingHandler handler;
  bool supervisor_lost = false;
  pid_t supervisor_pid = -1;
  std::unique_ptr<ProcessRunner> runner;

 private:
  std::int64_t last_ = 1'000'000;
};

}  // namespace ringmaster
