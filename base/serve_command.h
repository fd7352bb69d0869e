// ServeCommand: the command that runs a daemon, `serve` by default. Each declared setting is a flag; --config
// names a file,
// --check-config shows what is in force and where it comes from.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/settings.h"

namespace ringmaster {

class ServeCommand {
 public:
  // Both outlive this.
  ServeCommand(CLI::App& app, Settings& settings, const std::string& description,
               const std::string& name = "serve");
  bool parsed() const { return command_->parsed(); }

  // After parsing: the flags, the file, the environment. Errors: invalid_argument.
  Result<> load();
  // The same sources, read again: gives `apply` what `read` makes of them. Logs each change since the last
  // time, and which of them need a restart; a mistake is logged, and changes nothing.
  template <class Read, class Apply>
  void reload(Read read, Apply apply) {
    auto again = read_again();
    const auto settings = again ? read(*again) : std::unexpected(again.error());
    if (!settings) return refuse_reload(settings.error());
    apply(*settings);
    take_over(*std::move(again));
  }
  bool check_only() const { return check_config_; }
  void print() const;  // each effective value and its origin, on stdout

 private:
  Result<> load(Settings& into) const;
  Result<Settings> read_again() const;
  static void refuse_reload(const Error& error);
  void take_over(Settings again);

  Settings& settings_;
  CLI::App* command_ = nullptr;
  std::vector<std::pair<std::string, std::string>> flags_;
  std::string config_;
  bool check_config_ = false;
  std::optional<Error> bad_flag_;
};

}  // namespace ringmaster
