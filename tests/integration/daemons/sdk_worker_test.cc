// Workers inside this process, in a real cluster.
#include <condition_variable>
#include <mutex>
#include <optional>

#include <gmock/gmock.h>

#include "ringmaster/client.h"
#include "ringmaster/worker.h"
#include "tests/servers/cluster.h"

namespace ringmaster::sdk {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::Each;
using testing::HasSubstr;

class SdkWorkersInACluster : public testing::Test {
 protected:
  void SetUp() override { cluster_.start_master("m1"); }

  WorkerOptions options(const std::string& id) {
    WorkerOptions made;
    made.node_id = id;
    made.data_dir = cluster_.directory() / id;
    made.groups = {"g"};
    made.cluster = "test";
    made.zookeeper = cluster_.zookeeper();
    made.session_timeout = seconds(2);
    made.slots = 4;
    return made;
  }
  // Also to a master that has only just been started.
  Client connect() {
    std::optional<Client> client;
    std::string why;
    Cluster::eventually(
        [&] {
          auto made =
              Client::connect({.addresses = {"127.0.0.1:" + cluster_.port_of("m1")}, .cluster = "test"});
          if (made) client = *std::move(made);
          if (!made) why = made.error().message;
          return client.has_value();
        },
        seconds(30));
    if (!client) throw std::runtime_error(why);
    return *std::move(client);
  }
  static NewTask task(const std::string& kind) {
    NewTask made;
    made.kind = kind;
    made.group = "g";
    return made;
  }
  // Opened by the test, waited for by handlers.
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void wait_until_open() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, seconds(60), [this] { return open_; }));
  }

  Cluster cluster_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

TEST_F(SdkWorkersInACluster, AResultThatNobodyTookInTimeIsDeliveredByTheNextLife) {
  std::atomic<int> runs = 0;
  const auto handler = [&](Attempt& attempt) {
    ++runs;
    wait_until_open();
    attempt.set_output("by life one");
  };
  auto made = options("h1");
  made.drain_timeout = milliseconds(100);
  TaskId id;
  {
    Worker worker(made);
    worker.handle("k", handler);
    ASSERT_TRUE(worker.start());
    cluster_.wait_for(1, 1);
    id = connect().submit(task("k")).value();
    ASSERT_TRUE(Cluster::eventually([&] { return runs == 1; }, seconds(30)));
    cluster_.stop_master("m1", SIGKILL);
    open();
    const auto stopped = worker.stop();
    ASSERT_FALSE(stopped);
    EXPECT_EQ(stopped.error().code, ErrorCode::deadline_exceeded);
    EXPECT_THAT(stopped.error().message, HasSubstr("1 results stay in " + made.data_dir));
  }
  cluster_.start_master("m1");
  Worker next(made);
  next.handle("k", handler);
  ASSERT_TRUE(next.start());
  Client client = connect();
  const auto view = client.wait(id, minutes(1));
  ASSERT_TRUE(view) << view.error().message;
  EXPECT_EQ(view->state, TaskState::succeeded);
  EXPECT_EQ(view->attempt, 1);
  ASSERT_TRUE(view->result);
  EXPECT_EQ(view->result->output, "by life one");
  EXPECT_EQ(runs, 1);
  EXPECT_TRUE(next.stop());
}

TEST_F(SdkWorkersInACluster, AStopWaitsForAHandlerAndTakesNothingNew) {
  std::atomic<int> runs = 0;
  std::atomic<bool> told = false;
  Worker worker(options("h1"));
  worker.handle("k", [&](Attempt& attempt) {
    ++runs;
    const std::stop_callback on_drain(attempt.drain_token(), [&] { told = true; });
    wait_until_open();
  });
  ASSERT_TRUE(worker.start());
  cluster_.wait_for(1, 1);
  Client client = connect();
  const TaskId id = client.submit(task("k")).value();
  ASSERT_TRUE(Cluster::eventually([&] { return runs == 1; }, seconds(30)));
  worker.request_stop();
  ASSERT_TRUE(Cluster::eventually([&] { return told.load(); }, seconds(30)));
  const TaskId late = client.submit(task("k")).value();
  EXPECT_FALSE(is_terminal(client.wait(late, milliseconds(300))->state));
  open();
  EXPECT_TRUE(worker.wait());
  EXPECT_EQ(client.wait(id, seconds(30))->state, TaskState::succeeded);
  EXPECT_EQ(client.get(late)->state, TaskState::ready);
  EXPECT_EQ(runs, 1);
}

TEST_F(SdkWorkersInACluster, TwoOfOneProcessShareTheWorkAndAHandlerMayStopItsOwn) {
  std::atomic<int> runs = 0;
  Worker one(options("h1")), two(options("h2"));
  for (Worker* worker : {&one, &two}) {
    worker->handle("k", [&](Attempt& attempt) -> Coroutine<> {
      co_await attempt.sleep_for(milliseconds(1));
      ++runs;
    });
    worker->handle("stop", [worker](Attempt&) { worker->request_stop(); });
    worker->handle("wait", [worker](Attempt&) -> Coroutine<HandlerResult<>> {
      const auto waited = worker->wait();
      if (!waited) co_return std::unexpected(Failure{waited.error().message, true});
      co_return HandlerResult<>{};
    });
    ASSERT_TRUE(worker->start());
  }
  cluster_.wait_for(1, 2);
  Client client = connect();
  const auto ids = client.submit_batch(std::vector<NewTask>(200, task("k"))).value();
  EXPECT_THAT(client.wait_all(ids, minutes(1)).value(), Each(TaskState::succeeded));
  EXPECT_EQ(runs, 200);
  EXPECT_EQ(cluster_.query("SELECT count(DISTINCT worker) FROM ringmaster.task_history"), "2");
  // A coroutine on the loop that waited for its own worker would wait for ever.
  const auto refused = client.wait(client.submit(task("wait")).value(), seconds(30));
  EXPECT_THAT(refused->result->message, HasSubstr("call request_stop()"));
  EXPECT_EQ(client.wait(client.submit(task("stop")).value(), seconds(30))->state, TaskState::succeeded);
  EXPECT_EQ(client.wait(client.submit(task("stop")).value(), seconds(30))->state, TaskState::succeeded);
  EXPECT_TRUE(one.wait());
  EXPECT_TRUE(two.wait());
}

TEST_F(SdkWorkersInACluster, AHandlerMissesItsTimeOutAndTheTaskIsTimedOut) {
  Worker worker(options("h1"));
  worker.handle("k", [](Attempt& attempt) -> Coroutine<> { co_await attempt.stopped(); });
  ASSERT_TRUE(worker.start());
  cluster_.wait_for(1, 1);
  Client client = connect();
  NewTask slow = task("k");
  slow.timeout = milliseconds(50);
  const auto view = client.wait(client.submit(slow).value(), seconds(30));
  EXPECT_EQ(view->state, TaskState::timed_out);
  EXPECT_EQ(view->result->message, "stopped after its time-out of 50ms");
}

TEST_F(SdkWorkersInACluster, ItsTasksHaveNoLogAndThatIsSaid) {
  Worker worker(options("h1"));
  worker.handle("k", [](Attempt& attempt) { attempt.set_output("printed"); });
  ASSERT_TRUE(worker.start());
  cluster_.wait_for(1, 1);
  Client client = connect();
  const TaskId id = client.submit(task("k")).value();
  EXPECT_EQ(client.wait(id, seconds(30))->state, TaskState::succeeded);
  const auto log = cluster_.ringctl({"task", "log", id.text()});
  EXPECT_NE(log.code, 0);
  EXPECT_THAT(log.output, HasSubstr("writes no log"));
}

}  // namespace
}  // namespace ringmaster::sdk
