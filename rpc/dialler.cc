#include "rpc/dialler.h"

#include <utility>

namespace ringmaster {

namespace {
constexpr Duration kSecondRefusal = kRefusedInterval + std::chrono::milliseconds(20);
constexpr Duration kSecondRefusalJitter = std::chrono::milliseconds(30);
}  // namespace

Dialler::Dialler(AsioLoop& loop, const Options& options, Handshake::Target target, Owner& owner)
    : loop_(loop),
      options_(options),
      target_(std::move(target)),
      owner_(owner),
      backoff_(options.backoff_initial, options.backoff_max),
      wait_(loop) {}

Dialler::~Dialler() {
  stop_trying();
}

void Dialler::dial(const std::string& address) {
  address_ = address;
  rest();
  try_once();
}

void Dialler::rest() {
  backoff_.reset();
  refused_ = false;
  stop_trying();
}

void Dialler::resume() {
  if (!trying()) try_after(backoff_.next(loop_.random()));
}

void Dialler::try_after(Duration wait) {
  wait_.start(wait, [this] { try_once(); });
}

void Dialler::stop_trying() {
  wait_.stop();
  connect_.reset();
  if (opening_) std::exchange(opening_, nullptr)->cancel();
}

void Dialler::try_once() {
  stop_trying();
  connect_ =
      std::make_unique<TcpConnect>(loop_, address_, options_.connect_timeout, options_.user_timeout,
                                   [this](TcpConnect::Outcome outcome) { connected(std::move(outcome)); });
}

void Dialler::connected(TcpConnect::Outcome outcome) {
  connect_.reset();
  if (!outcome) return failed(outcome.error().error, outcome.error().reason);
  opening_ = std::make_shared<Opening>(
      loop_, std::move(*outcome),
      Handshake::dialler(owner_.identity(), owner_.secret(), target_, random_nonce()));
  opening_->start(
      options_.handshake_timeout,
      [this](std::expected<Opening::Opened, Opening::Failure> result) { opened(std::move(result)); });
}

void Dialler::opened(std::expected<Opening::Opened, Opening::Failure> outcome) {
  opening_.reset();
  if (!outcome) return failed(outcome.error().error, outcome.error().reason);
  const Handshake::Target target = target_;  // the owner may destroy us
  owner_.on_dialled(target, std::move(*outcome));
}

void Dialler::failed(DialError error, const std::string& reason) {
  // Who dials wants to know soon whether the peer is dead: the second refusal proves it.
  const bool first_refusal = error == DialError::refused && !refused_;
  refused_ = error == DialError::refused;
  try_after(first_refusal ? kSecondRefusal + Duration(loop_.random() % kSecondRefusalJitter.count())
                          : backoff_.next(loop_.random()));
  // The owner may destroy us: nothing of ours is touched from here on.
  const Handshake::Target target = target_;
  owner_.on_failed(target, error, reason);
}

}  // namespace ringmaster
