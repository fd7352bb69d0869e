// `ringctl cluster audit` on real daemons: clean under load, and each violation that is planted by SQL is
// named there, over HTTP and in /metrics.
#include <regex>

#include <gmock/gmock.h>

#include "tests/servers/cluster.h"

namespace ringmaster {
namespace {

using std::chrono::seconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Audits : public testing::Test {
 protected:
  std::string http(const std::string& master, const std::string& path) {
    const std::string log = cluster_.log_of(master);
    std::smatch found;
    if (!std::regex_search(log, found, std::regex("HTTP on (\\S+)"))) return "no HTTP address in " + log;
    const auto output = cluster_.directory() / ("http-" + std::to_string(++runs_));
    ChildProcess curl({"curl", "-sS", "--max-time", "60", "http://" + found[1].str() + path},
                      {.output = output});
    curl.wait(seconds(70));
    return curl.output();
  }
  TaskId submit(const std::string& spec) {
    NewTask task;
    task.kind = "noop";
    task.spec = spec;
    const auto reply = cluster_.client("m1").submit({{task}});
    EXPECT_TRUE(reply);
    return reply ? reply->ids.front() : TaskId{};
  }
  void ended(TaskId id) {
    const auto reply = cluster_.client("m1").get({id, seconds(30), false});
    ASSERT_TRUE(reply);
    ASSERT_EQ(reply->view.row.state, TaskState::succeeded);
  }
  // A row of `task` that no master was told of, at the very head of its lane.
  TaskId plant(std::int64_t sequence, const std::string& state_and_worker) {
    const TaskId id = make_task_id(sequence, static_cast<ShardId>(sequence));
    cluster_.query(
        "INSERT INTO ringmaster.task (id, rank, run_at, created_at, priority, ns, kind, grp, spec, state, "
        "worker, worker_incarnation, epoch) VALUES (" +
        std::to_string(id.value) + ", " + std::to_string(sequence) +
        ", now() - interval '1 hour', now(), 5, 'default', 'noop', 'default', '{}', " + state_and_worker +
        ")");
    return id;
  }
  Cluster::Ran audit(std::vector<std::string> flags = {}) {
    std::vector<std::string> words{"cluster", "audit"};
    words.insert(words.end(), flags.begin(), flags.end());
    return cluster_.ringctl(words);
  }
  // A line of the page: this check, this subject.
  static auto names(const std::string& subject, const std::string& text) {
    return HasSubstr(subject + ": " + text);
  }

  Cluster cluster_;
  int runs_ = 0;
};

TEST_F(Audits, ABusyClusterIsCleanThroughout) {
  cluster_.start_master("m1", {"--audit-interval", "1s"});
  cluster_.start_master("m2", {"--audit-interval", "1s"});
  cluster_.start_worker("w1", {"--slots", "4"});
  cluster_.start_worker("w2", {"--slots", "4"});
  cluster_.wait_for(2, 2);
  constexpr std::size_t kTasks = 4'000;
  SubmitRequest request;
  request.tasks.resize(kTasks);
  for (NewTask& task : request.tasks) {
    task.kind = "noop";
    task.spec = R"({"sleep": "10ms"})";
  }
  const auto submitted = cluster_.client("m1").submit(request);
  ASSERT_TRUE(submitted);
  int audits = 0;
  bool over = false;
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!over && std::chrono::steady_clock::now() < patience) {
    over = cluster_.query("SELECT count(*) FROM ringmaster.task") == "0";
    const auto ran = audit(audits % 4 == 3 ? std::vector<std::string>{"--full"} : std::vector<std::string>{});
    ASSERT_EQ(ran.code, 0) << ran.output;
    ++audits;
  }
  EXPECT_TRUE(over);
  EXPECT_GE(audits, 2) << "at least one of them while it was busy";
  EXPECT_THAT(cluster_.log_of("m1") + cluster_.log_of("m2"), Not(HasSubstr("audit: ")));
  // One of the two makes audits by itself.
  EXPECT_TRUE(Cluster::eventually(
      [&] {
        const std::string both = http("m1", "/metrics") + http("m2", "/metrics");
        return both.contains("ringmaster_audit_leader 1") && both.contains("ringmaster_audit_leader 0") &&
               both.contains("ringmaster_audit_complete 1");
      },
      seconds(30)));
}

TEST_F(Audits, EachPlantedViolationIsNamed) {
  cluster_.start_master("m1", {"--audit-interval", "1s"});
  cluster_.start_worker("w1", {"--slots", "2"});
  cluster_.wait_for(1, 1);
  const TaskId twice = submit("{}"), unended = submit("{}");
  ended(twice);
  ended(unended);
  const TaskId cancelling = submit(R"({"sleep": "5m"})");
  EXPECT_TRUE(Cluster::eventually(
      [&] { return cluster_.query("SELECT count(*) FROM ringmaster.task WHERE state = 2") == "1"; },
      seconds(20)));
  const auto clean = audit();
  ASSERT_EQ(clean.code, 0) << clean.output;
  EXPECT_THAT(clean.output, HasSubstr("clean"));

  const std::string of_twice = std::to_string(twice.value);
  cluster_.query("INSERT INTO ringmaster.task_history SELECT * FROM ringmaster.task_history WHERE id = " +
                 of_twice);
  cluster_.query("UPDATE ringmaster.task_history SET state = 1 WHERE id = " + std::to_string(unended.value));
  cluster_.query("UPDATE ringmaster.task SET cancel_requested_at = now() - interval '1 hour' WHERE id = " +
                 std::to_string(cancelling.value));
  cluster_.query("INSERT INTO ringmaster.fence VALUES (999, 1, 1, 1, now())");
  const TaskId forgotten = plant(50, "1, NULL, NULL, NULL");
  const TaskId unheard = plant(51, "2, 'w1', 77, 1");

  const auto found = audit();
  EXPECT_EQ(found.code, 1) << found.output;
  EXPECT_THAT(found.output, names(to_string(twice), "it is in task_history more than once"));
  EXPECT_THAT(found.output, names(to_string(unended), "it is in task_history with state READY"));
  EXPECT_THAT(found.output, names(to_string(cancelling), "its cancel was requested at"));
  EXPECT_THAT(found.output,
              names("master (" + to_string(Incarnation{999}) + ")", "1 fence rows of it are left"));
  EXPECT_THAT(found.output, names(to_string(forgotten), "it has been due since"));
  EXPECT_THAT(found.output, names(to_string(unheard),
                                  "its row says that it runs on worker w1, and its owner "
                                  "m1 does not have it in memory"));
  EXPECT_THAT(found.output, HasSubstr("6 violations (audit by m1"));
  const auto full = audit({"--full", "-o", "json"});
  EXPECT_EQ(full.code, 1);
  EXPECT_THAT(full.output, AllOf(HasSubstr(R"({"verdict":"violations","complete":true,)"),
                                 HasSubstr(R"("full":true)"), HasSubstr(to_string(forgotten))));
  EXPECT_THAT(http("m1", "/v1/cluster/audit"),
              AllOf(HasSubstr(R"("verdict":"violations")"), HasSubstr(to_string(unheard))));

  const auto shows = [&](const std::string& line) {
    return Cluster::eventually([&] { return http("m1", "/metrics").contains(line); }, seconds(30));
  };
  const std::string metric = "ringmaster_audit_findings{check=";
  EXPECT_TRUE(shows(metric + "\"history_unique\"} 1\n"));
  EXPECT_TRUE(shows(metric + "\"history_final\"} 2\n"));
  EXPECT_TRUE(shows(metric + "\"owners_live\"} 1\n"));
  EXPECT_TRUE(shows(metric + "\"due_known\"} 1\n"));
  EXPECT_TRUE(shows(metric + "\"running_held\"} 1\n"));
  EXPECT_TRUE(shows(metric + "\"shards_covered\"} 0\n"));
  EXPECT_THAT(cluster_.log_of("m1"), HasSubstr("audit: due_known: " + to_string(forgotten)));
}

TEST_F(Audits, AShardThatNobodyCanTakeIsNamed) {
  cluster_.start_master("m1");
  cluster_.start_worker("w1");
  cluster_.wait_for(1, 1);
  cluster_.query(
      "CREATE FUNCTION ringmaster.keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;"
      "CREATE TRIGGER keep BEFORE UPDATE ON ringmaster.shard FOR EACH ROW"
      " WHEN (OLD.id = 7 AND NEW.owner IS NOT NULL) EXECUTE FUNCTION ringmaster.keep();"
      "UPDATE ringmaster.shard SET owner = NULL WHERE id = 7");
  Cluster::Ran ran;
  // Its owner finds itself deposed, and comes back as another incarnation that takes the others.
  EXPECT_TRUE(Cluster::eventually(
      [&] {
        ran = audit();
        return ran.code == 1 && ran.output.contains("1 violation (");
      },
      seconds(60)))
      << ran.output;
  EXPECT_THAT(ran.output, names("shard 7", "it has no owner"));
}

TEST_F(Audits, AWorkerThatDoesNotAnswerMakesItIncomplete) {
  cluster_.start_master("m1");
  cluster_.start_worker("w1");
  cluster_.wait_for(1, 1);
  Cluster::Ran ran;
  // Who is silent for seconds is no member any more: on a slow machine the question may come too late for it.
  EXPECT_TRUE(Cluster::eventually(
      [&] {
        cluster_.signal("w1", SIGSTOP);
        ran = audit();
        cluster_.signal("w1", SIGCONT);
        return ran.code == 3;
      },
      seconds(90)))
      << ran.output;
  EXPECT_THAT(ran.output, AllOf(HasSubstr("worker w1"), HasSubstr("(asked by m1)"), HasSubstr("incomplete")));
  EXPECT_TRUE(Cluster::eventually([&] { return audit().code == 0; }, seconds(60)));
}

}  // namespace
}  // namespace ringmaster
