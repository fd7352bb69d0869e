// ServeCommand: the `serve` command of a daemon. Each declared setting is a flag; --config names a file,
// --check-config shows what is in force and where it comes from.
#pragma once

#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include "base/settings.h"

namespace ringmaster {

class ServeCommand {
 public:
  // Both outlive this.
  ServeCommand(CLI::App& app, Settings& settings, const std::string& description);

  // After parsing: the flags, the file, the environment. Errors: invalid_argument.
  Result<> load();
  bool check_only() const { return check_config_; }
  void print() const;  // each effective value and its origin, on stdout

 private:
  Settings& settings_;
  std::string config_;
  bool check_config_ = false;
  std::optional<Error> bad_flag_;
};

}  // namespace ringmaster
