#include "ctl/ctl.h"

#include <cstdlib>
#include <utility>

#include <boost/json/serialize.hpp>
#include <unistd.h>

#include "base/settings.h"
#include "ctl/exit_code.h"
#include "ctl/json_list.h"
#include "ctl/relative_time.h"
#include "ctl/terminal.h"

namespace ringmaster {
namespace {

// The option that a field of a task is typed as, where the names differ.
std::string option_of(const std::string& field) {
  if (field == "routing_key") return "--key";
  if (field == "retry" || field == "retry.max_attempts") return "--max-attempts";
  if (field == "labels") return "--label";
  std::string option = "--" + field;
  for (char& c : option) c = c == '_' ? '-' : c;
  return option;
}

// no-color.org; a dumb terminal shows escape sequences as they are.
bool wants_colour() {
  const char* refused = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return (refused == nullptr || *refused == '\0') &&
         (terminal == nullptr || std::string_view(terminal) != "dumb");
}

}  // namespace

Ctl::Ctl(std::ostream& out, std::ostream& err, bool out_is_terminal, bool err_is_terminal)
    : out_(out), err_(err), out_is_terminal_(out_is_terminal), err_is_terminal_(err_is_terminal) {}

TextStyle Ctl::style() const {
  TextStyle style;
  style.colour = options.color == "always" || (options.color == "auto" && out_is_terminal_ && wants_colour());
  const auto size = out_is_terminal_ ? terminal_size(STDOUT_FILENO) : std::nullopt;
  if (size) style.width = size->columns;
  return style;
}

std::string Ctl::time(WallTime when, WallTime now) const {
  return options.times == "absolute" ? format_time(when) : relative_time(when, now);
}

void Ctl::print(const boost::json::value& value) {
  indents_json() ? write_indented(out_, value) : void(out_ << boost::json::serialize(value));
  out_ << '\n';
}

Result<Client*> Ctl::client() {
  if (client_) return client_.get();
  ClientOptions wanted;
  wanted.addresses = split_list(options.address);
  wanted.cluster = options.cluster;
  wanted.timeout = options.request_timeout;
  if (!options.secret_file.empty()) {
    auto secret = read_secret_file(options.secret_file);
    if (!secret) return std::unexpected(secret.error());
    wanted.secret = std::move(*secret);
  }
  auto connected = Client::connect(std::move(wanted));
  if (!connected) return std::unexpected(connected.error());
  client_ = std::move(*connected);
  return client_.get();
}

int Ctl::failed(const Error& error) {
  return failed(error, advice_for(error));
}

int Ctl::failed(const Error& error, const std::string& advice) {
  const bool typed = error.code == ErrorCode::invalid_argument && !error.field.empty();
  const std::string where = typed ? option_of(error.field) + ": " : "";
  err_ << "ringctl: " << one_line(where + error.message + advice, 2000) << '\n';
  return kExitOwnError;
}

int Ctl::interrupted(int signal, const std::string& what_goes_on) {
  err_ << "ringctl: interrupted: " << one_line(what_goes_on, 2000) << std::endl;
  interrupted_by_ = signal;
  return kExitSignalBase + signal;
}

std::string advice_for(const Error& error) {
  switch (error.code) {
    case ErrorCode::unavailable:
      // A master that answered says itself what is away.
      return error.message.starts_with("no master") ? " (is a master running there? see --address)" : "";
    case ErrorCode::unauthenticated:
      return " (check --cluster and --secret-file)";
    case ErrorCode::unknown_outcome:
    case ErrorCode::deadline_exceeded:
      return " (look with `ringctl task list` before you repeat it)";
    default:
      return "";
  }
}

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    if (end > begin) parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

}  // namespace ringmaster
