// HttpRunner: runs attempts of kind `http` (http_spec.h): one request each, over a connection of its own.
// A request carries Ringmaster-Task-Id, Ringmaster-Attempt and Ringmaster-Fence (`epoch.attempt`, which grows
// with each attempt of a task); unless the spec has them, also User-Agent, Idempotency-Key (the task's id),
// and traceparent if the task has one. A request under way cannot be recalled while the daemon is frozen:
// attempts with a lease are refused. On the loop's thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/ssl/context.hpp>

#include "base/asio_loop.h"
#include "worker/http_result.h"
#include "worker/runner.h"

namespace ringmaster {

struct HttpRunnerOptions {
  std::string log_dir;                              // must exist
  std::uint64_t log_limit = 10 * 1024 * 1024;       // bytes of a body in a file, see output_log.h
  std::uint64_t max_body_bytes = 64 * 1024 * 1024;  // a longer body fails the attempt
  std::string secrets_dir;                          // see secret_store.h
};

class HttpExchange;

class HttpRunner final : public Runner {
 public:
  // The loop and the handler must outlive the runner.
  HttpRunner(AsioLoop& loop, HttpRunnerOptions options) : loop_(loop), options_(std::move(options)) {}
  // Closes all connections; nothing is reported any more.
  ~HttpRunner() override;

  void set_handler(RunnerHandler& handler) override { handler_ = &handler; }
  void start(Dispatch attempt) override;
  void kill(Token token) override;
  void extend_lease(ShardId, MonoTime) override {}

 private:
  struct RunningAttempt {
    Token token;
    HttpSpec spec;
    Duration timeout{0};
    WallTime started_at{};
    std::shared_ptr<HttpExchange> exchange;
    std::vector<std::string> secrets;  // values that no message may hold
  };
  using Attempts = std::multimap<TaskId, RunningAttempt>;

  Attempts::iterator find(Token token);
  std::shared_ptr<HttpExchange> make_exchange(const Dispatch& attempt, HttpSpec& spec,
                                              const std::vector<std::string>& secrets);
  void begin(Token token);
  void finish(Token token, HttpEnd end);
  AttemptResult take_result(Attempts::iterator entry, HttpEnd end);
  void finish_later(Token token, AttemptResult result);

  AsioLoop& loop_;
  HttpRunnerOptions options_;
  RunnerHandler* handler_ = nullptr;
  std::shared_ptr<boost::asio::ssl::context> tls_;  // made for the first https request
  Attempts attempts_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // posted work holds it weakly
};

}  // namespace ringmaster
