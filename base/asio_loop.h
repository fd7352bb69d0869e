// AsioLoop: the real Loop, one io_context run by one thread.
#pragma once

#include <memory>
#include <random>
#include <unordered_map>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/loop.h"

namespace ringmaster {

class AsioLoop final : public Loop {
 public:
  AsioLoop();
  ~AsioLoop() override;

  boost::asio::io_context& context() { return context_; }
  void run();      // until stop(); returns on the calling thread
  void run_one();  // one callback, once there is one; by one thread at a time
  void stop();     // from any thread

  MonoTime now() const override { return read_mono_clock(); }
  WallTime wall_now() const override { return read_wall_clock(); }
  void post(Callback fn) override;
  TimerId after(Duration delay, Callback fn) override;
  void cancel(TimerId id) override;
  std::uint64_t random() override { return random_(); }

 private:
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::unordered_map<TimerId, std::unique_ptr<boost::asio::steady_timer>> timers_;
  TimerId last_timer_ = 0;
  std::mt19937_64 random_;
};

}  // namespace ringmaster
