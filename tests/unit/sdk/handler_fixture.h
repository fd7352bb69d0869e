// What the tests of handlers share: a runner on a real loop, with everything that it reported, and a gate at
// which handlers wait for the test.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "base/asio_loop.h"
#include "ringmaster/completion.h"
#include "sdk/handler_runner.h"

namespace ringmaster::sdk {

inline constexpr auto kPatience = std::chrono::seconds(30);

// Opens once; whoever waits longer than kPatience fails the test.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, kPatience, [this] { return open_; }));
  }
  bool is_open() {
    const std::lock_guard lock(mutex_);
    return open_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

inline void wait_for_stop(const Attempt& attempt) {
  Gate asked;
  const std::stop_callback open(attempt.stop_token(), [&] { asked.open(); });
  asked.wait();
}

struct RecordedEnds final : RunnerHandler {
  void on_attempt_started(Token token, WallTime) override { started.push_back(token); }
  void on_attempt_finished(Token token, AttemptResult result) override {
    finished.emplace_back(token, std::move(result));
  }
  void on_attempt_progress(Token, ringmaster::Progress progress) override {
    progressed.push_back(std::move(progress));
  }
  const AttemptResult* result_of(Token token) const {
    for (const auto& [of, result] : finished) {
      if (of == token) return &result;
    }
    return nullptr;
  }

  std::vector<Token> started;
  std::vector<std::pair<Token, AttemptResult>> finished;
  std::vector<ringmaster::Progress> progressed;
};

class HandlerTest : public testing::Test {
 protected:
  ~HandlerTest() override { runner_.reset(); }

  // As Worker::handle() does, which adds to no table that a test could see.
  void blocking(const std::string& kind, BlockingHandler handler) {
    handlers_.insert_or_assign(kind, std::move(handler));
  }
  void coroutine(const std::string& kind, CoroutineHandler handler) {
    handlers_.insert_or_assign(kind, std::move(handler));
  }

  HandlerRunner& runner() {
    if (!runner_) {
      runner_ = std::make_unique<HandlerRunner>(loop_, handlers_, threads_);
      runner_->set_handler(ends_);
    }
    return *runner_;
  }

  static Token token_of(std::int64_t number, ringmaster::Attempt attempt = 1) {
    return Token{ringmaster::TaskId{number << 8}, 7, attempt};
  }
  Token start(const std::string& kind, Duration timeout = Duration::zero(), std::string spec = "{}") {
    Dispatch order;
    order.token = token_of(++last_);
    order.kind = kind;
    order.group = "g";
    order.ns = "n";
    order.spec = std::move(spec);
    order.timeout = timeout;
    start(order);
    return order.token;
  }
  void start(Dispatch order) { runner().start(std::move(order)); }

  bool run_until(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (!done()) {
      if (std::chrono::steady_clock::now() >= end) return false;
      loop_.context().run_one_for(std::chrono::milliseconds(20));
    }
    return true;
  }
  bool run_until_started(Token token) {
    return run_until([&] { return std::ranges::find(ends_.started, token) != ends_.started.end(); });
  }
  // Fails the test and answers an empty result when it does not end.
  AttemptResult result_of(Token token) {
    const bool ended = run_until([&] { return ends_.result_of(token) != nullptr; });
    EXPECT_TRUE(ended) << "the attempt does not end";
    return ended ? *ends_.result_of(token) : AttemptResult{};
  }

  AsioLoop loop_;
  Handlers handlers_;
  std::uint32_t threads_ = 4;
  RecordedEnds ends_;
  std::unique_ptr<HandlerRunner> runner_;

 private:
  std::int64_t last_ = 1'000'000;
};

}  // namespace ringmaster::sdk
