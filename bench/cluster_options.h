// What every benchmark on a cluster is told, and how it ends.
#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include "base/result.h"
#include "bench/figures.h"

namespace ringmaster {

struct ClusterOptions {
  std::string database, zookeeper, output = "text";

  void add_to(CLI::App& app);
  void print(const Figures& figures) const;
};

// Says why it could not run; the exit status.
int exit_status(const CLI::App& app, const Result<>& done);

// As many descriptors as this process may have: for thousands of connections.
void raise_file_limit();

}  // namespace ringmaster
