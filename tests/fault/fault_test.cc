#include "tests/fault/fault_test.h"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace ringmaster {

using std::chrono::milliseconds;
using std::chrono::seconds;

bool full_faults() {
  const char* wanted = std::getenv("RINGMASTER_FAULTS");
  return wanted != nullptr && std::string(wanted) == "full";
}

void FaultTest::SetUp() {
  network_ = std::make_unique<BridgedNetwork>();
  if (!network_->made()) GTEST_SKIP() << "only root can make a network";
}

void FaultTest::TearDown() {
  load_.reset();
  cluster_.reset();
  network_.reset();
}

void FaultTest::start(Shape shape) {
  start_daemons(std::move(shape));
  start_load();
}

void FaultTest::start_daemons(Shape shape) {
  start_servers(std::move(shape));
  start_daemons();
}

void FaultTest::start_servers(Shape shape) {
  shape_ = std::move(shape);
  for (const std::string& node : shape_.lines) network_->place_with_line(node);
  cluster_ = std::make_unique<Cluster>(*network_, shape_.registry_nodes, shape_.environments["pg"]);
  shape_.load.witness = cluster_->directory() / "witness";
}

void FaultTest::start_daemons() {
  for (int i = 1; i <= shape_.masters; ++i) start_master("m" + std::to_string(i));
  for (int i = 1; i <= shape_.workers; ++i) start_worker("w" + std::to_string(i));
  cluster_->wait_for(static_cast<std::size_t>(shape_.masters), static_cast<std::uint32_t>(shape_.workers));
}

void FaultTest::start_load() {
  begin_load(cluster_->client_of_all());
  expect_progress();
}

void FaultTest::begin_load(std::unique_ptr<Client> client) {
  load_.reset();
  shape_.load.keys = std::to_string(++loads_) + "-";
  load_ = std::make_unique<MixedLoad>(std::move(client), shape_.load);
}

ChildProcess& FaultTest::start_master(const std::string& id, Cluster::Environment environment) {
  environment.merge(Cluster::Environment(shape_.environments[id]));
  return cluster_->start_master(id, shape_.master_flags, std::move(environment));
}

ChildProcess& FaultTest::start_worker(const std::string& id, Cluster::Environment environment) {
  environment.merge(Cluster::Environment(shape_.environments[id]));
  return cluster_->start_worker(id, shape_.worker_flags, std::move(environment));
}

std::vector<TaskId> FaultTest::begin_tasks(int count, milliseconds length, OnWorkerLost policy) {
  NewTask task;
  task.on_worker_lost = policy;
  task.spec = R"({"argv":[")" BINARY_ROOT R"(/witness_task",")" + witness() + R"(",")" +
              std::to_string(length.count()) + R"("]})";
  const auto reply =
      cluster_->client_of_all()->submit({std::vector<NewTask>(static_cast<std::size_t>(count), task)});
  if (!reply) throw std::runtime_error(reply.error().message);
  EXPECT_TRUE(Cluster::eventually(
      [&] {
        const std::string seen = text_of(witness());
        return std::ranges::all_of(reply->ids,
                                   [&](TaskId id) { return seen.contains("begin " + to_string(id)); });
      },
      seconds(30)));
  return reply->ids;
}

void FaultTest::expect_undisturbed(const std::vector<TaskId>& tasks) {
  const std::string seen = text_of(witness());
  for (const TaskId id : tasks) {
    const std::string line = "begin " + to_string(id);
    const auto first = seen.find(line);
    EXPECT_EQ(seen.find(line, first + 1), std::string::npos) << to_string(id) << " began twice";
    EXPECT_EQ(
        cluster_->query("SELECT concat_ws(' ', state, attempt) FROM ringmaster.task_history WHERE id = " +
                        std::to_string(id.value)),
        "10 1")
        << to_string(id);
  }
}

void FaultTest::expect_replaced(const std::string& incarnation, milliseconds within) {
  const std::int64_t took = wait_until_replaced(incarnation);
  std::printf("its shards moved after %lld ms\n", static_cast<long long>(took));
  EXPECT_GE(took, 0) << "they never moved";
  EXPECT_LE(took, within.count());
}

pid_t FaultTest::supervisor_of(pid_t worker) {
  std::istringstream children(
      text_of("/proc/" + std::to_string(worker) + "/task/" + std::to_string(worker) + "/children"));
  for (pid_t child = 0; children >> child;) {
    if (text_of("/proc/" + std::to_string(child) + "/comm") == "ring-supervisor\n") return child;
  }
  throw std::runtime_error("no supervisor");
}

std::int64_t FaultTest::ended() {
  return std::stoll(cluster_->query("SELECT count(*) FROM ringmaster.task_history"));
}

void FaultTest::expect_progress(int tasks) {
  const std::int64_t before = ended();
  EXPECT_TRUE(Cluster::eventually([&] { return ended() >= before + tasks; }, seconds(60)))
      << ended() - before << " tasks ended in a minute";
}

std::string FaultTest::living_incarnation(const std::string& master) {
  return cluster_->query("SELECT incarnation FROM ringmaster.master WHERE node_id = '" + master +
                         "' AND state = 'living'");
}

std::int64_t FaultTest::wait_until_replaced(const std::string& incarnation) {
  const auto begun = std::chrono::steady_clock::now();
  const bool replaced = Cluster::eventually(
      [&] {
        return cluster_->query("SELECT count(*) FROM ringmaster.shard WHERE owner IS NULL OR owner = " +
                               incarnation) == "0";
      },
      seconds(60));
  if (!replaced) return -1;
  return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begun).count();
}

Evidence FaultTest::evidence(AcceptedTasks accepted, Workers workers) {
  return gather_evidence(*cluster_, witness(), std::move(accepted), workers == Workers::none_was_lost);
}

void FaultTest::expect_promises_kept(Workers workers) {
  load_->stop();
  expect_promises_kept(load_->accepted(), workers);
}

void FaultTest::expect_promises_kept(const AcceptedTasks& accepted, Workers workers) {
  EXPECT_TRUE(Cluster::eventually(
      [&] { return cluster_->query("SELECT count(*) FROM ringmaster.task") == "0"; }, seconds(120)))
      << cluster_->query(
             "SELECT string_agg(t, '; ') FROM (SELECT concat_ws(' ', count(*), 'in state', state, 'on', "
             "coalesce(worker, 'nobody')) AS t FROM ringmaster.task GROUP BY state, worker) x");
  const Evidence all = evidence(accepted, workers);
  const std::vector<std::string> broken = broken_promises(all);
  for (std::size_t i = 0; i < broken.size() && i < 20; ++i) ADD_FAILURE() << broken[i];
  EXPECT_EQ(broken.size(), 0U);
  std::printf(
      "%zu tasks accepted, %zu lines of witness, %d submissions of unknown outcome; %s ran again, %s LOST\n",
      all.accepted.size(), all.witness.size(), load_ ? load_->unknown() : 0,
      cluster_->query("SELECT count(*) FROM ringmaster.task_history WHERE attempt > 1").c_str(),
      cluster_->query("SELECT count(*) FROM ringmaster.task_history WHERE state = 14").c_str());
}

}  // namespace ringmaster
