// A transaction that somebody forgot: what it could still see cannot be vacuumed away, and every ended task
// leaves a dead row behind, for as long as it is open.
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include "tests/fault/fault_test.h"

namespace ringmaster {
namespace {

using std::chrono::seconds;

constexpr std::int64_t kFew = 300'000;  // what some seconds of this load leave

// A client that always has some batches of noops under way.
class FullLoad {
 public:
  explicit FullLoad(std::unique_ptr<Client> client)
      : client_(std::move(client)), thread_([this](const std::stop_token& stop) { run(stop); }) {}

  // How many it was told to be accepted, once it has stopped.
  std::size_t stop() {
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
    return accepted_;
  }

 private:
  static constexpr std::size_t kBatch = 1'000, kBatches = 5;

  void run(const std::stop_token& stop) {
    NewTask noop;
    noop.kind = "noop";
    const std::vector<NewTask> batch(kBatch, noop);
    std::vector<TaskId> last_ones;
    while (!stop.stop_requested()) {
      const auto reply = client_->submit({batch});
      if (!reply) continue;
      accepted_ += reply->ids.size();
      last_ones.push_back(reply->ids.back());
      if (last_ones.size() <= kBatches) continue;
      (void)client_->get({.id = last_ones.front(), .wait = seconds(30)});
      last_ones.erase(last_ones.begin());
    }
  }

  std::unique_ptr<Client> client_;
  std::size_t accepted_ = 0;
  std::jthread thread_;
};

// User and system time, in clock ticks.
std::int64_t processor_time(pid_t pid, bool with_reaped_children) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  std::istringstream fields(line.substr(line.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  std::int64_t user = 0, system = 0, of_children_user = 0, of_children_system = 0;
  fields >> user >> system >> of_children_user >> of_children_system;
  return user + system + (with_reaped_children ? of_children_user + of_children_system : 0);
}

class HorizonFaults : public FaultTest {
 protected:
  struct Rate {
    double of_time = 0;            // tasks ended in a second
    double of_processor_time = 0;  // of PostgreSQL's
  };

  std::int64_t database_ticks() {
    const pid_t postmaster = cluster().postgres().pid();
    const std::string pid = std::to_string(postmaster);
    std::ifstream file("/proc/" + pid + "/task/" + pid + "/children");
    std::int64_t ticks = processor_time(postmaster, true);
    for (std::istream_iterator<pid_t> child(file); child != std::istream_iterator<pid_t>(); ++child)
      ticks += processor_time(*child, false);
    return ticks;
  }
  // By both measures: a machine that is busy with other things has less time, one that starves makes batches
  // smaller and so dearer.
  static bool halved(const Rate& before, const Rate& now) {
    return now.of_time < before.of_time / 2 && now.of_processor_time < before.of_processor_time / 2;
  }
  Rate measure(const char* when, seconds length) {
    const auto begun = std::chrono::steady_clock::now();
    const std::int64_t before = ended(), ticks = database_ticks();
    load_for(length);
    const auto tasks = static_cast<double>(ended() - before);
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begun;
    const double processor = static_cast<double>(database_ticks() - ticks) / 100;
    std::printf("%s: %.0f tasks a second, %.0f a second of PostgreSQL's processor time; dead rows: %lld\n",
                when, tasks / time.count(), tasks / processor, static_cast<long long>(dead_rows()));
    return {tasks / time.count(), tasks / processor};
  }
  static void load_for(seconds length) {
    const auto until = std::chrono::steady_clock::now() + length;
    (void)Cluster::eventually([&] { return std::chrono::steady_clock::now() > until; }, 2 * length);
  }
  std::int64_t dead_rows() {
    return std::stoll(cluster().query(
        "SELECT n_dead_tup FROM pg_stat_all_tables WHERE relid = 'ringmaster.task'::regclass"));
  }
  void run(PGconn* connection, const char* sql) {
    PGresult* result = PQexec(connection, sql);
    EXPECT_EQ(PQresultStatus(result), PQntuples(result) > 0 ? PGRES_TUPLES_OK : PGRES_COMMAND_OK)
        << PQerrorMessage(connection);
    PQclear(result);
  }
};

TEST_F(HorizonFaults, AForgottenTransactionSlowsNothingDownByHalf) {
  start({.masters = 2,
         .workers = 2,
         .worker_flags = {"--slots", "256"},
         .load = {.noops = 5, .processes = 1, .every = std::chrono::milliseconds(200)}});
  std::vector<std::unique_ptr<FullLoad>> loads;
  // In the long form fewer, for the disk's sake: some ten million tasks.
  for (int i = 0; i < full_or(1, 3); ++i)
    loads.push_back(std::make_unique<FullLoad>(cluster().client_of_all()));
  load_for(seconds(3));
  const Rate before = measure("before", full_or(seconds(30), seconds(8)));

  const std::unique_ptr<PGconn, decltype(&PQfinish)> forgotten(PQconnectdb(cluster().conninfo().c_str()),
                                                               &PQfinish);
  run(forgotten.get(), "BEGIN ISOLATION LEVEL REPEATABLE READ");
  run(forgotten.get(), "SELECT count(*) FROM ringmaster.task");
  load_for(full_or(seconds(570), seconds(37)));
  const Rate during = measure("at its end", full_or(seconds(30), seconds(8)));

  run(forgotten.get(), "COMMIT");
  EXPECT_TRUE(Cluster::eventually([&] { return dead_rows() < kFew; }, seconds(180)))
      << dead_rows() << " dead rows are left";
  const Rate after = measure("afterwards", full_or(seconds(30), seconds(8)));
  // What else the machine does comes and goes within so long a time: it is held against both sides of it.
  EXPECT_FALSE(halved(before, during) && halved(after, during));
  EXPECT_FALSE(halved(before, after));

  std::size_t accepted = 0;
  for (const auto& load : loads) accepted += load->stop();
  expect_promises_kept(Workers::none_was_lost);
  EXPECT_EQ(cluster().query("SELECT count(*) - count(DISTINCT id) FROM ringmaster.task_history"), "0");
  EXPECT_TRUE(std::cmp_greater_equal(ended(), accepted + load().accepted().size()));
}

}  // namespace
}  // namespace ringmaster
