// What a Worker says before it serves; how it serves is tests/integration/daemons/sdk_test.cc's.
#include "ringmaster/worker.h"

#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include <gmock/gmock.h>

namespace ringmaster::sdk {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

class SdkWorkers : public testing::Test {
 protected:
  SdkWorkers() {
    std::string pattern = (std::filesystem::temp_directory_path() / "ringmaster-sdk-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    options_.node_id = "h1";
    options_.data_dir = directory_ / "data";
    options_.groups = {"g"};
    options_.zookeeper = "127.0.0.1:1";  // nobody listens there
    options_.start_timeout = milliseconds(100);
  }
  ~SdkWorkers() override {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  static void nothing(Attempt&) {}
  Error refusal() const {
    Worker worker(options_);
    worker.handle("k", nothing);
    const auto started = worker.start();
    EXPECT_FALSE(started);
    return started ? Error{} : started.error();
  }

  std::filesystem::path directory_;
  WorkerOptions options_;
};

TEST_F(SdkWorkers, RefuseEachBadOptionByItsName) {
  struct Case {
    const char* field;
    std::function<void(WorkerOptions&)> spoil;
  };
  const std::vector<Case> cases{
      {"node_id", [](WorkerOptions& o) { o.node_id = ""; }},
      {"node_id", [](WorkerOptions& o) { o.node_id = "a/b"; }},
      {"data_dir", [](WorkerOptions& o) { o.data_dir = ""; }},
      {"groups", [](WorkerOptions& o) { o.groups = {}; }},
      {"groups", [](WorkerOptions& o) { o.groups = {"not allowed"}; }},
      {"listen", [](WorkerOptions& o) { o.listen = "0.0.0.0:0"; }},
      {"slots", [](WorkerOptions& o) { o.slots = 1'000'000; }},
      {"threads", [](WorkerOptions& o) { o.threads = 1'000'000; }},
      {"prefetch", [](WorkerOptions& o) { o.prefetch = 0; }},
      {"log_level", [](WorkerOptions& o) { o.log_level = "loud"; }},
  };
  const WorkerOptions good = options_;
  for (const Case& bad : cases) {
    options_ = good;
    bad.spoil(options_);
    const Error error = refusal();
    EXPECT_EQ(error.code, ErrorCode::invalid_argument) << bad.field;
    EXPECT_EQ(error.field, bad.field) << error.message;
  }
}

TEST_F(SdkWorkers, RefuseToStartWithoutHandlersAndWithBadOnes) {
  EXPECT_THAT(Worker(options_).start().error().message, HasSubstr("call handle() before start()"));
  Worker twice(options_);
  twice.handle("k", nothing);
  twice.handle("k", nothing);
  EXPECT_THAT(twice.start().error().message, HasSubstr("two handlers for k"));
  Worker unnameable(options_);
  unnameable.handle("no kind", nothing);
  EXPECT_THAT(unnameable.start().error().message, HasSubstr("`no kind` is not allowed"));
}

TEST_F(SdkWorkers, AStartWithoutZooKeeperEndsInTimeAndMayBeTriedAgain) {
  Worker worker(options_);
  worker.handle("k", nothing);
  for (int i = 0; i < 2; ++i) {
    const auto started = worker.start();
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, ErrorCode::unavailable);
    EXPECT_THAT(started.error().message, HasSubstr("ZooKeeper at 127.0.0.1:1 does not answer"));
  }
}

TEST_F(SdkWorkers, AStopDuringTheStartEndsThat) {
  options_.start_timeout = std::chrono::minutes(10);
  Worker worker(options_);
  worker.handle("k", nothing);
  std::jthread stopper([&] {
    while (worker.address().empty()) std::this_thread::yield();
    worker.request_stop();
  });
  const auto started = worker.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, ErrorCode::cancelled) << started.error().message;
}

TEST_F(SdkWorkers, OneThatNeverStartedMayBeStopped) {
  Worker worker(options_);
  worker.handle("k", nothing);
  EXPECT_TRUE(worker.stop());
  EXPECT_EQ(worker.address(), "");
}

}  // namespace
}  // namespace ringmaster::sdk
