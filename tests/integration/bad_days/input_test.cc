// Bad input from clients: each is told, in these very words, what is wrong and what is allowed; in a result
// where only the worker can know.
#include "tests/integration/bad_days/bad_day.h"

namespace ringmaster {
namespace {

using ::testing::HasSubstr;

class BadInput : public BadDay {
 protected:
  void SetUp() override {
    cluster_.start_master("m1");
    cluster_.start_worker("w1");
    cluster_.wait_for(1, 1);
  }
};

TEST_F(BadInput, OfHttpIsRefusedWithWhatIsAllowed) {
  struct Case {
    const char* target;
    std::string body;
    int status;
    std::string detail;
  };
  const std::string many(300'000, 'x');
  const std::vector<Case> cases{
      {"/v1/tasks", R"({"spec":)", 400, "The body is not valid JSON: incomplete JSON."},
      {"/v1/tasks", "nonsense", 400, "The body is not valid JSON: syntax error."},
      {"/v1/tasks", "[]", 400, "One request takes 1 to 10,000 tasks; this one has 0."},
      {"/v1/tasks", "7", 400, "The body is one task (an object) or an array of tasks."},
      {"/v1/tasks", R"({"priority": 11})", 400, "priority must be 0 to 9; 9 is the most urgent"},
      {"/v1/tasks", R"({"priority": "high"})", 400, "priority must be a whole number of 32 bits"},
      {"/v1/tasks", R"({"kind": "a b"})", 400, "kind must be 1 to 64 characters of A-Z a-z 0-9 . _ -"},
      {"/v1/tasks", R"({"spec": {"argv": [")" + many + R"("]}})", 400,
       "spec must be at most 262144 bytes of JSON: pass bigger things by reference"},
      {"/v1/tasks", R"({"spec": {"a": "\u0000"}})", 400,
       "spec must be a JSON object, nested at most 32 deep, with finite numbers and no \\u0000"},
      {"/v1/tasks", std::string(5'000'000, ' '), 413, "A body is at most 4194304 bytes."},
  };
  for (const Case& bad : cases) {
    const auto reply = http("m1", "POST", bad.target, bad.body);
    EXPECT_EQ(reply.status, bad.status) << bad.detail;
    EXPECT_EQ(reply.detail(), bad.detail);
  }
  EXPECT_THAT(http("m1", "POST", "/v1/tasks", R"({"prioritty": 1})").detail(),
              HasSubstr("unknown field prioritty; allowed are namespace, kind, spec, group, "));
  EXPECT_EQ(http("m1", "GET", "/v1/tasks?namespace=%ff").detail(),
            "A value is UTF-8 text without control characters.");
  EXPECT_EQ(http("m1", "GET", "/v1/tasks?colour=red").status, 400);
  EXPECT_EQ(cluster_.query("SELECT count(*) FROM ringmaster.task"), "0");
}

TEST_F(BadInput, OfASpecEndsTheTaskAtOnceWithWhatTheWorkerFound) {
  const std::string not_executable = cluster_.directory() / "w1.log";
  std::string large = R"({"spec": {"argv": ["true")";
  for (int i = 0; i < 200; ++i) large += R"(, ")" + std::string(1'000, 'x') + R"(")";
  large += "]}}";
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"({"kind": "zip"})", "unknown kind 'zip': this worker runs http, noop, process"},
      {R"({"spec": {"argv": ["/no/such"]}})", "no such file: /no/such"},
      {R"({"spec": {"argv": ["no-such-program"]}})", "no such command in PATH: no-such-program"},
      {R"({"spec": {"argv": [")" + not_executable + R"("]}})", "not executable: " + not_executable},
      {R"({"spec": {"argv": ["true"], "cwd": "/no/such"}})", "no such directory: /no/such"},
      {R"({"spec": {"args": ["true"]}})", "spec: exactly one of argv and shell is needed"},
      {R"({"spec": {"argv": ["true"], "env": {"A=B": "c"}}})",
       "spec.env: a name must not be empty nor contain '=' or NUL"},
      {large, "spec: argv and env together must be at most 131072 bytes; pass more through stdin"},
  };
  for (const auto& [task, why] : cases) {
    // Another try would not help: the retries are not used.
    auto retried = task;
    retried.insert(retried.size() - 1, R"(, "retry": {"max_attempts": 5})");
    EXPECT_EQ(ended("m1", submit("m1", retried)), "FAILED: " + why);
  }
  EXPECT_EQ(cluster_.query("SELECT max(attempt) FROM ringmaster.task_history"), "1");
}

TEST_F(BadInput, OfAGroupThatNobodyServesWaitsAndIsExplained) {
  const std::string task = submit("m1", R"({"kind": "noop", "group": "gpu"})");
  EXPECT_EQ(explained("m1", task, "no_worker"),
            "no_worker: no worker serves group gpu: start one with this group\n");
  cluster_.start_worker("w2", {"--groups", "gpu"});
  EXPECT_EQ(ended("m1", task), "SUCCEEDED");
}

}  // namespace
}  // namespace ringmaster
