#include "master/http_session.h"

#include <cstdio>
#include <ctime>
#include <sstream>
#include <string>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

namespace ringmaster {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

constexpr std::string_view kOpenApi =
#include "openapi.inc"
    ;

constexpr std::size_t kReadChunk = 4096;
constexpr std::size_t kMaxDrainedBytes = 16 * 1024 * 1024;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

std::string_view view(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

// `Sat, 21 Nov 2026 09:30:00 GMT`, of the C locale whatever the process has.
std::string http_date(WallTime now) {
  static constexpr std::array<const char*, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds =
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%s, %02d %s %d %02d:%02d:%02d GMT",
                kDays.at(static_cast<std::size_t>(utc.tm_wday)), utc.tm_mday,
                kMonths.at(static_cast<std::size_t>(utc.tm_mon)), utc.tm_year + 1900, utc.tm_hour, utc.tm_min,
                utc.tm_sec);
  return text.data();
}

bool is_json(std::string_view content_type) {
  std::string type;
  for (const char c : content_type.substr(0, content_type.find(';'))) {
    if (c != ' ' && c != '\t') type += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  return type == "application/json";
}

}  // namespace

HttpSession::HttpSession(HttpEdge& edge, asio::ip::tcp::socket socket)
    : edge_(&edge),
      socket_(std::move(socket)),
      buffer_(edge.options.max_header_bytes + kReadChunk),
      deadline_(edge.loop) {}

void HttpSession::start() {
  enter(Phase::idle, edge_->options.header_timeout);
  wait_for_request();
}

void HttpSession::refuse_connection() {
  refuse(http_problem(503, "This master serves as many connections as it may; try another, or again."), true);
}

void HttpSession::close_if_idle() {
  if (phase_ == Phase::idle || phase_ == Phase::following) end();
}

void HttpSession::abandon() {
  edge_ = nullptr;
  follower_.reset();
  phase_ = Phase::ended;
  deadline_.stop();
  ErrorCodeOf ignored;
  socket_.close(ignored);
}

void HttpSession::enter(Phase phase, Duration deadline) {
  phase_ = phase;
  timed_out_ = false;
  deadline_.start(deadline, [this] { on_deadline(); });
}

void HttpSession::on_deadline() {
  switch (phase_) {
    case Phase::reading: {
      // The read in progress ends with operation_aborted, and its handler answers 408.
      timed_out_ = true;
      ErrorCodeOf ignored;
      socket_.cancel(ignored);
      return;
    }
    case Phase::answering:
      on_answer(number_, fail(ErrorCode::deadline_exceeded,
                              "No answer in time; the request may have been carried out."));
      return;
    default:
      end();
  }
}

// The caller has entered Phase::idle with the time that the client has for its first byte.
void HttpSession::wait_for_request() {
  if (buffer_.size() > 0) return read_header();
  auto on_first_bytes = [self = shared_from_this()](const ErrorCodeOf& error, std::size_t size) {
    if (self->edge_ == nullptr || self->phase_ == Phase::ended) return;
    if (error) return self->end();
    self->buffer_.commit(size);
    self->read_header();
  };
  socket_.async_read_some(buffer_.prepare(kReadChunk), std::move(on_first_bytes));
}

void HttpSession::read_header() {
  enter(Phase::reading, edge_->options.header_timeout);
  began_ = edge_->loop.now();
  ++number_;
  keep_alive_ = false;
  head_ = false;
  route_.reset();
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(edge_->options.max_header_bytes));
  parser_->body_limit(edge_->options.max_body_bytes);
  auto done = [self = shared_from_this()](const ErrorCodeOf& error, std::size_t) {
    if (self->edge_ == nullptr || self->phase_ == Phase::ended) return;
    error ? self->on_read_failed(error) : self->on_header();
  };
  http::async_read_header(socket_, buffer_, *parser_, std::move(done));
}

std::optional<HttpProblem> HttpSession::check_header() {
  const auto& header = parser_->get();
  if (header.version() != 10 && header.version() != 11)
    return http_problem(505, "This server speaks HTTP/1.1.");
  if (header.version() == 11 && header.count(http::field::host) != 1) {
    return http_problem(400, "A request has exactly one Host header.");
  }
  auto route = find_route(view(header.method_string()), view(header.target()));
  if (!route) return std::move(route.error());
  route_ = std::move(*route);
  const bool body_read = route_->submits() || (header.method() == http::verb::post && !parser_->is_done());
  if (body_read && !is_json(view(header[http::field::content_type]))) {
    return http_problem(415, "Bodies are sent as Content-Type: application/json.");
  }
  if (header.count(http::field::content_encoding) > 0)
    return http_problem(415, "Bodies are sent without encoding.");
  const auto expect = header[http::field::expect];
  if (!expect.empty() && !boost::beast::iequals(expect, "100-continue")) {
    return http_problem(417, "The only expectation that is met is 100-continue.");
  }
  return std::nullopt;
}

void HttpSession::on_header() {
  keep_alive_ = parser_->get().keep_alive();
  head_ = parser_->get().method() == http::verb::head;
  // An unread body would be taken for the next request: a refusal before it ends the connection.
  if (const auto problem = check_header()) return refuse(*problem, !parser_->is_done());
  if (parser_->is_done()) return handle();
  enter(Phase::reading, edge_->options.body_timeout);
  parser_->get()[http::field::expect].empty() || buffer_.size() > 0 ? read_body() : send_continue();
}

void HttpSession::send_continue() {
  auto done = [self = shared_from_this()](const ErrorCodeOf& error, std::size_t) {
    if (self->edge_ == nullptr || self->phase_ == Phase::ended) return;
    error ? self->on_read_failed(error) : self->read_body();
  };
  asio::async_write(socket_, asio::buffer(kContinue), std::move(done));
}

void HttpSession::read_body() {
  auto done = [self = shared_from_this()](const ErrorCodeOf& error, std::size_t) {
    if (self->edge_ == nullptr || self->phase_ == Phase::ended) return;
    error ? self->on_read_failed(error) : self->handle();
  };
  http::async_read(socket_, buffer_, *parser_, std::move(done));
}

void HttpSession::on_read_failed(const ErrorCodeOf& error) {
  if (timed_out_) return refuse(http_problem(408, "The request did not arrive in time."), true);
  if (error == http::error::body_limit) {
    return refuse(
        http_problem(413, "A body is at most " + std::to_string(edge_->options.max_body_bytes) + " bytes."),
        true);
  }
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return refuse(http_problem(431, "Request line and headers are at most " +
                                        std::to_string(edge_->options.max_header_bytes) + " bytes."),
                  true);
  }
  const bool garbage = error.category() == http::make_error_code(http::error::bad_method).category() &&
                       error != http::error::end_of_stream && error != http::error::partial_message;
  if (garbage) return refuse(http_problem(400, "This is not HTTP/1.1: " + error.message() + "."), true);
  end();  // the client has gone
}

void HttpSession::handle() {
  if (route_->operation == HttpOperation::livez) {
    HttpReply reply;
    reply.content_type = "text/plain; charset=utf-8";
    reply.body = "ok\n";
    return write(std::move(reply));
  }
  if (route_->operation == HttpOperation::metrics) {
    HttpReply reply;
    reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
    reply.body = edge_->metrics.expose();
    return write(std::move(reply));
  }
  if (route_->operation == HttpOperation::openapi) {
    HttpReply reply;
    reply.body = kOpenApi;
    return write(std::move(reply));
  }
  ask_service();
}

namespace {
// Its key is in flight as long as this lives.
class KeyInFlight {
 public:
  KeyInFlight(std::shared_ptr<std::set<std::string>> keys, std::string key)
      : keys_(std::move(keys)), key_(std::move(key)) {}
  KeyInFlight(const KeyInFlight&) = delete;
  KeyInFlight& operator=(const KeyInFlight&) = delete;
  ~KeyInFlight() { keys_->erase(key_); }

 private:
  std::shared_ptr<std::set<std::string>> keys_;
  std::string key_;
};

HttpProblem key_in_flight() {
  HttpProblem problem =
      http_problem(409, "A submission with this idempotency key is under way here: ask again in a moment.");
  problem.code = "key_in_flight";
  problem.retryable = true;
  problem.retry_after = 1;
  return problem;
}
}  // namespace

void HttpSession::ask_service() {
  auto call = call_of(*route_, parser_->get().body(), view(parser_->get()["Idempotency-Key"]));
  if (!call) return refuse(call.error(), false);
  call_ = std::move(*call);
  parser_->get().body() = {};  // up to 4 MiB that a long poll need not hold
  if (call_.follow && !head_) return follow();
  std::shared_ptr<KeyInFlight> key;
  if (!call_.key.empty()) {
    if (!edge_->keys_in_flight->insert(call_.key).second) return refuse(key_in_flight(), false);
    key = std::make_shared<KeyInFlight>(edge_->keys_in_flight, call_.key);
  }
  enter(Phase::answering, call_.wait() + edge_->options.answer_timeout);
  auto respond = [weak = weak_from_this(), number = number_,
                  key = std::move(key)](const Result<ApiReply>& answer) mutable {
    key.reset();
    if (const auto self = weak.lock()) self->on_answer(number, answer);
  };
  // The server keeps the session until the answer, or until the deadline gives it up.
  edge_->service.call(std::move(call_.request), std::move(respond));
}

void HttpSession::on_answer(std::uint64_t number, const Result<ApiReply>& answer) {
  if (edge_ == nullptr || number != number_) return;
  if (phase_ != Phase::answering && phase_ != Phase::following) return;
  write(reply_to(*route_, call_, answer));
}

void HttpSession::follow() {
  if (parser_->get().version() < 11)
    return refuse(http_problem(505, "What is followed comes in chunks, which HTTP/1.0 has not."), true);
  phase_ = Phase::following;
  deadline_.stop();  // the follower has its own
  HttpLogFollower::Hooks hooks;
  hooks.head = [this](const LogReply& first) {
    count(200);
    const auto begin = first.next - first.bytes.size();
    HttpReply reply =
        reply_to(*route_, call_, ApiReply{LogReply{first.attempt, first.worker, {}, begin, first.over}});
    std::erase_if(reply.headers, [](const auto& header) {
      return header.first == "Ringmaster-Next-Offset" || header.first == "Ringmaster-Log-Over";
    });
    Response response = head_of(reply, !keep_alive_);
    response.chunked(true);
    std::ostringstream text;
    text << response.base();
    return text.str();
  };
  hooks.refused = [this](const Error& error) { on_answer(number_, std::unexpected(error)); };
  hooks.over = [this](bool whole) { on_followed(whole); };
  follower_ = std::make_unique<HttpLogFollower>(edge_->loop, edge_->service, socket_, weak_from_this(),
                                                std::get<LogRequest>(call_.request), edge_->options.follow,
                                                std::move(hooks));
  follower_->start();
}

// Called by the follower, whose last word this is.
void HttpSession::on_followed(bool whole) {
  const auto follower = std::move(follower_);
  if (!whole) return end();
  if (!keep_alive_ || edge_->stopping) return linger();
  enter(Phase::idle, edge_->options.idle_timeout);
  wait_for_request();
}

void HttpSession::refuse(const HttpProblem& problem, bool close) {
  HttpReply reply = reply_of(problem);
  reply.close = close;
  write(std::move(reply));
}

HttpSession::Response HttpSession::head_of(const HttpReply& reply, bool close) const {
  Response response(http::int_to_status(reply.status), 11);
  response.reason(boost::beast::string_view{reason_of(reply.status).data(), reason_of(reply.status).size()});
  response.set(http::field::date, http_date(edge_->loop.wall_now()));
  response.set(http::field::content_type, reply.content_type);
  response.set(http::field::cache_control, "no-store");
  if (!reply.allow.empty()) response.set(http::field::allow, reply.allow);
  if (!reply.location.empty()) response.set(http::field::location, reply.location);
  for (const auto& [name, value] : reply.headers) response.set(name, value);
  if (reply.retry_after) response.set(http::field::retry_after, std::to_string(*reply.retry_after));
  response.keep_alive(!close);
  return response;
}

void HttpSession::write(HttpReply reply) {
  count(reply.status);
  const bool close = reply.close || !keep_alive_ || edge_->stopping;
  Response& response = response_.emplace(head_of(reply, close));
  response.content_length(reply.body.size());
  if (!head_) response.body() = std::move(reply.body);

  enter(Phase::writing, edge_->options.write_timeout);
  auto done = [self = shared_from_this(), close](const ErrorCodeOf& error, std::size_t) {
    if (self->edge_ == nullptr || self->phase_ == Phase::ended) return;
    if (error) return self->end();
    self->response_.reset();
    if (close) return self->linger();
    self->enter(Phase::idle, self->edge_->options.idle_timeout);
    self->wait_for_request();
  };
  http::async_write(socket_, response, std::move(done));
}

void HttpSession::count(unsigned status) {
  const std::string operation{route_ ? to_string(route_->operation) : "none"};
  edge_->metrics
      .counter("ringmaster_http_requests_total", "HTTP requests answered, by operation and status.",
               {{"operation", operation}, {"status", std::to_string(status)}})
      .add();
  if (!route_) return;
  edge_->metrics
      .histogram("ringmaster_http_request_seconds",
                 "From a request's first byte to its reply, long polls included.", {{"operation", operation}})
      .observe(edge_->loop.now() - began_);
}

// Closing with bytes unread would reset the connection and may take the reply with it.
void HttpSession::linger() {
  ErrorCodeOf ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  enter(Phase::lingering, edge_->options.linger_timeout);
  drain();
}

void HttpSession::drain() {
  auto done = [self = shared_from_this()](const ErrorCodeOf& error, std::size_t size) {
    if (self->edge_ == nullptr || self->phase_ == Phase::ended) return;
    self->drained_ += size;
    error || self->drained_ > kMaxDrainedBytes ? self->end() : self->drain();
  };
  socket_.async_read_some(asio::buffer(scratch_), std::move(done));
}

void HttpSession::end() {
  if (phase_ == Phase::ended) return;
  HttpEdge& edge = *edge_;
  abandon();
  edge.ended(*this);
}

}  // namespace ringmaster
