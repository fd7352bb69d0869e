#include "tests/servers/cluster.h"

namespace ringmaster {

namespace {

const std::string kBin = BINARY_ROOT;

std::filesystem::path make_directory() {
  std::string pattern = (std::filesystem::temp_directory_path() / "ringmaster-cluster-XXXXXX").string();
  return ::mkdtemp(pattern.data());
}

}  // namespace

std::string free_loopback_address() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(socket, reinterpret_cast<const sockaddr*>(&address), size);
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(socket);
  return "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

bool Cluster::eventually(const std::function<bool()>& holds, std::chrono::milliseconds time) {
  const auto deadline = std::chrono::steady_clock::now() + time;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    ::poll(nullptr, 0, 20);
  }
  return true;
}

Cluster::Cluster(Database database) : directory_(make_directory()), postgres_(&PostgresServer::shared()) {
  database_ = postgres_->make_database();
  conninfo_ =
      database == Database::by_tcp ? postgres_->conninfo(database_) : postgres_->socket_conninfo(database_);
  registry_.push_back(std::make_unique<ZooKeeperServer>());
  migrate();
}

Cluster::Cluster(BridgedNetwork& network, std::size_t registry_nodes,
                 PostgresServer::Environment database_environment)
    : directory_(make_directory()), network_(&network), secret_("a secret of these tests") {
  std::vector<std::string> ensemble;
  for (std::size_t i = 1; i <= registry_nodes; ++i)
    ensemble.push_back(place("zk" + std::to_string(i)).address);
  for (std::size_t i = 1; i <= registry_nodes; ++i) {
    const std::size_t number = registry_nodes == 1 ? 0 : i;
    registry_.push_back(std::make_unique<ZooKeeperServer>(place("zk" + std::to_string(i)), number, ensemble));
    registry_.back()->launch();
  }
  own_postgres_ = std::make_unique<PostgresServer>(place("pg"), std::move(database_environment));
  postgres_ = own_postgres_.get();
  database_ = postgres_->make_database();
  conninfo_ = postgres_->conninfo(database_);
  const std::string secret_file = directory_ / "secret";
  std::ofstream(secret_file) << secret_;
  std::filesystem::permissions(secret_file, std::filesystem::perms::owner_read);
  migrate();
  for (auto& server : registry_) server->wait_until_ready();
}

void Cluster::migrate() {
  ChildProcess migrate({kBin + "/ringmaster", "migrate", "--database", conninfo_},
                       {.output = directory_ / "migrate.log"});
  if (migrate.wait(std::chrono::seconds(30)) != 0) throw std::runtime_error("migrate: " + migrate.output());
}

PostgresServer& Cluster::add_standby() {
  standby_ = std::make_unique<PostgresServer>(place("pg2"), *postgres_);
  conninfo_ = postgres_->conninfo_with(*standby_, database_);
  postgres_->query("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'standby'");
  postgres_->query("postgres", "SELECT pg_reload_conf()");
  const bool follows = eventually(
      [&] { return query("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1"; },
      std::chrono::seconds(20));
  if (!follows) throw std::runtime_error("the standby does not follow:\n" + standby_->log());
  return *standby_;
}

void Cluster::promote_standby() {
  standby_->promote();
  postgres_ = standby_.get();
}

std::string Cluster::zookeeper() const {
  std::string hosts;
  for (const auto& server : registry_) hosts += (hosts.empty() ? "" : ",") + server->hosts();
  return hosts;
}

Cluster::~Cluster() {
  clients_.clear();
  processes_.clear();
  if (::testing::Test::HasFailure()) {
    for (const auto& [id, address] : addresses_)
      std::fprintf(stderr, "---- %s\n%s", id.c_str(), log_of(id).c_str());
  }
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void Cluster::start(const std::string& id, std::vector<std::string> argv,
                    const std::vector<std::string>& flags, Environment environment) {
  argv.insert(argv.end(),
              {"--node-id", id, "--cluster", "test", "--zookeeper", zookeeper(), "--session-timeout", "2s"});
  if (!secret_.empty()) argv.insert(argv.end(), {"--secret-file", directory_ / "secret"});
  argv.insert(argv.end(), flags.begin(), flags.end());
  auto& process = processes_[id];
  process.reset();
  process = std::make_unique<ChildProcess>(
      std::move(argv),
      ChildProcess::Options{
          .output = directory_ / (id + ".log"), .environment = std::move(environment), .place = place(id)});
}

ChildProcess& Cluster::start_master(const std::string& id, std::vector<std::string> flags,
                                    Environment environment) {
  auto [address, fresh] = addresses_.try_emplace(id);
  if (fresh) address->second = network_ == nullptr ? free_loopback_address() : place(id).address + ":7070";
  start(id,
        {kBin + "/ringmaster", "serve", "--listen", address->second, "--http-listen", "127.0.0.1:0",
         "--database", conninfo_},
        flags, std::move(environment));
  return process(id);
}

ChildProcess& Cluster::start_worker(const std::string& id, std::vector<std::string> flags,
                                    Environment environment) {
  start(id,
        {kBin + "/ringworker", "serve", "--listen", place(id).address + ":0", "--data-dir", directory_ / id},
        flags, std::move(environment));
  return process(id);
}

void Cluster::stop_worker(const std::string& id, int signal) {
  ChildProcess& process = *processes_.at(id);
  process.signal(signal);
  const auto code = process.wait(std::chrono::seconds(40));
  if (signal == SIGTERM) {
    EXPECT_EQ(code, 0) << log_of(id);
  }
  processes_.erase(id);
}

void Cluster::stop_master(const std::string& id, int signal) {
  clients_.erase(id);
  stop_worker(id, signal);
}

std::string Cluster::port_of(const std::string& master) const {
  const std::string& address = addresses_.at(master);
  return address.substr(address.rfind(':') + 1);
}

std::string Cluster::log_of(const std::string& id) const {
  std::ifstream file(directory_ / (id + ".log"));
  return {std::istreambuf_iterator<char>(file), {}};
}

Client& Cluster::client(const std::string& master) {
  auto& client = clients_[master];
  if (client) return *client;
  std::string why;
  const bool connected = eventually(
      [&] {
        ClientOptions options = client_options();
        options.addresses = {addresses_.at(master)};
        auto made = Client::connect(std::move(options));
        if (made) client = *std::move(made);
        if (!made) why = made.error().message;
        return client != nullptr;
      },
      std::chrono::seconds(30));
  if (!connected) throw std::runtime_error("no client of " + master + ": " + why + "\n" + log_of(master));
  return *client;
}

ClientOptions Cluster::client_options() const {
  return {.addresses = {}, .cluster = "test", .secret = secret_};
}

std::unique_ptr<Client> Cluster::client_of_all() {
  std::vector<std::string> all;
  for (const auto& [id, address] : addresses_) all.push_back(id);
  return client_of(all);
}

std::unique_ptr<Client> Cluster::client_of(const std::vector<std::string>& masters) {
  ClientOptions options = client_options();
  for (const std::string& id : masters) options.addresses.push_back(addresses_.at(id));
  auto made = Client::connect(std::move(options));
  if (!made) throw std::runtime_error(made.error().message);
  return *std::move(made);
}

void Cluster::wait_for(std::size_t masters, std::uint32_t workers) {
  const bool formed = eventually(
      [&] {
        std::uint32_t shards = 0;
        std::size_t alive = 0;
        for (const auto& [id, address] : addresses_) {
          if (!processes_.contains(id)) continue;
          const auto state = client(id).cluster();
          const auto seen = client(id).workers();
          if (!state || !seen || state->masters != masters) return false;
          std::uint32_t ready = 0;
          for (const WorkerView& worker : seen->workers)
            ready += worker.registered && worker.connected && worker.credit_limit > 0;
          if (ready != workers || state->shards_owned == 0) return false;
          shards += state->shards_owned;
          ++alive;
        }
        return alive == masters && shards == kShardCount;
      },
      std::chrono::seconds(60));
  if (!formed) throw std::runtime_error("the cluster did not form");
}

Cluster::Ran Cluster::ringctl(std::vector<std::string> arguments, const std::string& input) {
  std::string addresses;
  for (const auto& [id, address] : addresses_) addresses += (addresses.empty() ? "" : ",") + address;
  std::vector<std::string> argv{kBin + "/ringctl"};
  if (!addresses.empty()) argv.insert(argv.end(), {"--address", addresses, "--cluster", "test"});
  if (!secret_.empty()) argv.insert(argv.end(), {"--secret-file", directory_ / "secret"});
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  const auto output = directory_ / ("ringctl-" + std::to_string(++runs_));
  ChildProcess process(std::move(argv),
                       {.output = output, .input = input, .environment = {{"XDG_CONFIG_HOME", directory_}}});
  const auto code = process.wait(std::chrono::seconds(180));
  return {code.value_or(-1), process.output()};
}

std::string Cluster::query(const std::string& sql) {
  return postgres_->query(database_, sql);
}

}  // namespace ringmaster
