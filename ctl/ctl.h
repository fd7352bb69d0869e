// Ctl: what every ringctl command works with: the global options, the two outputs and a client made on first
// use. stdout carries data, stderr words. One thread.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include <boost/json/value.hpp>

#include "base/result.h"
#include "client/client.h"
#include "ctl/text_table.h"

namespace CLI {
class App;
}

namespace ringmaster {

class CtlSettings;

// In force; ctl_settings.h says where they come from.
struct CtlOptions {
  std::string address = "127.0.0.1:7420";  // several are separated by commas
  std::string cluster = "default";
  std::string secret_file;
  std::string output = "text";     // text, json or jsonl
  std::string color = "auto";      // auto, always or never
  std::string times = "relative";  // relative or absolute
  Duration request_timeout = std::chrono::seconds(10);
};

class Ctl {
 public:
  Ctl(std::ostream& out, std::ostream& err, bool out_is_terminal, bool err_is_terminal);

  CtlOptions options;
  std::vector<std::string> command;  // what stood after `--`
  std::function<int()> action;       // the chosen subcommand; returns the exit status
  bool needs_settings = true;        // false: the action runs even if the file of profiles is broken

  bool json() const { return options.output != "text"; }
  bool indents_json() const { return options.output == "json" && out_is_terminal_; }
  bool out_is_terminal() const { return out_is_terminal_; }
  bool err_is_terminal() const { return err_is_terminal_; }
  std::ostream& out() { return out_; }
  std::ostream& err() { return err_; }
  TextStyle style() const;
  bool colour() const { return style().colour; }
  // A time in a table, as --times says.
  std::string time(WallTime when, WallTime now) const;
  // One document.
  void print(const boost::json::value& value);

  // Connects on the first call. The client lives as long as this.
  Result<Client*> client();

  // One line on stderr that says what went wrong and what to do; returns kExitOwnError.
  int failed(const Error& error);
  int failed(const Error& error, const std::string& advice);
  // Says what goes on although nobody waits for it any more; returns 128 + signal.
  int interrupted(int signal, const std::string& what_goes_on);
  int interrupted_by() const { return interrupted_by_; }  // 0: nothing

 private:
  std::ostream& out_;
  std::ostream& err_;
  bool out_is_terminal_, err_is_terminal_;
  int interrupted_by_ = 0;
  std::unique_ptr<Client> client_;
};

// What to do about an error of any command, ` (in brackets)`; may be empty.
std::string advice_for(const Error& error);

// `a,b` without empty parts.
std::vector<std::string> split_list(const std::string& text);

// Each adds the commands of one noun; a chosen one sets ctl.action. `ctl` outlives the app.
void add_task_commands(CLI::App& app, Ctl& ctl);
void add_worker_commands(CLI::App& app, Ctl& ctl);
void add_group_commands(CLI::App& app, Ctl& ctl);
void add_master_commands(CLI::App& app, Ctl& ctl);
void add_cluster_commands(CLI::App& app, Ctl& ctl);
void add_ring_commands(CLI::App& app, Ctl& ctl);
void add_config_commands(CLI::App& app, Ctl& ctl, CtlSettings& settings);
void add_completion_command(CLI::App& app, Ctl& ctl);
void add_man_command(CLI::App& app, Ctl& ctl);

// All of ringctl; the exit status is as exit_code.h says.
int run_ringctl(int argc, const char* const* argv);

}  // namespace ringmaster
