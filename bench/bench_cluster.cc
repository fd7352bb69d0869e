#include "bench/bench_cluster.h"

#include <libpq-fe.h>

#include "sql/migrate.h"

namespace ringmaster {

namespace fs = std::filesystem;

namespace {
constexpr int kFirstPort = 17'420;
constexpr const char* kAnyPort = "127.0.0.1:0";
}  // namespace

BenchCluster::BenchCluster(std::string database, std::string zookeeper)
    : database_(std::move(database)),
      zookeeper_(std::move(zookeeper)),
      bin_(fs::read_symlink("/proc/self/exe").parent_path()) {
  std::string pattern = (fs::temp_directory_path() / "ringbench-XXXXXX").string();
  directory_ = mkdtemp(pattern.data());
}

BenchCluster::~BenchCluster() {
  daemons_.clear();
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
}

Result<> BenchCluster::prepare() {
  if (auto migrated = migrate(database_); !migrated) return std::unexpected(migrated.error());
  return {};
}

std::string BenchCluster::address_of(const std::string& master) const {
  return "127.0.0.1:" + std::to_string(kFirstPort + std::stoi(master.substr(1)));
}

DaemonProcess& BenchCluster::start_master(const std::string& id) {
  auto& daemon = daemons_[id];
  daemon = std::make_unique<DaemonProcess>(
      std::vector<std::string>{bin_ / "ringmaster", "serve", "--node-id", id, "--cluster", "bench",
                               "--listen", address_of(id), "--http-listen", kAnyPort, "--database", database_,
                               "--zookeeper", zookeeper_},
      directory_ / (id + ".log"));
  return *daemon;
}

DaemonProcess& BenchCluster::start_worker(const std::string& id, const std::string& groups, int slots) {
  auto& daemon = daemons_[id];
  daemon = std::make_unique<DaemonProcess>(
      std::vector<std::string>{bin_ / "ringworker", "serve", "--node-id", id, "--cluster", "bench",
                               "--listen", kAnyPort, "--zookeeper", zookeeper_, "--groups", groups, "--slots",
                               std::to_string(slots), "--prefetch", "8", "--data-dir", directory_ / id},
      directory_ / (id + ".log"));
  return *daemon;
}

Result<std::string> BenchCluster::ask(const std::string& sql) const {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(database_.c_str()), &PQfinish);
  const std::unique_ptr<PGresult, decltype(&PQclear)> rows(PQexec(connection.get(), sql.c_str()), &PQclear);
  const auto status = PQresultStatus(rows.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
    return fail(ErrorCode::unavailable, PQerrorMessage(connection.get()));
  return PQntuples(rows.get()) > 0 ? PQgetvalue(rows.get(), 0, 0) : "";
}

}  // namespace ringmaster
