// More than a cluster can take at once: from clients that do not read, and of tasks.
#include <fstream>
#include <iterator>

#include "tests/fault/fault_test.h"

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kMiB = 1 << 20;

// The most memory that a process has had.
std::size_t peak_memory(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("VmHWM:")) return std::stoul(line.substr(6)) * 1024;
  return 0;
}

class Overload : public FaultTest {
 protected:
  // What one task takes that is more urgent than all the others.
  milliseconds urgent_task() {
    NewTask urgent;
    urgent.kind = "noop";
    urgent.priority = 9;
    const auto begun = std::chrono::steady_clock::now();
    const auto reply = cluster().client("m1").submit({{urgent}});
    EXPECT_TRUE(reply);
    if (reply) {
      const auto got = cluster().client("m1").get({.id = reply->ids.front(), .wait = seconds(60)});
      EXPECT_TRUE(got && is_terminal(got->view.row.state));
    }
    return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begun);
  }
};

TEST_F(Overload, ClientsThatAskAndDoNotReadCostLittleMemoryAndNobodysTime) {
  constexpr int kClients = 5, kRequests = 400;
  start({.masters = 1, .workers = 2, .load = {.noops = 10, .processes = 1, .every = milliseconds(100)}});
  NewTask large;
  large.kind = "noop";
  large.labels = R"({"padding":")";
  large.labels.append(3'000, 'x').append(R"("})");
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(cluster().client("m1").submit({std::vector<NewTask>(300, large)}));
  ChildProcess& master = cluster().process("m1");
  const std::size_t before = peak_memory(master.pid());
  std::vector<std::unique_ptr<ChildProcess>> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<ChildProcess>(
        std::vector<std::string>{BINARY_ROOT "/flooding_client", cluster().address_of("m1"),
                                 cluster().secret(), std::to_string(kRequests)},
        ChildProcess::Options{.output = cluster().directory() / ("flood-" + std::to_string(i))}));
  }
  milliseconds longest{0};
  for (int i = 0; i < full_or(100, 20); ++i) longest = std::max(longest, urgent_task());
  const std::size_t grown = peak_memory(master.pid()) - before;
  std::printf("%zu MiB more; others waited at most %lld ms\n", grown / kMiB,
              static_cast<long long>(longest.count()));
  EXPECT_LT(grown, kSlower * 400 * kMiB) << "64 MiB for each of them, and then it is cut off";
  EXPECT_LT(longest, kSlower * seconds(15));
  expect_progress(200);
  expect_promises_kept(Workers::none_was_lost);
}

TEST_F(Overload, AFloodWaitsInTheDatabaseAndUrgentTasksPassIt) {
  const int kBatches = full_or(5, 3);
  constexpr std::size_t kBatch = 10'000 / kSlower;
  start({.workers = 3,
         .worker_flags = {"--slots", "2"},
         .load = {.noops = 1, .processes = 1, .every = milliseconds(200)}});
  NewTask noop;
  noop.kind = "noop";
  const std::int64_t before = ended();
  const auto client = cluster().client_of_all();
  for (int i = 0; i < kBatches; ++i) ASSERT_TRUE(client->submit({std::vector<NewTask>(kBatch, noop)}));
  milliseconds longest{0};
  for (int i = 0; i < 5; ++i) longest = std::max(longest, urgent_task());
  const std::int64_t waiting = std::stoll(cluster().query("SELECT count(*) FROM ringmaster.task"));
  std::printf("urgent ones took at most %lld ms while %lld waited\n", static_cast<long long>(longest.count()),
              static_cast<long long>(waiting));
  EXPECT_LT(longest, kSlower * seconds(10));
  for (const char* master : {"m1", "m2", "m3"})
    EXPECT_LT(peak_memory(cluster().process(master).pid()), kSlower * 500 * kMiB);
  EXPECT_TRUE(Cluster::eventually(
      [&] { return ended() >= before + kBatches * static_cast<std::int64_t>(kBatch); }, seconds(120)));
  expect_promises_kept(Workers::none_was_lost);
}

}  // namespace
}  // namespace ringmaster
