#include "tests/fault/fault_test.h"

#include <fstream>
#include <sstream>

namespace ringmaster {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

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
  cluster_ = std::make_unique<Cluster>(*network_, shape_.registry_nodes, shape_.environments["pg"]);
  shape_.load.witness = cluster_->directory() / "witness";
}

void FaultTest::start_daemons() {
  for (int i = 1; i <= shape_.masters; ++i) start_master("m" + std::to_string(i));
  for (int i = 1; i <= shape_.workers; ++i) start_worker("w" + std::to_string(i));
  cluster_->wait_for(static_cast<std::size_t>(shape_.masters), static_cast<std::uint32_t>(shape_.workers));
}

void FaultTest::start_load() {
  load_ = std::make_unique<MixedLoad>(cluster_->client_of_all(), shape_.load);
  expect_progress();
}

ChildProcess& FaultTest::start_master(const std::string& id, Cluster::Environment environment) {
  environment.merge(Cluster::Environment(shape_.environments[id]));
  return cluster_->start_master(id, shape_.master_flags, std::move(environment));
}

ChildProcess& FaultTest::start_worker(const std::string& id, Cluster::Environment environment) {
  environment.merge(Cluster::Environment(shape_.environments[id]));
  return cluster_->start_worker(id, shape_.worker_flags, std::move(environment));
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

Evidence FaultTest::evidence(Workers workers) {
  Evidence evidence{.accepted = load_->accepted(),
                    .witness = parse_witness(text_of(witness())),
                    .ended = {},
                    .open = {},
                    .no_worker_was_lost = workers == Workers::none_was_lost};
  std::istringstream rows(cluster_->query(
      "SELECT string_agg(concat_ws(' ', id, state, attempt, coalesce(epoch, 0)), E'\\n') FROM "
      "ringmaster.task_history"));
  EndedTask task;
  for (int state = 0; rows >> task.id.value >> state >> task.attempt >> task.epoch;) {
    task.state = static_cast<TaskState>(state);
    evidence.ended.push_back(task);
  }
  std::istringstream open(cluster_->query("SELECT string_agg(id::text, ' ') FROM ringmaster.task"));
  for (TaskId id; open >> id.value;) evidence.open.push_back(id);
  return evidence;
}

void FaultTest::expect_promises_kept(Workers workers) {
  load_->stop();
  EXPECT_TRUE(Cluster::eventually(
      [&] { return cluster_->query("SELECT count(*) FROM ringmaster.task") == "0"; }, seconds(120)))
      << cluster_->query(
             "SELECT string_agg(t, '; ') FROM (SELECT concat_ws(' ', count(*), 'in state', state, 'on', "
             "coalesce(worker, 'nobody')) AS t FROM ringmaster.task GROUP BY state, worker) x");
  const Evidence all = evidence(workers);
  const std::vector<std::string> broken = broken_promises(all);
  for (std::size_t i = 0; i < broken.size() && i < 20; ++i) ADD_FAILURE() << broken[i];
  EXPECT_EQ(broken.size(), 0U);
  std::printf(
      "%zu tasks accepted, %zu lines of witness, %d submissions of unknown outcome; %s ran again, %s LOST\n",
      all.accepted.size(), all.witness.size(), load_->unknown(),
      cluster_->query("SELECT count(*) FROM ringmaster.task_history WHERE attempt > 1").c_str(),
      cluster_->query("SELECT count(*) FROM ringmaster.task_history WHERE state = 14").c_str());
}

}  // namespace ringmaster
