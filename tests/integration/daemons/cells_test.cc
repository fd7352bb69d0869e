// Beyond one PostgreSQL: two cells, each a cluster with a database server of its own, on one ZooKeeper
// (docs/scaling.md).
#include <chrono>
#include <memory>
#include <string>

#include <gmock/gmock.h>

#include "tests/servers/cluster.h"

namespace ringmaster {
namespace {

using std::chrono::seconds;

// A cell beside `first`: even its nodes have the same names.
class SecondCell {
 public:
  explicit SecondCell(Cluster& first) {
    const std::string bin = BINARY_ROOT, database = server_.conninfo(server_.make_database());
    ChildProcess migrate({bin + "/ringmaster", "migrate", "--database", database},
                         {.output = first.directory() / "migrate-2.log"});
    EXPECT_EQ(migrate.wait(seconds(30)), 0) << migrate.output();
    const auto start = [&](std::vector<std::string> argv, const std::string& log) {
      argv.insert(argv.end(), {"--cluster", "cell-2", "--zookeeper", first.zookeeper()});
      return std::make_unique<ChildProcess>(
          std::move(argv), ChildProcess::Options{.output = first.directory() / (log + ".log")});
    };
    master_ = start({bin + "/ringmaster", "serve", "--node-id", "m1", "--listen", address(), "--http-listen",
                     "127.0.0.1:0", "--database", database},
                    "second-m1");
    worker_ = start({bin + "/ringworker", "serve", "--node-id", "w1", "--listen", "127.0.0.1:0", "--data-dir",
                     first.directory() / "second-w1"},
                    "second-w1");
    EXPECT_TRUE(Cluster::eventually(
        [&] {
          auto client = Client::connect({.addresses = {address()}, .cluster = "cell-2"});
          if (!client) return false;
          client_ = *std::move(client);
          const auto state = client_->cluster();
          return state && state->masters == 1 && state->workers == 1 && state->shards_owned == kShardCount;
        },
        seconds(30)));
  }
  Client& client() { return *client_; }
  PostgresServer& postgres() { return server_; }

 private:
  const std::string& address() {
    if (address_.empty()) address_ = free_loopback_address();
    return address_;
  }

  PostgresServer server_;
  std::string address_;
  std::unique_ptr<ChildProcess> master_, worker_;
  std::unique_ptr<Client> client_;
};

Result<SubmitReply> submit(Client& client, std::size_t count) {
  NewTask task;
  task.kind = "noop";
  return client.submit({std::vector<NewTask>(count, task)});
}

bool all_end(Client& client, std::uint64_t completed) {
  return Cluster::eventually(
      [&] {
        const auto state = client.cluster();
        return state && state->completed == completed && state->accepted == completed;
      },
      seconds(20));
}

TEST(Cells, OnesDatabaseIsGoneAndTheOtherDoesNotNotice) {
  Cluster first;
  first.start_master("m1");
  first.start_worker("w1");
  first.wait_for(1, 1);
  SecondCell second(first);
  ASSERT_TRUE(submit(first.client("m1"), 100));
  ASSERT_TRUE(submit(second.client(), 200));
  EXPECT_TRUE(all_end(first.client("m1"), 100));
  EXPECT_TRUE(all_end(second.client(), 200));

  second.postgres().stop();
  const auto refused = submit(second.client(), 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unavailable);
  ASSERT_TRUE(submit(first.client("m1"), 100));
  EXPECT_TRUE(all_end(first.client("m1"), 200));

  second.postgres().start();
  EXPECT_TRUE(Cluster::eventually([&] { return submit(second.client(), 1).has_value(); }, seconds(20)));
  EXPECT_TRUE(Cluster::eventually(
      [&] {
        const auto state = second.client().cluster();
        return state && state->completed == state->accepted;
      },
      seconds(20)));
}

}  // namespace
}  // namespace ringmaster
