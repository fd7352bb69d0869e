#include "worker/process_runner.h"

#include <algorithm>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <glog/logging.h>
#include <signal.h>
#include <string.h>

#include "worker/process_result.h"

namespace ringmaster {
namespace {

// How long the loop may stand still while a dead supervisor's attempts are killed: the daemon ends
// afterwards.
constexpr auto kLeftoverLimit = std::chrono::seconds(5);

AttemptResult refusal(Error why, WallTime now) {
  AttemptResult result;
  result.outcome = Outcome::failed;
  result.permanent = why.code == ErrorCode::invalid_argument;
  result.started_at = result.finished_at = now;
  result.message = std::move(why.message);
  return result;
}

}  // namespace

ProcessRunner::ProcessRunner(AsioLoop& loop, Supervisor supervisor, SupervisorLost lost, ProcessRules rules)
    : loop_(loop),
      lost_(std::move(lost)),
      rules_(std::move(rules)),
      accounts_(rules_.run_as),
      supervisor_(std::move(supervisor)),
      socket_(loop.context(), boost::asio::local::stream_protocol(), supervisor_.release_socket()) {
  read();
}

ProcessRunner::~ProcessRunner() {
  if (supervisor_lost_) return;
  std::string goodbye;
  encode(GoodbyeOrder{}, goodbye);
  // Behind a write that is under way it could only arrive torn: then the end of the socket says it all.
  if (!writing_) ::send(socket_.native_handle(), goodbye.data(), goodbye.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

// ---- orders -----------------------------------------------------------------------------------------------

void ProcessRunner::start(Dispatch attempt) {
  auto spec = parse_process_spec(attempt.spec);
  if (!spec) return finish_later(attempt.token, refusal(std::move(spec.error()), loop_.wall_now()));
  if (supervisor_lost_) {
    return finish_later(attempt.token, lost_with_supervisor(false));
  }
  auto made = make_start_order(attempt, *std::move(spec), rules_, accounts_, supervisor_.log_dir());
  if (!made) return finish_later(attempt.token, refusal(std::move(made.error()), loop_.wall_now()));
  StartOrder& start = *made;
  start.id = ++last_id_;
  attempts_.emplace(start.id, RunningAttempt{attempt.token, start.success_exit_codes, attempt.timeout});
  ids_.emplace(attempt.token.task, start.id);
  order_leases();  // what was said before it holds before it
  order(*std::move(made));
}

void ProcessRunner::kill(Token token) {
  if (supervisor_lost_) return;
  const auto [begin, end] = ids_.equal_range(token.task);
  for (auto id = begin; id != end; ++id) {
    if (attempts_.at(id->second).token == token) order(KillOrder{id->second});
  }
}

void ProcessRunner::extend_lease(ShardId shard, MonoTime until) {
  if (supervisor_lost_) return;
  MonoTime& end = leases_[shard];
  end = std::max(end, until);
  write_soon();
}

void ProcessRunner::finish_later(Token token, AttemptResult result) {
  loop_.post([this, alive = std::weak_ptr(alive_), token, result = std::move(result)]() mutable {
    if (!alive.expired()) handler_->on_attempt_finished(token, std::move(result));
  });
}

void ProcessRunner::order(const SupervisorOrder& order) {
  encode(order, out_);
  write_soon();
}

void ProcessRunner::order_leases() {
  for (const auto& [shard, until] : std::exchange(leases_, {})) encode(LeaseOrder{shard, until}, out_);
}

void ProcessRunner::write_soon() {
  if (writing_ || std::exchange(write_posted_, true)) return;
  loop_.post([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) write();
  });
}

void ProcessRunner::write() {
  write_posted_ = false;
  if (writing_ || supervisor_lost_) return;
  order_leases();
  if (out_.empty()) return;
  writing_ = true;
  in_flight_.clear();
  in_flight_.swap(out_);
  boost::asio::async_write(
      socket_, boost::asio::buffer(in_flight_),
      [this, alive = std::weak_ptr(alive_)](const boost::system::error_code& error, std::size_t) {
        if (alive.expired()) return;
        writing_ = false;
        if (!error) write();  // a broken socket is the reader's to report
      });
}

// ---- events -----------------------------------------------------------------------------------------------

void ProcessRunner::read() {
  socket_.async_read_some(
      boost::asio::buffer(buffer_),
      [this, alive = std::weak_ptr(alive_)](const boost::system::error_code& error, std::size_t size) {
        if (alive.expired()) return;
        if (error) return lose_supervisor();
        frames_.feed(std::string_view(buffer_.data(), size));
        take_events();
        if (alive.expired() || supervisor_lost_) return;  // the handler may have destroyed this
        read();
      });
}

void ProcessRunner::take_events() {
  const std::weak_ptr alive(alive_);
  while (!alive.expired()) {
    const auto body = frames_.next();
    if (body && !*body) return;
    auto event = body ? decode_event(**body) : std::unexpected(body.error());
    if (!event) {
      LOG(ERROR) << event.error().message;
      return lose_supervisor();
    }
    std::visit([this](auto& e) { on_event(e); }, *event);
  }
}

void ProcessRunner::on_event(const StartedEvent& event) {
  const auto found = attempts_.find(event.id);
  if (found == attempts_.end()) return;
  found->second.started = true;
  handler_->on_attempt_started(found->second.token, event.started_at);
}

void ProcessRunner::on_event(ProgressEvent& event) {
  const auto found = attempts_.find(event.id);
  if (found == attempts_.end()) return;
  event.progress.at = loop_.wall_now();
  handler_->on_attempt_progress(found->second.token, std::move(event.progress));
}

void ProcessRunner::on_event(FinishedEvent& event) {
  auto node = attempts_.extract(event.id);
  if (node.empty()) return;
  const RunningAttempt& attempt = node.mapped();
  const auto [begin, end] = ids_.equal_range(attempt.token.task);
  ids_.erase(std::find_if(begin, end, [&](const auto& entry) { return entry.second == event.id; }));
  LOG_IF(WARNING, event.log_error != 0)
      << "the log of " << to_string(attempt.token.task) << " in " << supervisor_.log_dir()
      << " is incomplete: " << ::strerror(event.log_error);
  handler_->on_attempt_finished(attempt.token,
                                result_of(std::move(event), attempt.success_exit_codes, attempt.timeout));
}

AttemptResult ProcessRunner::lost_with_supervisor(bool started) const {
  AttemptResult result;
  result.outcome = Outcome::lost;
  result.worker_died = started;
  result.signal = started ? SIGKILL : 0;
  result.started_at = result.finished_at = loop_.wall_now();
  result.message =
      std::string("the supervisor of this worker died ") + (started ? "while it ran" : "before it started");
  return result;
}

void ProcessRunner::lose_supervisor() {
  supervisor_lost_ = true;
  boost::system::error_code ignored;
  socket_.close(ignored);
  const bool dead = supervisor_.kill_leftovers(kLeftoverLimit);
  LOG(ERROR) << "the supervisor died; its " << attempts_.size() << " attempts "
             << (dead ? "are dead" : "have SIGKILL pending");
  const std::weak_ptr alive(alive_);
  ids_.clear();
  for (const auto& [id, attempt] : std::exchange(attempts_, {})) {
    handler_->on_attempt_finished(attempt.token, lost_with_supervisor(attempt.started));
    if (alive.expired()) return;
  }
  if (lost_) std::exchange(lost_, nullptr)();
}

}  // namespace ringmaster
