// The main job, end to end, with real processes on every side.
#include <fstream>
#include <map>
#include <set>

#include <gmock/gmock.h>

#include "base/hash_ring.h"
#include "tests/servers/cluster.h"

namespace ringmaster {
namespace {

using std::chrono::seconds;

std::vector<TaskId> submit(Client& client, const std::vector<NewTask>& tasks) {
  std::vector<TaskId> ids;
  for (std::size_t at = 0; at < tasks.size(); at += 500) {
    const auto end = tasks.begin() + static_cast<std::ptrdiff_t>(std::min(tasks.size(), at + 500));
    auto reply = client.submit({{tasks.begin() + static_cast<std::ptrdiff_t>(at), end}});
    if (!reply) throw std::runtime_error(reply.error().message);
    ids.insert(ids.end(), reply->ids.begin(), reply->ids.end());
  }
  return ids;
}

// Each task's end, in the order of `ids`.
std::vector<WaitReply::Item> wait_all(Client& client, const std::vector<TaskId>& ids) {
  std::vector<WaitReply::Item> items;
  for (std::size_t at = 0; at < ids.size(); at += 5'000) {
    const std::vector<TaskId> part(
        ids.begin() + static_cast<std::ptrdiff_t>(at),
        ids.begin() + static_cast<std::ptrdiff_t>(std::min(ids.size(), at + 5'000)));
    for (int round = 0;; ++round) {
      auto reply = client.wait({.ids = part, .wait = seconds(30)});
      if (!reply) throw std::runtime_error(reply.error().message);
      const bool all = std::all_of(reply->items.begin(), reply->items.end(),
                                   [](const auto& i) { return is_terminal(i.state); });
      if (all || round == 10) {
        items.insert(items.end(), reply->items.begin(), reply->items.end());
        break;
      }
    }
  }
  return items;
}

NewTask shell(const std::string& command) {
  NewTask task;
  task.spec = R"({"shell": ")" + command + R"("})";
  return task;
}

NewTask noop() {
  NewTask task;
  task.kind = "noop";
  return task;
}

TEST(MainJob, TwentyThousandProcessTasksThroughTwoMastersRunOnceEach) {
  Cluster cluster;
  cluster.start_master("m1");
  cluster.start_master("m2");
  for (const char* id : {"w1", "w2", "w3"}) cluster.start_worker(id, {"--slots", "4"});
  cluster.wait_for(2, 3);
  EXPECT_NE(cluster.query("SELECT count(DISTINCT owner) FROM ringmaster.shard"), "1")
      << "both masters own shards";

  const std::string witness = cluster.directory() / "witness";
  const std::vector<NewTask> half(10'000, shell("echo $RINGMASTER_TASK_ID >> " + witness));
  std::vector<TaskId> ids = submit(cluster.client("m1"), half);
  for (const TaskId id : submit(cluster.client("m2"), half)) ids.push_back(id);
  std::set<std::string> expected;
  for (const TaskId id : ids) expected.insert(to_string(id));
  ASSERT_EQ(expected.size(), 20'000u);

  std::map<TaskState, int> states;
  for (const auto& item : wait_all(cluster.client("m1"), ids)) ++states[item.state];
  EXPECT_EQ(states, (std::map<TaskState, int>{{TaskState::succeeded, 20'000}}));

  std::multiset<std::string> seen;
  std::ifstream lines(witness);
  for (std::string line; std::getline(lines, line);) seen.insert(line);
  EXPECT_EQ(seen.size(), 20'000u) << "each ran once";
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()), expected);

  EXPECT_EQ(
      cluster.query("SELECT count(*) || '/' || count(DISTINCT id) || '/' || count(DISTINCT worker) || '/' || "
                    "min(attempt) || '/' || max(attempt) FROM ringmaster.task_history"),
      "20000/20000/3/1/1");
  EXPECT_EQ(cluster.query("SELECT count(*) FROM ringmaster.task"), "0");
  EXPECT_THAT(cluster.ringctl({"worker", "list"}).output,
              ::testing::AllOf(::testing::HasSubstr("w1"), ::testing::HasSubstr("w3")));
}

TEST(MainJob, TheRingDecidesAndOnlyTheKeysOfAStoppedWorkerMove) {
  Cluster cluster;
  cluster.start_master("m1");
  for (const char* id : {"w1", "w2", "w3"}) cluster.start_worker(id, {"--slots", "8"});
  cluster.wait_for(1, 3);

  std::vector<NewTask> keyed;
  std::string keys;
  for (int i = 0; i < 1'000; ++i) {
    NewTask task = noop();
    task.routing_key = "customer-" + std::to_string(i);
    task.routing = Routing::strict;
    keys += task.routing_key + "\n";
    keyed.push_back(std::move(task));
  }
  const auto owners = [&](const std::string& servers) {
    const auto ran = cluster.ringctl({"ring", "owner", "--mode", "ringmaster", "--servers", servers}, keys);
    EXPECT_EQ(ran.code, 0) << ran.output;
    std::vector<std::string> result;
    std::istringstream lines(ran.output);
    for (std::string line; std::getline(lines, line);) result.push_back(line.substr(line.find('\t') + 1));
    EXPECT_EQ(result.size(), 1'000u);
    result.resize(1'000);
    return result;
  };
  const auto workers_of = [&](const std::vector<WaitReply::Item>& items) {
    std::vector<std::string> result;
    for (const auto& item : items) result.push_back(item.worker);
    return result;
  };
  const auto with_all = owners("w1,w2,w3");
  EXPECT_EQ(workers_of(wait_all(cluster.client("m1"), submit(cluster.client("m1"), keyed))), with_all);

  cluster.stop_worker("w2");
  cluster.wait_for(1, 2);
  const auto without = workers_of(wait_all(cluster.client("m1"), submit(cluster.client("m1"), keyed)));
  EXPECT_EQ(without, owners("w1,w3"));
  for (std::size_t i = 0; i < 1'000; ++i) {
    if (with_all[i] != "w2") {
      EXPECT_EQ(without[i], with_all[i]) << keyed[i].routing_key << " had no reason to move";
    }
  }
}

TEST(MainJob, MastersRunWhateverIsInTheDatabase) {
  Cluster cluster;
  // 100,000 rows of a cluster that nobody serves yet.
  cluster.query(
      "INSERT INTO ringmaster.task (id, rank, run_at, created_at, state, priority, ns, kind, grp, spec) "
      "SELECT ((1000000 + i) << 8) | (i % 256), (extract(epoch FROM now()) * 1000000)::bigint + i, now(), "
      "now(), 1, 5, "
      "'default', 'noop', CASE WHEN i % 10 = 0 THEN 'other' ELSE 'default' END, '{}' FROM generate_series(1, "
      "100000) i");
  cluster.start_master("m1");
  cluster.start_master("m2");
  cluster.start_worker("w1", {"--slots", "64", "--groups", "default"});
  cluster.start_worker("w2", {"--slots", "64", "--groups", "default,other"});
  EXPECT_TRUE(Cluster::eventually(
      [&] { return cluster.query("SELECT count(*) FROM ringmaster.task") == "0"; }, seconds(120)));
  EXPECT_EQ(cluster.query(
                "SELECT count(*) || '/' || count(DISTINCT id) || '/' || min(state) || '/' || max(state) FROM "
                "ringmaster.task_history"),
            "100000/100000/10/10");
}

TEST(MainJob, ALatecomerMasterGetsItsShareAndAnOrderlyStopGivesItBack) {
  Cluster cluster;
  cluster.start_master("m1");
  cluster.start_worker("w1", {"--slots", "4"});
  cluster.wait_for(1, 1);
  const auto long_running =
      submit(cluster.client("m1"), std::vector<NewTask>(4, shell("sleep 3; echo done")));
  ASSERT_TRUE(Cluster::eventually(
      [&] { return cluster.query("SELECT count(*) FROM ringmaster.task WHERE state = 2") == "4"; },
      seconds(20)));
  cluster.start_master("m2");
  cluster.wait_for(2, 1);
  EXPECT_TRUE(Cluster::eventually(
      [&] {
        const auto state = cluster.client("m2").cluster();
        return state && state->shards_owned > 60;
      },
      seconds(20)));
  cluster.stop_master("m1");
  cluster.wait_for(1, 1);
  for (const auto& item : wait_all(cluster.client("m2"), long_running))
    EXPECT_EQ(item.state, TaskState::succeeded);
  EXPECT_EQ(cluster.query("SELECT max(attempt) FROM ringmaster.task_history"), "1")
      << "running attempts are not touched";
}

TEST(MainJob, AWorkerKilledMidwayLosesNothingAndItsChildrenDie) {
  Cluster cluster;
  cluster.start_master("m1");
  cluster.start_worker("w1", {"--slots", "4"});
  cluster.wait_for(1, 1);
  const std::string pids = cluster.directory() / "pids";
  const auto ids =
      submit(cluster.client("m1"), std::vector<NewTask>(4, shell("echo $$ >> " + pids + "; sleep 2")));
  const auto lines_of = [&] {
    std::vector<int> result;
    std::ifstream file(pids);
    for (int pid = 0; file >> pid;) result.push_back(pid);
    return result;
  };
  ASSERT_TRUE(Cluster::eventually([&] { return lines_of().size() == 4; }, seconds(20)));
  cluster.stop_worker("w1", SIGKILL);
  for (const int pid : lines_of()) {
    EXPECT_TRUE(Cluster::eventually([&] { return ::kill(pid, 0) != 0; }, seconds(10)))
        << pid << " outlived its worker";
  }
  cluster.start_worker("w1", {"--slots", "4"});
  for (const auto& item : wait_all(cluster.client("m1"), ids)) EXPECT_EQ(item.state, TaskState::succeeded);
  EXPECT_EQ(cluster.query("SELECT min(attempt) || '/' || max(attempt) FROM ringmaster.task_history"), "2/2");
}

TEST(MainJob, AKilledMasterComesBackAndFinishesWhatWasAccepted) {
  Cluster cluster;
  cluster.start_master("m1");
  cluster.start_worker("w1", {"--slots", "2"});
  cluster.wait_for(1, 1);
  const auto ids = submit(cluster.client("m1"), std::vector<NewTask>(200, shell("sleep 0.05")));
  cluster.stop_master("m1", SIGKILL);
  cluster.start_master("m1");
  cluster.wait_for(1, 1);
  for (const auto& item : wait_all(cluster.client("m1"), ids)) EXPECT_EQ(item.state, TaskState::succeeded);
  EXPECT_EQ(cluster.query("SELECT count(*) || '/' || max(attempt) FROM ringmaster.task_history"), "200/1");
}

TEST(MainJob, AWorkersNextLifeTellsHowItsAttemptsDied) {
  Cluster cluster;
  cluster.start_master("m1");
  cluster.start_worker("w1");
  cluster.wait_for(1, 1);
  NewTask task;
  task.kind = "process";
  task.spec = R"({"shell": "echo its last line; exec sleep 1000"})";
  task.on_worker_lost = OnWorkerLost::fail;
  const TaskId id = submit(cluster.client("m1"), {task}).at(0);
  const auto get = [&] { return cluster.ringctl({"task", "get", to_string(id)}).output; };
  EXPECT_TRUE(Cluster::eventually([&] { return get().contains("RUNNING"); }, std::chrono::seconds(20)));
  cluster.stop_worker("w1", SIGKILL);
  cluster.start_worker("w1");
  EXPECT_TRUE(Cluster::eventually(
      [&] {
        const std::string text = get();
        return text.contains("LOST") && text.contains("killed by signal 9") && text.contains("its last line");
      },
      std::chrono::seconds(20)))
      << get();
}

TEST(MainJob, OutputIsReadFromItsWorkerThroughAnyMasterWhileItIsWritten) {
  Cluster cluster;
  cluster.start_master("m1");
  cluster.start_master("m2");
  for (const char* id : {"w1", "w2"}) cluster.start_worker(id);
  cluster.wait_for(2, 2);
  const std::string go = cluster.directory() / "go";
  const auto task = shell("echo first; while ! test -e " + go + "; do sleep 0.02; done; echo second >&2");
  const TaskId id = submit(cluster.client("m1"), {task}).at(0);
  std::string seen;
  for (const char* master : {"m1", "m2"}) {
    EXPECT_TRUE(Cluster::eventually(
        [&] {
          const auto reply = cluster.client(master).log({.id = id});
          seen = reply ? reply->bytes + (reply->over ? " over" : "") : reply.error().message;
          return seen == "first\n";
        },
        std::chrono::seconds(20)))
        << master << ": " << seen;
  }
  std::ofstream(go) << "go";
  const auto followed = cluster.ringctl({"task", "log", "--follow", to_string(id)});
  EXPECT_EQ(followed.code, 0) << followed.output;
  EXPECT_EQ(followed.output, "first\nsecond\n");
  const auto none = cluster.ringctl({"task", "log", "--attempt", "7", to_string(id)});
  EXPECT_EQ(none.code, 125);
  EXPECT_THAT(none.output, ::testing::HasSubstr("there is no attempt 7"));
}

TEST(MainJob, GroupsAreCountedOverAllMasters) {
  Cluster cluster;
  cluster.start_master("m1");
  cluster.start_master("m2");
  cluster.start_worker("w1", {"--groups", "default,gpu", "--slots", "2"});
  cluster.wait_for(2, 1);
  NewTask waits = noop();
  waits.group = "nobody";
  for (const char* master : {"m1", "m2"}) submit(cluster.client(master), std::vector<NewTask>(30, waits));
  GroupsReply groups;
  EXPECT_TRUE(Cluster::eventually(
      [&] {
        const auto reply = cluster.client("m2").groups();
        if (reply) groups = *reply;
        return groups.groups.size() == 3 && groups.groups[2].waiting_in_memory == 60;
      },
      std::chrono::seconds(20)));
  ASSERT_EQ(groups.groups.size(), 3u);
  EXPECT_THAT(groups.not_answered, ::testing::IsEmpty());
  EXPECT_EQ(groups.groups[0].name, "default");
  EXPECT_EQ(groups.groups[0].workers, 1u);
  EXPECT_EQ(groups.groups[1].name, "gpu");
  EXPECT_EQ(groups.groups[1].slots, 2u);
  EXPECT_EQ(groups.groups[2].name, "nobody");
  EXPECT_EQ(groups.groups[2].workers, 0u);
}

TEST(MainJob, ASubmissionWithAKeyIsOneTaskThroughAnyMaster) {
  Cluster cluster;
  cluster.start_master("m1");
  cluster.start_master("m2");
  cluster.start_worker("w1");
  cluster.wait_for(2, 1);
  NewTask task = noop();
  task.idempotency_key = "invoice-4711";
  std::set<TaskId> ids;
  for (const char* master : {"m1", "m2", "m1"}) ids.insert(submit(cluster.client(master), {task}).at(0));
  EXPECT_EQ(ids.size(), 1u);
  task.priority = 9;
  const auto other = cluster.client("m2").submit({{task}});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::key_reused);
  EXPECT_THAT(other.error().message, ::testing::HasSubstr(to_string(*ids.begin())));
}

}  // namespace
}  // namespace ringmaster
