#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/worker/http_fixture.h"

namespace ringmaster {
namespace {

using testing::EndsWith;
using testing::IsEmpty;
using testing::StartsWith;
using namespace std::chrono_literals;

// ---- what goes wrong --------------------------------------------------------------------------------------

TEST_F(HttpRunnerPlain, SaysThatNobodyListens) {
  boost::asio::ip::tcp::acceptor bound(loop_.context(), boost::asio::ip::tcp::v4());
  bound.bind({boost::asio::ip::address_v4::loopback(), 0});  // and does not listen
  const auto address = "127.0.0.1:" + std::to_string(bound.local_endpoint().port());
  expect_failed(
      run(spec_of("http://" + address)), 0,
      "cannot connect to " + address +
          ": Connection refused; check that a server listens there and can be reached from this worker");
}

TEST_F(HttpRunnerPlain, SaysThatAHostIsUnknown) {
  const auto result = run(spec_of("http://no-such-host.invalid:81/", R"(,"connect_timeout":"1h")"));
  EXPECT_EQ(result.outcome, Outcome::failed);
  EXPECT_FALSE(result.permanent);
  EXPECT_THAT(result.message, StartsWith("cannot look up no-such-host.invalid:81: Host not found"));
  EXPECT_THAT(result.message, EndsWith("; check the name, and the resolver of this worker"));
}

TEST_F(HttpRunnerPlain, LooksNamesUp) {
  server_.answer = http_answer("200 OK");
  EXPECT_EQ(run(spec_of("http://localhost:" + server_.port())).message, "");
  EXPECT_EQ(header("Host"), "localhost:" + server_.port());
}

TEST_F(HttpRunnerPlain, SaysThatTheServerDoesNotSpeakHttp) {
  expect_failed(get_answered("SSH-2.0-OpenSSH_9.2\r\n"), 0,
                server_.address() + " does not answer in HTTP/1.1 (bad version); check scheme and port");
  expect_failed(get_answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"), 200,
                "HTTP 200 OK, but the body is not HTTP/1.1 (bad chunk)");
}

TEST_F(HttpRunnerPlain, SaysThatTheServerWentAway) {
  expect_failed(get_answered("HTTP/1.1 200 OK\r\nX: "), 0,
                server_.address() + " closed the connection in the middle of its answer's header");
  const auto result = get_answered("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc");
  expect_failed(result, 200,
                "HTTP 200 OK, but " + server_.address() + " closed the connection in the middle of the body");
  EXPECT_EQ(result.output_tail, "abc");
}

TEST_F(HttpRunnerPlain, SaysThatTheServerClosedWithoutAnAnswer) {
  boost::asio::ip::tcp::acceptor rude(loop_.context(), {boost::asio::ip::address_v4::loopback(), 0});
  std::optional<boost::asio::ip::tcp::socket> accepted;
  const auto address = "127.0.0.1:" + std::to_string(rude.local_endpoint().port());
  rude.async_accept([&](const boost::system::error_code&, boost::asio::ip::tcp::socket socket) {
    accepted = std::move(socket);
    accepted->shutdown(boost::asio::ip::tcp::socket::shutdown_send);
  });
  expect_failed(run(spec_of("http://" + address)), 0, address + " closed the connection without an answer");
}

TEST_F(HttpRunnerPlain, BoundsTheHeaderOfTheAnswer) {
  const auto why = "the header of the answer of " + server_.address() + " is too large";
  for (const int size : {40'000, 70'000, 10'000'000}) {
    expect_failed(get_answered("HTTP/1.1 200 OK\r\nX: " + std::string(static_cast<std::size_t>(size), 'x')),
                  0, why);
  }
  EXPECT_EQ(get_answered(http_answer("200 OK\r\nX: " + std::string(30'000, 'x'))).message, "");
}

TEST_F(HttpRunnerPlain, StopsAtItsTimeOut) {
  const auto result = get({}, 30ms);  // no answer, ever
  EXPECT_EQ(result.outcome, Outcome::timed_out);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.message, "stopped after its time-out of 30ms: " + server_.address() +
                                " had not answered; it may still work on the request");
  EXPECT_TRUE(run_until([&] { return server_.closed_by_client == 1; }));
}

TEST_F(HttpRunnerPlain, AServerThatHasBeenReachedMayTakeLongerThanTheConnection) {
  const auto result = get(R"(,"connect_timeout":"500ms")", 600ms);
  EXPECT_EQ(result.outcome, Outcome::timed_out) << result.message;
}

TEST_F(HttpRunnerPlain, RefusesABadSpecForGood) {
  const auto result = run(R"({"url":"http://h","port":1})");
  EXPECT_EQ(result.outcome, Outcome::failed);
  EXPECT_TRUE(result.permanent);
  EXPECT_THAT(result.message, StartsWith("spec.port: unknown field"));
  EXPECT_GT(result.started_at, WallTime{});
  EXPECT_THAT(handler_.started, IsEmpty());
}

TEST_F(HttpRunnerPlain, RefusesToKeepALease) {
  server_.answer = http_answer("200 OK");
  make_runner();
  runner_->extend_lease(token_of(1).task.shard(), loop_.now() + 1h);
  start(token_of(1), spec_of(server_.url()), 0s, OnWorkerLost::rerun_after_lease);
  const auto result = result_of(token_of(1));
  EXPECT_EQ(result.outcome, Outcome::failed);
  EXPECT_TRUE(result.permanent);
  EXPECT_EQ(
      result.message,
      "kind http cannot keep a lease: a request under way cannot be recalled while its worker is frozen; "
      "set on_worker_lost to rerun or fail");
  EXPECT_THAT(handler_.started, IsEmpty());
  start(token_of(2), spec_of(server_.url()), 0s, OnWorkerLost::fail);
  EXPECT_EQ(result_of(token_of(2)).outcome, Outcome::succeeded);
  EXPECT_EQ(server_.accepted, 1);
}

// ---- the end in the middle --------------------------------------------------------------------------------

TEST_F(HttpRunnerPlain, KillAbandonsTheRequest) {
  start_and_reach_server(token_of(1));
  runner_->kill(token_of(1));
  EXPECT_THAT(handler_.finished, IsEmpty()) << "inside the call";
  const auto result = result_of(token_of(1));
  EXPECT_EQ(result.outcome, Outcome::cancelled);
  EXPECT_EQ(result.message, "stopped on request: the request was abandoned; the server may still work on it");
  EXPECT_TRUE(run_until([&] { return server_.closed_by_client == 1; }));
  runner_->kill(token_of(1));
  run_ready();
  EXPECT_EQ(handler_.finished.size(), 1U);
}

TEST_F(HttpRunnerPlain, KillInTheMiddleOfABodyKeepsWhatCame) {
  server_.closes = false;
  server_.answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc";
  start(token_of(1), spec_of(server_.url()));
  ASSERT_TRUE(run_until([&] { return contents(log_of(token_of(1))) == "abc"; }));
  runner_->kill(token_of(1));
  const auto result = result_of(token_of(1));
  EXPECT_EQ(result.outcome, Outcome::cancelled);
  EXPECT_EQ(result.exit_code, 200);
  EXPECT_EQ(result.output_tail, "abc");
}

TEST_F(HttpRunnerPlain, KillBeforeTheBeginningSendsNothing) {
  start(token_of(1), spec_of(server_.url()));
  EXPECT_THAT(handler_.started, IsEmpty()) << "inside the call";
  runner_->kill(token_of(1));
  const auto result = result_of(token_of(1));
  EXPECT_EQ(result.outcome, Outcome::cancelled);
  EXPECT_EQ(result.message, "stopped on request: nothing had been sent");
  run_ready();
  EXPECT_THAT(handler_.started, IsEmpty());
  EXPECT_EQ(server_.accepted, 0);
}

TEST_F(HttpRunnerPlain, KillDuringALookUpDoesNotWaitForIt) {
  start(token_of(1), spec_of("http://no-such-host.invalid/"));
  ASSERT_TRUE(run_until([&] { return !handler_.started.empty(); }));
  runner_->kill(token_of(1));
  loop_.context().poll();
  ASSERT_EQ(handler_.finished.size(), 1U);
  EXPECT_EQ(handler_.finished[0].second.message, "stopped on request: nothing had been sent");
}

TEST_F(HttpRunnerPlain, KillStopsOnlyTheAttemptWithThatToken) {
  start_and_reach_server(token_of(1, 1));
  start_and_reach_server(token_of(1, 2));
  start_and_reach_server(token_of(2, 1));
  runner_->kill(token_of(1, 2));
  runner_->kill(token_of(1, 3));
  runner_->kill(token_of(3));
  EXPECT_EQ(result_of(token_of(1, 2)).outcome, Outcome::cancelled);
  ASSERT_TRUE(run_until([&] { return server_.closed_by_client == 1; }));
  run_ready();
  EXPECT_EQ(handler_.finished.size(), 1U);
}

TEST_F(HttpRunnerPlain, SaysNothingOnceDestroyed) {
  start_and_reach_server(token_of(1));
  start_and_reach_server(token_of(2), 1h);
  start(token_of(3), spec_of(server_.url()));
  start(token_of(4), spec_of("http://no-such-host.invalid/"));
  start(token_of(5), "{}");
  start_and_reach_server(token_of(6));  // the others have begun, or are refused
  const auto finished = handler_.finished.size();
  runner_.reset();
  ASSERT_TRUE(run_until([&] { return server_.closed_by_client == server_.accepted; }));
  run_ready();
  EXPECT_EQ(handler_.finished.size(), finished);
}

TEST_F(HttpRunnerPlain, LeavesNothingBehindForALoopThatEndsFirst) {
  auto loop = std::make_unique<AsioLoop>();
  auto runner = std::make_unique<HttpRunner>(*loop, HttpRunnerOptions{directory_.path()});
  runner->set_handler(handler_);
  Dispatch attempt;
  attempt.token = token_of(1);
  attempt.spec = spec_of(server_.url());
  attempt.timeout = 1h;
  runner->start(attempt);
  loop->context().poll();
  runner.reset();
  loop.reset();  // with what the connection had under way
  EXPECT_THAT(handler_.finished, IsEmpty());
}

struct Destroyer final : RunnerHandler {
  void on_attempt_started(Token, WallTime) override {
    if (on_start) runner->reset();
  }
  void on_attempt_finished(Token, AttemptResult) override {
    ++finished;
    runner->reset();
  }
  std::unique_ptr<HttpRunner>* runner = nullptr;
  bool on_start = false;
  int finished = 0;
};

TEST_F(HttpRunnerPlain, MayBeDestroyedByItsHandler) {
  server_.answer = http_answer("200 OK");
  for (const bool on_start : {true, false}) {
    Destroyer destroyer;
    destroyer.runner = &runner_;
    destroyer.on_start = on_start;
    make_runner();
    runner_->set_handler(destroyer);
    for (int i = 1; i <= 3; ++i) start(token_of(i), spec_of(server_.url()));
    ASSERT_TRUE(run_until([&] { return !runner_; }));
    run_ready();
    EXPECT_EQ(destroyer.finished, on_start ? 0 : 1);
  }
}

TEST_F(HttpRunnerPlain, RunsManyAtOnce) {
  server_.answer = http_answer("200 OK", "x");
  for (int i = 1; i <= 200; ++i) start(token_of(i), spec_of(server_.url()));
  ASSERT_TRUE(run_until([&] { return handler_.finished.size() == 200; }));
  for (const auto& [token, result] : handler_.finished) EXPECT_EQ(result.message, "");
  EXPECT_EQ(server_.requests.size(), 200U);
}

}  // namespace
}  // namespace ringmaster
