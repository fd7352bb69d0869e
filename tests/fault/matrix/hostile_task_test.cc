// Tasks that mean harm, or are broken as badly: each dies alone. Nothing of it is left, its worker serves on,
// and whoever is beside it waits no longer than a bound. All are bounded, for the machine's sake.
#include <fstream>
#include <iterator>

#include "tests/fault/fault_test.h"

namespace ringmaster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// In the environment of whatever a hostile task starts, or among the arguments of what takes that away.
const std::string kMark = "ringmaster-hostile-" + std::to_string(::getpid());
constexpr auto kProbeBound = seconds(10);

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

int marked_processes() {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const bool marked = text_of(entry.path() / "environ").contains(kMark) ||
                        text_of(entry.path() / "cmdline").contains(kMark);
    count += marked;
  }
  return count;
}

std::uintmax_t size_of(const std::filesystem::path& directory) {
  std::uintmax_t size = 0;
  std::error_code gone;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory, gone))
    if (entry.is_regular_file(gone)) size += entry.file_size(gone);
  return size;
}

struct Hostile {
  const char* what;
  const char* shell;
  const char* limits;
  const char* states;   // as in task_history: any of these
  const char* message;  // a part of it
  seconds timeout{3};
};

constexpr const char* kSucceeded = "10";
constexpr const char* kFailed = "11";
constexpr const char* kTimedOut = "13";
constexpr const char* kFailedOrTimedOut = "11, 13";  // its shell ends where it cannot fork

const Hostile kHostile[] = {
    {"a fork bomb", "b() { while :; do b & done; }; b & b & while :; do :; done",
     R"({"processes":60,"memory":"128MiB","cpu":0.25})", kFailedOrTimedOut, ""},
    {"a memory hog", "a=x; while :; do a=$a$a; done", R"({"memory":"32MiB","cpu":0.5})", kFailed,
     "out of memory, its limit is 32MiB", seconds(60)},
    {"one that escapes into a session of its own",
     "trap '' TERM; (env -i setsid sh -c 'trap \\\"\\\" TERM HUP; while :; do sleep 0.1; done' $MARK &) & "
     "sleep 0.5",
     R"({"processes":20})", kSucceeded, ""},
    {"one that does so and does not end itself",
     "trap '' TERM; (setsid sh -c 'trap \\\"\\\" TERM HUP; while :; do sleep 0.1; done' &) & while :; do "
     "sleep 0.1; done",
     R"({"processes":20})", kTimedOut, ""},
    {"a flood of output", "yes $(head -c 4000 /dev/zero | tr '\\\\0' x)", R"({"cpu":0.25})", kTimedOut, ""},
};

class HostileTasks : public FaultTest {
 protected:
  // Attempts in cgroups with all controllers.
  bool has_cgroups(const std::string& worker) {
    const std::string log = cluster().log_of(worker);
    return log.contains("kill, memory, cpu, processes");
  }
  NewTask task_of(const Hostile& hostile) const {
    NewTask task;
    task.spec = std::string(R"({"shell":")") + hostile.shell + R"(","env":{"MARK":")" + kMark +
                R"("},"kill_grace":"500ms","limits":)" + hostile.limits + "}";
    task.timeout = hostile.timeout;
    return task;
  }
  std::string rows_with(const std::vector<TaskId>& ids, const std::string& condition) {
    std::string list;
    for (const TaskId id : ids) list += (list.empty() ? "" : ",") + std::to_string(id.value);
    return cluster().query("SELECT count(*) FROM ringmaster.task_history WHERE id IN (" + list + ")" +
                           condition);
  }
  // The longest that one of them took while those tasks ran.
  milliseconds probe_until_ended(const std::vector<TaskId>& ids) {
    NewTask probe;
    probe.spec = R"({"argv":["true"]})";
    milliseconds longest{0};
    const auto deadline = std::chrono::steady_clock::now() + seconds(120);
    while (rows_with(ids, "") != std::to_string(ids.size())) {
      const auto begun = std::chrono::steady_clock::now();
      if (begun > deadline) {
        ADD_FAILURE() << "they have not ended";
        break;
      }
      const auto reply = cluster().client("m1").submit({{probe}});
      if (reply) (void)cluster().client("m1").get({.id = reply->ids.front(), .wait = seconds(30)});
      longest = std::max(longest,
                         std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begun));
    }
    return longest;
  }
};

TEST_F(HostileTasks, DieAlone) {
  start({.masters = 1,
         .workers = 2,
         .worker_flags = {"--slots", "16", "--cgroup-root", "auto", "--log-max-size", "1MiB"},
         .load = {.noops = 10, .processes = 2, .every = milliseconds(100)}});
  if (!has_cgroups("w1")) GTEST_SKIP() << "no cgroups with these controllers";
  for (const Hostile& hostile : kHostile) {
    SCOPED_TRACE(hostile.what);
    // Some for each worker.
    const auto reply =
        cluster().client("m1").submit({std::vector<NewTask>(full_or(16, 4), task_of(hostile))});
    ASSERT_TRUE(reply) << reply.error().message;
    const auto longest = probe_until_ended(reply->ids);
    std::printf("%s: others took at most %lld ms\n", hostile.what, static_cast<long long>(longest.count()));
    EXPECT_LE(longest, kProbeBound);
    const std::string as_expected = std::string(" AND state IN (") + hostile.states +
                                    ") AND strpos(coalesce(message, ''), '" + hostile.message + "') > 0";
    EXPECT_EQ(rows_with(reply->ids, as_expected), std::to_string(reply->ids.size())) << cluster().query(
        "SELECT concat_ws(' ', state, exit_code, signal, message, output_tail) FROM "
        "ringmaster.task_history WHERE id = " +
        std::to_string(reply->ids.front().value));
    EXPECT_TRUE(Cluster::eventually([] { return marked_processes() == 0; }, seconds(10)))
        << marked_processes() << " are left";
  }
  for (const char* worker : {"w1", "w2"}) {
    EXPECT_TRUE(cluster().process(worker).running());
    EXPECT_LT(size_of(cluster().directory() / worker), 64U << 20);
  }
  expect_progress(100);
  expect_promises_kept(Workers::none_was_lost);
}

}  // namespace
}  // namespace ringmaster
