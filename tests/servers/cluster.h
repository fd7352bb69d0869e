// Cluster: real daemons on a real PostgreSQL and ZooKeeper, each a process of its own, for one test.
// Everything is on loopback, or at places of its own in a network that the test cuts; in a temporary
// directory; and ends with the test.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "client/client.h"
#include "tests/servers/bridged_network.h"
#include "tests/servers/child_process.h"
#include "tests/servers/postgres_server.h"
#include "tests/servers/zookeeper_server.h"

namespace ringmaster {

// host:port, where nobody listens.
std::string free_loopback_address();

class Cluster {
 public:
  // By socket: for a test in a network of its own, which PostgreSQL is not in.
  enum class Database { by_tcp, by_socket };
  explicit Cluster(Database database = Database::by_tcp);
  // Each daemon and server at a place named after it: `pg`, and `zk1` … `zk<registry_nodes>`. The network
  // outlives the cluster.
  Cluster(BridgedNetwork& network, std::size_t registry_nodes,
          PostgresServer::Environment database_environment = {});
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  using Environment = std::map<std::string, std::string>;
  ChildProcess& start_master(const std::string& id, std::vector<std::string> flags = {},
                             Environment environment = {});
  ChildProcess& start_worker(const std::string& id, std::vector<std::string> flags = {},
                             Environment environment = {});
  void stop_worker(const std::string& id, int signal = SIGTERM);
  void stop_master(const std::string& id, int signal = SIGTERM);
  void signal(const std::string& id, int signal) { processes_.at(id)->signal(signal); }
  ChildProcess& process(const std::string& id) { return *processes_.at(id); }
  bool has(const std::string& id) const { return processes_.contains(id); }

  // Waits until the registry and every master know so many workers, and own all shards among them.
  void wait_for(std::size_t masters, std::uint32_t workers);
  Client& client(const std::string& master);
  std::unique_ptr<Client> client_of_all();  // goes on to the next master when one dies
  std::unique_ptr<Client> client_of(const std::vector<std::string>& masters);  // tried in this order

  // Runs ringctl to its end; its output (stdout and stderr together).
  struct Ran {
    int code = -1;
    std::string output;
  };
  Ran ringctl(std::vector<std::string> arguments, const std::string& input = "");

  std::string query(const std::string& sql);  // one value, as text
  std::string port_of(const std::string& master) const;
  std::string address_of(const std::string& master) const { return addresses_.at(master); }
  const std::string& secret() const { return secret_; }
  std::string conninfo() const { return conninfo_; }
  void set_conninfo(std::string conninfo) { conninfo_ = std::move(conninfo); }  // of daemons started later
  PostgresServer& postgres() { return *postgres_; }
  // A synchronous standby, at the place `pg2`: from now on nothing is committed that it has not got. Daemons
  // started later know both.
  PostgresServer& add_standby();
  // From now on it is the primary that query() asks.
  void promote_standby();
  std::string zookeeper() const;  // all hosts
  ZooKeeperServer& zookeeper_server(std::size_t number = 1) { return *registry_.at(number - 1); }
  const std::filesystem::path& directory() const { return directory_; }
  std::string log_of(const std::string& id) const;

  static bool eventually(const std::function<bool()>& holds, std::chrono::milliseconds time);

 private:
  Place place(const std::string& node) { return network_ == nullptr ? Place{} : network_->place(node); }
  void migrate();
  ClientOptions client_options() const;
  // What every daemon is told.
  void start(const std::string& id, std::vector<std::string> argv, const std::vector<std::string>& flags,
             Environment environment);

  std::filesystem::path directory_;
  BridgedNetwork* network_ = nullptr;
  std::unique_ptr<PostgresServer> own_postgres_, standby_;
  PostgresServer* postgres_ = nullptr;
  std::string database_;
  std::string conninfo_;
  std::vector<std::unique_ptr<ZooKeeperServer>> registry_;
  std::string secret_;                            // none on loopback
  std::map<std::string, std::string> addresses_;  // of masters
  std::map<std::string, std::unique_ptr<ChildProcess>> processes_;
  std::map<std::string, std::unique_ptr<Client>> clients_;
  int runs_ = 0;
};

}  // namespace ringmaster
