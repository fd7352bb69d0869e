#include "bench/cluster_options.h"

#include <cstdio>

#include <sys/resource.h>

namespace ringmaster {

void ClusterOptions::add_to(CLI::App& app) {
  app.add_option("--database", database, "PostgreSQL, empty: a connection string")->required();
  app.add_option("--zookeeper", zookeeper, "host:port")->required();
  app.add_option("-o,--output", output, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
}

void ClusterOptions::print(const Figures& figures) const {
  std::fputs((output == "json" ? figures.json() : figures.text()).c_str(), stdout);
}

int exit_status(const CLI::App& app, const Result<>& done) {
  if (done) return 0;
  std::fprintf(stderr, "%s: %s\n", app.get_name().c_str(), done.error().message.c_str());
  return 1;
}

void raise_file_limit() {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

}  // namespace ringmaster
