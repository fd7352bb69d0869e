#include "worker/http_runner.h"

#include <algorithm>
#include <utility>

#include <glog/logging.h>
#include <string.h>

#include "worker/attempt_logs.h"
#include "worker/http_exchange.h"
#include "worker/secret_store.h"

namespace ringmaster {
namespace {

namespace http = boost::beast::http;

AttemptResult refusal(std::string message, bool permanent = true) {
  AttemptResult result;
  result.outcome = Outcome::failed;
  result.permanent = permanent;
  result.message = std::move(message);
  return result;
}

// It comes from the task, not from the spec, and nobody has looked at it.
bool fits_header(std::string_view value) {
  return !value.empty() && std::ranges::all_of(value, [](char c) { return c > ' ' && c < 0x7f; });
}

// Takes the body out of the spec.
http::request<http::string_body> make_request(const Dispatch& attempt, HttpSpec& spec) {
  const auto task = to_string(attempt.token.task);
  const auto number = std::to_string(attempt.token.attempt);
  http::request<http::string_body> request;
  request.version(11);
  request.method_string(spec.method);
  request.target(spec.target);
  request.set(http::field::host, host_header(spec.server));
  request.set(http::field::user_agent, "ringworker/" RINGMASTER_VERSION);
  request.set("Idempotency-Key", task);
  if (fits_header(attempt.traceparent)) request.set("traceparent", attempt.traceparent);
  if (spec.body_is_json) request.set(http::field::content_type, "application/json");
  for (const auto& [name, value] : spec.headers) request.set(name, value);  // instead of these
  request.set("Ringmaster-Task-Id", task);
  request.set("Ringmaster-Attempt", number);
  request.set("Ringmaster-Fence", std::to_string(attempt.token.epoch) + "." + number);
  request.keep_alive(false);
  const bool wants_length = spec.method == "POST" || spec.method == "PUT" || spec.method == "PATCH";
  if (spec.body || wants_length) request.content_length(spec.body ? spec.body->size() : 0);
  if (spec.body) request.body() = *std::exchange(spec.body, std::nullopt);
  return request;
}

// Makes them ordinary headers, and answers the values.
Result<std::vector<std::string>> fill_secret_headers(HttpSpec& spec, const SecretStore& store) {
  std::vector<std::string> values;
  for (auto& [name, secret, prefix] : std::exchange(spec.secret_headers, {})) {
    const auto field = "spec.headers." + name;
    auto value = store.read(secret);
    if (!value) return fail(value.error().code, field + ": " + value.error().message, field);
    if (!is_header_value(prefix + *value))
      return fail(ErrorCode::invalid_argument,
                  field + ": secret " + secret + " is too long for a header, or has control characters",
                  field);
    spec.headers.emplace_back(std::move(name), prefix + *value);
    values.push_back(*std::move(value));
  }
  return values;
}

}  // namespace

HttpRunner::~HttpRunner() {
  for (const auto& [task, attempt] : attempts_) attempt.exchange->stop();
}

void HttpRunner::start(Dispatch attempt) {
  const Token token = attempt.token;
  if (attempt.on_worker_lost == OnWorkerLost::rerun_after_lease) {
    return finish_later(token,
                        refusal("kind http cannot keep a lease: a request under way cannot be recalled "
                                "while its worker is frozen; set on_worker_lost to rerun or fail"));
  }
  auto spec = parse_http_spec(attempt.spec);
  if (!spec) return finish_later(token, refusal(spec.error().message));
  auto secrets = fill_secret_headers(*spec, SecretStore(options_.secrets_dir));
  if (!secrets) {
    const auto& [code, message, field] = secrets.error();
    return finish_later(token, refusal(message, code == ErrorCode::invalid_argument));
  }
  auto exchange = make_exchange(attempt, *spec, *secrets);
  attempts_.emplace(token.task, RunningAttempt{token, std::move(*spec), attempt.timeout, loop_.wall_now(),
                                               std::move(exchange), *std::move(secrets)});
  loop_.post([this, alive = std::weak_ptr(alive_), token] {
    if (!alive.expired()) begin(token);
  });
}

void HttpRunner::kill(Token token) {
  const auto entry = find(token);
  if (entry != attempts_.end()) finish_later(token, take_result(entry, entry->second.exchange->stop()));
}

HttpRunner::Attempts::iterator HttpRunner::find(Token token) {
  const auto [begin, end] = attempts_.equal_range(token.task);
  const auto entry = std::find_if(begin, end, [&](const auto& of) { return of.second.token == token; });
  return entry == end ? attempts_.end() : entry;
}

std::shared_ptr<HttpExchange> HttpRunner::make_exchange(const Dispatch& attempt, HttpSpec& spec,
                                                        const std::vector<std::string>& secrets) {
  if (spec.server.tls && !tls_) tls_ = make_tls_context();
  HttpOrder order;
  order.server = spec.server;
  order.request = make_request(attempt, spec);
  order.connect_timeout = spec.connect_timeout;
  order.timeout = attempt.timeout;
  order.max_body_bytes = options_.max_body_bytes;
  order.log_path = log_path(options_.log_dir, attempt.token.task, attempt.token.attempt);
  order.log_limit = options_.log_limit;
  order.secrets = secrets;
  return std::make_shared<HttpExchange>(loop_, std::move(order), tls_);
}

// The handler may stop the attempt, or destroy this, when it hears of the start.
void HttpRunner::begin(Token token) {
  auto entry = find(token);
  if (entry == attempts_.end()) return;
  const std::weak_ptr alive(alive_);
  const auto now = loop_.wall_now();
  entry->second.started_at = now;
  handler_->on_attempt_started(token, now);
  if (alive.expired()) return;
  entry = find(token);
  if (entry == attempts_.end()) return;
  entry->second.exchange->start([this, token](HttpEnd end) { finish(token, std::move(end)); });
}

void HttpRunner::finish(Token token, HttpEnd end) {
  handler_->on_attempt_finished(token, take_result(find(token), std::move(end)));
}

AttemptResult HttpRunner::take_result(Attempts::iterator entry, HttpEnd end) {
  const auto node = attempts_.extract(entry);
  const RunningAttempt& attempt = node.mapped();
  LOG_IF(WARNING, end.log_error != 0) << "the log of " << to_string(attempt.token.task) << " in "
                                      << options_.log_dir << " is incomplete: " << ::strerror(end.log_error);
  auto result = result_of(std::move(end), attempt.spec, attempt.timeout, options_.max_body_bytes);
  redact(result.message, attempt.secrets);
  result.started_at = attempt.started_at;
  result.finished_at = loop_.wall_now();
  return result;
}

void HttpRunner::finish_later(Token token, AttemptResult result) {
  if (result.finished_at == WallTime{}) result.started_at = result.finished_at = loop_.wall_now();
  loop_.post([this, alive = std::weak_ptr(alive_), token, result = std::move(result)]() mutable {
    if (!alive.expired()) handler_->on_attempt_finished(token, std::move(result));
  });
}

}  // namespace ringmaster
