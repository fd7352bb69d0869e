// BenchCluster: the daemons of a benchmark, on the PostgreSQL and ZooKeeper that it was given, in a directory
// that goes with it.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "bench/daemon_process.h"

namespace ringmaster {

class BenchCluster {
 public:
  BenchCluster(std::string database, std::string zookeeper);
  ~BenchCluster();
  BenchCluster(const BenchCluster&) = delete;
  BenchCluster& operator=(const BenchCluster&) = delete;

  // The schema; nothing else touches the database.
  Result<> prepare();

  DaemonProcess& start_master(const std::string& id);
  DaemonProcess& start_worker(const std::string& id, const std::string& groups, int slots);
  // In order, and waits for it.
  void stop(const std::string& id) { daemons_.erase(id); }
  void stop_all() { daemons_.clear(); }
  DaemonProcess& daemon(const std::string& id) { return *daemons_.at(id); }
  // Of a master, for the binary RPC.
  std::string address_of(const std::string& master) const;

  // The first column of the first row, as text; empty: no row. Errors: unavailable, with PostgreSQL's words.
  Result<std::string> ask(const std::string& sql) const;
  const std::string& database() const { return database_; }
  const std::string& zookeeper() const { return zookeeper_; }

 private:
  const std::string database_, zookeeper_;
  const std::filesystem::path bin_;
  std::filesystem::path directory_;
  std::map<std::string, std::unique_ptr<DaemonProcess>> daemons_;
};

}  // namespace ringmaster
