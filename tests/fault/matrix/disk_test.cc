// Faults of a worker's disk: full under the spool, full under the logs, and one whose fsync fails. It takes
// no more work than it can keep the results of, says why, acknowledges nothing that it has not got, and goes
// on.
#include <fstream>

#include "tests/fault/fault_test.h"
#include "tests/servers/small_disk.h"

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

class DiskFaults : public FaultTest {
 protected:
  static Shape one_worker() {
    return {.masters = 2, .workers = 1, .load = {.noops = 10, .processes = 3, .every = milliseconds(100)}};
  }
  std::filesystem::path data() { return cluster().directory() / "w1"; }
  // While it exists the fsyncs of a worker that was started so fail.
  static std::string failing() {
    return std::filesystem::temp_directory_path() / ("ringmaster-failing-" + std::to_string(::getpid()));
  }
  void TearDown() override {
    std::filesystem::remove(failing());
    FaultTest::TearDown();
  }

  int count_in_log(const std::string& text) {
    const std::string log = cluster().log_of("w1");
    int count = 0;
    for (auto at = log.find(text); at != std::string::npos; at = log.find(text, at + 1)) ++count;
    return count;
  }
  ::testing::AssertionResult says(const std::string& text) {
    if (Cluster::eventually([&] { return count_in_log(text) > 0; }, seconds(30)))
      return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "w1 does not say: " << text;
  }
  // Why a task that is submitted now waits.
  std::string explained() {
    NewTask task;
    task.kind = "noop";
    const auto reply = cluster().client("m1").submit({{task}});
    if (!reply) return reply.error().message;
    std::string text;
    (void)Cluster::eventually(
        [&] {
          const auto told = cluster().client("m1").explain({.id = reply->ids.front()});
          text.clear();
          if (told) {
            for (const auto& reason : told->reasons) text += reason.text + "\n";
          }
          return text.contains("credit");
        },
        seconds(20));
    return text;
  }
  // Once what it had accepted runs, no attempt begins for so long.
  void expect_no_new_work(milliseconds length) {
    EXPECT_TRUE(Cluster::eventually([&] { return !begins_within(milliseconds(500)); }, seconds(30)));
    EXPECT_FALSE(begins_within(length));
  }

 private:
  bool begins_within(milliseconds time) {
    const auto count = [&] {
      std::ifstream file(witness());
      return std::ranges::count(parse_witness({std::istreambuf_iterator<char>(file), {}}),
                                WitnessLine::What::begin, &WitnessLine::what);
    };
    const auto before = count();
    return Cluster::eventually([&] { return count() != before; }, time);
  }
};

TEST_F(DiskFaults, AFullOneUnderTheSpoolStopsNewWorkAndLosesNothing) {
  start_servers(one_worker());
  const SmallDisk disk(data() / "spool", "1m");
  if (!disk.made()) GTEST_SKIP() << "mounting a small file system needs root";
  start_daemons();
  start_load();
  disk.fill();
  EXPECT_TRUE(says(".spool: No space left on device; no new work until this is mended"));
  EXPECT_THAT(explained(), HasSubstr("w1 has no credit left"));
  expect_no_new_work(seconds(3));
  disk.make_room();
  EXPECT_TRUE(says("spool: works again"));
  expect_progress(200);
  expect_promises_kept(Workers::none_was_lost);
}

TEST_F(DiskFaults, AFullOneUnderTheLogsCostsTheirEndsOnly) {
  start_servers(one_worker());
  const SmallDisk disk(data() / "logs", "1m");
  if (!disk.made()) GTEST_SKIP() << "mounting a small file system needs root";
  start_daemons();
  start_load();
  disk.fill();
  NewTask talkative;
  talkative.spec = R"({"shell":"head -c 100000 /dev/zero | tr '\\0' x; echo; echo the end"})";
  const auto reply = cluster().client("m1").submit({std::vector<NewTask>(20, talkative)});
  ASSERT_TRUE(reply);
  for (const TaskId id : reply->ids) {
    const auto got = cluster().client("m1").get({.id = id, .wait = seconds(30)});
    ASSERT_TRUE(got);
    EXPECT_EQ(got->view.row.state, TaskState::succeeded);
    ASSERT_TRUE(got->view.result);
    EXPECT_TRUE(got->view.result->output_tail.ends_with("\nthe end\n"));
  }
  EXPECT_TRUE(says("is incomplete: No space left on device"));
  expect_progress(200);
  disk.make_room();
  expect_progress(200);
  expect_promises_kept(Workers::none_was_lost);
}

TEST_F(DiskFaults, AFailingFsyncStopsNewWorkAndIsNotBelievedAfterwards) {
  Shape shape = one_worker();
  shape.environments["w1"] = {{"LD_PRELOAD", BINARY_ROOT "/libfailing_fsync.so"},
                              {"FAILING_FSYNC", failing()}};
  start(shape);
  for (int i = 0; i < full_or(5, 1); ++i) {
    const int before = count_in_log("spool: works again");
    std::ofstream(failing()) << "now";
    EXPECT_TRUE(says(".spool: Input/output error; no new work until this is mended"));
    EXPECT_THAT(explained(), HasSubstr("w1 has no credit left"));
    expect_no_new_work(seconds(4));
    EXPECT_EQ(count_in_log("spool: works again"), before) << "an fsync that fails again";
    std::filesystem::remove(failing());
    expect_progress(200);
    EXPECT_EQ(count_in_log("spool: works again"), before + 1);
  }
  expect_promises_kept(Workers::none_was_lost);
}

}  // namespace
}  // namespace ringmaster
