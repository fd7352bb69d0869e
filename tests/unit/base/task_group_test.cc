#include "base/task_group.h"

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

namespace ringmaster {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

asio::awaitable<void> wait_for_ever(bool* ended) {
  asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::steady_clock::time_point::max());
  boost::system::error_code error;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
  *ended = true;
}

asio::awaitable<void> yield_once(int* count) {
  co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
  ++*count;
}

asio::awaitable<void> fail_with(const char* what) {
  co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
  throw std::runtime_error(what);
}

class TaskGroupTest : public testing::Test {
 protected:
  // Runs the loop until it has no work; a hang fails the test instead of blocking it.
  void run() {
    context_.restart();
    context_.run_for(5s);
    ASSERT_TRUE(context_.stopped()) << "the loop still has work";
  }
  asio::io_context context_{1};
};

TEST_F(TaskGroupTest, ForgetsCoroutinesThatHaveEnded) {
  TaskGroup group(context_);
  int count = 0;
  for (int i = 0; i < 3; ++i) group.spawn("yield", yield_once(&count));
  EXPECT_EQ(group.running(), 3U);
  run();
  EXPECT_EQ(count, 3);
  EXPECT_EQ(group.running(), 0U);
}

TEST_F(TaskGroupTest, CancelsWhatIsWaiting) {
  TaskGroup group(context_);
  bool first = false, second = false;
  group.spawn("first", wait_for_ever(&first));
  group.spawn("second", wait_for_ever(&second));
  asio::post(context_, [&] { group.cancel_all(); });
  run();
  EXPECT_TRUE(first);
  EXPECT_TRUE(second);
  EXPECT_EQ(group.running(), 0U);
}

TEST_F(TaskGroupTest, LogsAnExceptionAndLivesOn) {
  TaskGroup group(context_);
  int count = 0;
  testing::internal::CaptureStderr();
  group.spawn("dialler", fail_with("no route"));
  group.spawn("yield", yield_once(&count));
  run();
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("coroutine dialler failed: no route"), std::string::npos) << text;
  EXPECT_EQ(count, 1);
  EXPECT_EQ(group.running(), 0U);
}

asio::awaitable<void> wait_and_throw() {
  asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::steady_clock::time_point::max());
  co_await timer.async_wait(asio::use_awaitable);
}

TEST_F(TaskGroupTest, IsSilentAboutCancellation) {
  TaskGroup group(context_);
  testing::internal::CaptureStderr();
  group.spawn("waiter", wait_and_throw());
  asio::post(context_, [&] { group.cancel_all(); });
  run();
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(group.running(), 0U);
}

TEST_F(TaskGroupTest, TellsWhenAllHaveFinishedSoThatItsOwnerMayGo) {
  auto group = std::make_unique<TaskGroup>(context_);
  bool ended = false, told = false;
  group->spawn("waiter", wait_for_ever(&ended));
  group->when_finished([&] {
    EXPECT_TRUE(ended);
    told = true;
    group.reset();
  });
  asio::post(context_, [&] { group->cancel_all(); });
  run();
  EXPECT_TRUE(told);
  EXPECT_EQ(group, nullptr);
}

TEST_F(TaskGroupTest, TellsAtOnceWhenNothingRuns) {
  TaskGroup group(context_);
  bool told = false;
  group.when_finished([&] { told = true; });
  EXPECT_FALSE(told);
  run();
  EXPECT_TRUE(told);
}

TEST_F(TaskGroupTest, MayEndBeforeItsCoroutinesOnceTheLoopHasStopped) {
  bool ended = false;
  {
    TaskGroup group(context_);
    group.spawn("waiter", wait_for_ever(&ended));
    context_.poll();
    context_.stop();
  }
  EXPECT_FALSE(ended);
}

using TaskGroupDeathTest = TaskGroupTest;

TEST_F(TaskGroupDeathTest, EndingBeforeItsCoroutinesIsABug) {
  bool ended = false;
  std::optional<TaskGroup> group(std::in_place, context_);
  group->spawn("waiter", wait_for_ever(&ended));
  EXPECT_DEATH(group.reset(), "outlive their owner, first waiter");
  group->cancel_all();
  run();
}

}  // namespace
}  // namespace ringmaster
