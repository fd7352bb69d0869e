#include "client/failover.h"

#include <algorithm>
#include <utility>

#include <glog/logging.h>

namespace ringmaster {
namespace {

constexpr Duration kRoundPause = std::chrono::milliseconds(100);  // doubled with each round, up to 32 times

// Whether it may be carried out twice: reads, submissions with idempotency keys, and cancels, which are no
// less wanted the second time. A release could free what was quarantined anew.
bool may_run_twice(const ApiRequest& request) {
  const auto* control = std::get_if<ControlRequest>(&request);
  if (control != nullptr) return control->action == ControlAction::cancel;
  const auto* submit = std::get_if<SubmitRequest>(&request);
  return submit == nullptr || (!submit->tasks.empty() && !submit->tasks.front().idempotency_key.empty());
}

}  // namespace

Failover::Failover(Loop& loop, std::vector<std::string> addresses) : loop_(loop), pause_(loop) {
  CHECK(!addresses.empty());
  for (std::string& address : addresses) addresses_.push_back({std::move(address), {}, false});
}

void Failover::start(Links& links, std::move_only_function<void(Result<>)> first) {
  links_ = &links;
  first_ = std::move(first);
  dial();
}

// Addresses say nothing about node ids: the empty one accepts any master.
void Failover::dial() {
  links_->dial(Role::master, {}, addresses_[current_].text);
}

void Failover::leave(const std::string& reason, bool rejected) {
  addresses_[current_].trouble = reason;
  addresses_[current_].rejected = rejected;
  links_->undial(Role::master, {});
  current_ = (current_ + 1) % addresses_.size();
  if (++failed_in_row_ % addresses_.size() != 0) return dial();
  if (first_) std::exchange(first_, nullptr)(std::unexpected(no_master()));
  // Half to one and a half times: clients of a restarted master do not come back in step.
  const std::size_t rounds = std::min(failed_in_row_ / addresses_.size(), std::size_t{5});
  const auto pause = static_cast<std::uint64_t>(kRoundPause.count() << rounds);
  pause_.start(Duration{static_cast<std::int64_t>(pause / 2 + loop_.random() % pause)}, [this] { dial(); });
}

void Failover::on_link_up(LinkId link, const PeerInfo&) {
  if (stopped_) return;
  link_ = link;
  failed_in_row_ = 0;
  addresses_[current_].trouble.clear();
  // The channel stays; only it counts from now on, so nothing more is dialled beside it.
  links_->undial(Role::master, {});
  if (first_) std::exchange(first_, nullptr)(Result<>{});
  for (const CallId id : std::exchange(waiting_, {})) send(id);
}

void Failover::on_link_down(LinkId link, const PeerInfo&, const std::string& reason) {
  if (stopped_ || link_ != link) return;
  link_.reset();
  leave(reason, false);
}

void Failover::on_dial_failed(Role, const std::string&, DialError error, const std::string& reason) {
  // Once a channel is up, a try that failed before it is old news.
  if (stopped_ || link_ || pause_.running()) return;
  leave(reason, error == DialError::rejected);
}

void Failover::on_request(LinkId, ApiRequest, ApiResponder respond) {
  respond(fail(ErrorCode::invalid_argument, "a client serves no requests"));
}

void Failover::call(ApiRequest request, Duration timeout, ApiResponder respond) {
  if (stopped_) return respond(fail(ErrorCode::cancelled, "the client is closed"));
  if (calls_.size() >= kMaxWaiting) {
    return respond(fail(ErrorCode::resource_exhausted, "10,000 calls are open already: wait for some"));
  }
  const CallId id = ++last_call_;
  const TimerId expiry = loop_.after(timeout, [this, id] {
    const auto call = calls_.find(id);
    if (call == calls_.end()) return;
    call->second.expiry = 0;
    const bool unsent = std::ranges::find(waiting_, id) != waiting_.end();
    if (unsent) return finish(id, std::unexpected(no_master()));
    finish(id,
           fail(ErrorCode::deadline_exceeded,
                addresses_[current_].text + ": no answer in time; the request may have been carried out"));
  });
  calls_.emplace(id, Call{std::move(request), loop_.now() + timeout, std::move(respond), expiry});
  send(id);
}

void Failover::send(CallId id) {
  const auto call = calls_.find(id);
  if (call == calls_.end()) return;
  if (!link_) return waiting_.push_back(id);
  const Duration left = call->second.deadline - loop_.now();
  auto respond = [this, id, link = *link_, address = addresses_[current_].text](Result<ApiReply> answer) {
    on_answer(id, link, address, std::move(answer));
  };
  links_->call(*link_, call->second.request, std::max(left, Duration{1}), std::move(respond));
}

void Failover::on_answer(CallId id, LinkId link, const std::string& address, Result<ApiReply> answer) {
  const auto call = calls_.find(id);
  if (call == calls_.end()) return;
  if (answer) return finish(id, std::move(answer));
  // The news that the channel died may be queued behind this: let it be heard first.
  loop_.post([this, id, link, address, error = std::move(answer.error())]() mutable {
    settle(id, link, address, std::move(error));
  });
}

void Failover::settle(CallId id, LinkId link, const std::string& address, Error error) {
  const auto call = calls_.find(id);
  if (call == calls_.end()) return;
  // `unavailable` from a living channel is the master's own word; from a dead one it means never sent.
  const bool repeatable = error.code == ErrorCode::unavailable ||
                          (error.code == ErrorCode::unknown_outcome && may_run_twice(call->second.request));
  if (repeatable && link_ != link && !stopped_) return send(id);
  error.message = address + ": " + error.message;
  finish(id, std::unexpected(std::move(error)));
}

void Failover::finish(CallId id, Result<ApiReply> answer) {
  auto node = calls_.extract(id);
  if (node.empty()) return;
  std::erase(waiting_, id);
  if (node.mapped().expiry != 0) loop_.cancel(node.mapped().expiry);
  node.mapped().respond(std::move(answer));
}

void Failover::stop() {
  stopped_ = true;
  pause_.stop();
  while (!calls_.empty()) finish(calls_.begin()->first, fail(ErrorCode::cancelled, "the client was closed"));
}

Error Failover::no_master() const {
  Error error{ErrorCode::unavailable, "no master can be reached", {}};
  const char* separator = ": ";
  bool rejected = true;
  for (const Address& address : addresses_) {
    error.message += separator;
    if (!address.trouble.starts_with(address.text)) error.message += address.text + ": ";
    error.message += address.trouble.empty() ? "no answer yet" : address.trouble;
    separator = "; ";
    rejected = rejected && address.rejected;
  }
  if (rejected) error.code = ErrorCode::unauthenticated;
  return error;
}

}  // namespace ringmaster
