#include "master/http_log_follower.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <poll.h>

namespace ringmaster {

namespace asio = boost::asio;

namespace {
std::string chunk_of(std::string_view bytes) {
  if (bytes.empty()) return {};  // an empty chunk would be the last
  std::array<char, 24> size{};
  std::snprintf(size.data(), size.size(), "%zx\r\n", bytes.size());
  return std::string(size.data()).append(bytes).append("\r\n");
}
constexpr std::string_view kLastChunk = "0\r\n\r\n";
}  // namespace

HttpLogFollower::HttpLogFollower(Loop& loop, ApiService& service, asio::ip::tcp::socket& socket,
                                 std::weak_ptr<void> owner, LogRequest request, LogFollowOptions options,
                                 Hooks hooks)
    : loop_(loop),
      service_(service),
      socket_(socket),
      owner_(std::move(owner)),
      request_(request),
      options_(options),
      hooks_(std::move(hooks)),
      began_(loop.now()),
      heard_at_(loop.now()),
      pause_(options.poll),
      timer_(loop) {}

void HttpLogFollower::ask() {
  if (client_is_gone() || loop_.now() - began_ > options_.longest) return finish(false);
  const std::uint64_t question = ++question_;
  // Not every answer comes: its master may be replaced meanwhile.
  timer_.start(options_.answer_timeout,
               [this] { on_answer(question_, fail(ErrorCode::deadline_exceeded, "no answer in time")); });
  service_.call(request_, [this, question, alive = std::weak_ptr(alive_)](const Result<ApiReply>& answer) {
    if (!alive.expired()) on_answer(question, answer);
  });
}

void HttpLogFollower::on_answer(std::uint64_t question, const Result<ApiReply>& answer) {
  if (question != question_) return;
  ++question_;
  timer_.stop();
  if (!answer) return on_error(answer.error());
  heard_at_ = loop_.now();
  LogReply piece = std::get<LogReply>(*answer);
  // Amid a stream nothing can say that bytes are missing, but its end can: the next one's header does.
  if (begun_ && piece.next - piece.bytes.size() != request_.offset) return finish(false);
  request_.attempt = piece.attempt;  // this one, whatever runs afterwards
  request_.offset = piece.next;
  if (!piece.bytes.empty()) pause_ = options_.poll;
  write(std::move(piece));
}

void HttpLogFollower::look_later() {
  timer_.start(pause_, [this] { ask(); });
  pause_ = std::min(2 * pause_, options_.longest_poll);
}

// A read may be repeated, whatever became of it.
void HttpLogFollower::on_error(const Error& error) {
  const bool may_come = error.code != ErrorCode::not_found && error.code != ErrorCode::invalid_argument &&
                        error.code != ErrorCode::internal;
  if (may_come && loop_.now() - heard_at_ < options_.patience) return look_later();
  begun_ ? finish(false) : refuse(error);
}

void HttpLogFollower::write(LogReply piece) {
  auto bytes = std::make_shared<std::string>(std::exchange(begun_, true) ? "" : hooks_.head(piece));
  *bytes += chunk_of(piece.bytes);
  if (piece.over) *bytes += kLastChunk;
  if (bytes->empty()) return written(false, false);
  timer_.start(options_.write_timeout, [this] { finish(false); });
  asio::async_write(
      socket_, asio::buffer(*bytes),
      [this, alive = std::weak_ptr(alive_), owner = owner_.lock(), bytes, over = piece.over,
       more = piece.bytes.size() == request_.limit](const boost::system::error_code& error, std::size_t) {
        if (alive.expired()) return;
        timer_.stop();
        error ? finish(false) : written(over, more);
      });
}

void HttpLogFollower::written(bool over, bool more) {
  if (over) return finish(true);
  if (more) return ask();
  look_later();
}

void HttpLogFollower::refuse(const Error& error) {
  const auto refused = hooks_.refused;
  refused(error);
}

void HttpLogFollower::finish(bool whole) {
  const auto over = hooks_.over;
  over(whole);
}

bool HttpLogFollower::client_is_gone() {
  pollfd socket{socket_.native_handle(), POLLRDHUP, 0};
  return ::poll(&socket, 1, 0) != 0;
}

}  // namespace ringmaster
