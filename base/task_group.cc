#include "base/task_group.h"

#include <exception>
#include <utility>
#include <vector>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>
#include <glog/logging.h>

namespace ringmaster {
namespace {

void log_failure(const std::string& name, const std::exception_ptr& failure) {
  if (!failure) return;
  try {
    std::rethrow_exception(failure);
  } catch (const boost::system::system_error& error) {
    if (error.code() == boost::asio::error::operation_aborted) return;
    LOG(ERROR) << "coroutine " << name << " failed: " << error.what();
  } catch (const std::exception& error) {
    LOG(ERROR) << "coroutine " << name << " failed: " << error.what();
  } catch (...) {
    LOG(ERROR) << "coroutine " << name << " failed with an unknown exception";
  }
}

}  // namespace

TaskGroup::TaskGroup(boost::asio::io_context& context)
    : context_(context), state_(std::make_shared<State>()) {}

TaskGroup::~TaskGroup() {
  CHECK(state_->running.empty() || context_.stopped())
      << state_->running.size() << " coroutines outlive their owner, first " << state_->running.front()->name;
}

void TaskGroup::spawn(std::string name, boost::asio::awaitable<void> task) {
  auto running = std::make_shared<Running>();
  running->name = std::move(name);
  state_->running.push_back(running);
  auto finished = [&context = context_, state = state_, running](const std::exception_ptr& failure) {
    log_failure(running->name, failure);
    state->running.remove(running);
    post_if_finished(context, state);
  };
  boost::asio::co_spawn(context_, std::move(task),
                        boost::asio::bind_cancellation_slot(running->cancel.slot(), std::move(finished)));
}

void TaskGroup::cancel_all() {
  // A cancelled operation may complete within emit(), and its coroutine spawn others: go through a copy.
  const std::vector<std::shared_ptr<Running>> now(state_->running.begin(), state_->running.end());
  for (const auto& running : now) running->cancel.emit(boost::asio::cancellation_type::terminal);
}

std::size_t TaskGroup::running() const {
  return state_->running.size();
}

void TaskGroup::when_finished(std::move_only_function<void()> done) {
  state_->when_finished = std::move(done);
  post_if_finished(context_, state_);
}

void TaskGroup::post_if_finished(boost::asio::io_context& context, const std::shared_ptr<State>& state) {
  if (!state->running.empty() || !state->when_finished) return;
  boost::asio::post(context, std::exchange(state->when_finished, nullptr));
}

}  // namespace ringmaster
