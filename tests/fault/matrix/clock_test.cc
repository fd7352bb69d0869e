// Cluster time, which says when tasks are due, when the database that tells it is slow to answer.
#include "tests/fault/fault_test.h"

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class ClockFaults : public FaultTest {};

TEST_F(ClockFaults, NoTaskBeginsBeforeItsTimeWhenTheDatabaseWasFrozen) {
  start_daemons({.masters = 1, .workers = 1});
  const auto client = cluster().client_of_all();
  // The master asks for the time every 5 s: so long that it has, and is answered at the end.
  cluster().postgres().freeze_all();
  EXPECT_FALSE(Cluster::eventually([] { return false; }, milliseconds(7'500)));
  cluster().postgres().thaw_all();

  // Until it has asked again.
  const auto until = std::chrono::steady_clock::now() + seconds(6);
  while (std::chrono::steady_clock::now() < until) {
    NewTask task;
    task.kind = "noop";
    task.run_at = read_wall_clock() + seconds(1);
    const auto reply = client->submit({{task}});
    ASSERT_TRUE(reply) << reply.error().message;
    ASSERT_TRUE(client->get({.id = reply->ids.front(), .wait = seconds(10)}));
  }
  EXPECT_EQ(cluster().query(
                "SELECT count(*) FROM ringmaster.task_history WHERE started_at < run_at - interval '50 ms'"),
            "0");
  EXPECT_THAT(cluster().log_of("m1"), ::testing::Not(::testing::HasSubstr("clock jumped")));
}

}  // namespace
}  // namespace ringmaster
