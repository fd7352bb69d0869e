#include "base/asio_loop.h"

#include <boost/asio/post.hpp>

namespace ringmaster {

AsioLoop::AsioLoop() : work_(context_.get_executor()) {
  std::random_device device;
  std::seed_seq seed{device(), device(), device(), device()};
  random_.seed(seed);
}

AsioLoop::~AsioLoop() = default;

void AsioLoop::run() {
  context_.run();
}
void AsioLoop::run_one() {
  context_.run_one();
}
void AsioLoop::stop() {
  context_.stop();
}

void AsioLoop::post(Callback fn) {
  boost::asio::post(context_, std::move(fn));
}

TimerId AsioLoop::after(Duration delay, Callback fn) {
  const TimerId id = ++last_timer_;
  auto timer = std::make_unique<boost::asio::steady_timer>(context_, delay);
  timer->async_wait([this, id, fn = std::move(fn)](const boost::system::error_code& error) mutable {
    // A cancelled wait may already have been queued as expired: the map decides.
    if (error || timers_.erase(id) == 0) return;
    fn();
  });
  timers_.emplace(id, std::move(timer));
  return id;
}

void AsioLoop::cancel(TimerId id) {
  timers_.erase(id);
}

}  // namespace ringmaster
