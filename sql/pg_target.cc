#include "sql/pg_target.h"

#include <algorithm>
#include <array>
#include <map>
#include <memory>

#include <libpq-fe.h>
#include <netdb.h>
#include <sys/socket.h>

namespace ringmaster {
namespace {

// Every statement of the store goes by an index, whatever the statistics say while a table is small.
constexpr const char* kSessionOptions =
    " -c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off -c "
    "enable_mergejoin=off"
    " -c jit=off -c timezone=UTC -c client_min_messages=error -c idle_in_transaction_session_timeout=5000 -c "
    "statement_timeout=";

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> items;
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    items.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return items;
}

bool lists_hosts(const std::string& keyword) {
  return keyword == "host" || keyword == "hostaddr" || keyword == "port";
}

// A list of one holds for all hosts.
std::string rotated(const std::string& list, std::size_t by) {
  std::vector<std::string> items = split(list);
  std::ranges::rotate(items, items.begin() + static_cast<std::ptrdiff_t>(by % items.size()));
  std::string out;
  for (const std::string& item : items) out += "," + item;
  return out.substr(1);
}

// Every address that the name has: a server may listen on only one of them.
Result<std::vector<std::string>> addresses_of(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error != 0) return fail(ErrorCode::unavailable, "database host " + host + ": " + gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  std::vector<std::string> addresses;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    std::array<char, NI_MAXHOST> text{};
    if (getnameinfo(at->ai_addr, at->ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) == 0) {
      addresses.emplace_back(text.data());
    }
  }
  return addresses;
}

// Replaces names by addresses: host, hostaddr and port become lists of equal length. Directories of Unix
// sockets need no address.
Result<> resolve(std::map<std::string, std::string>& settings) {
  const std::vector<std::string> hosts = split(settings["host"]), ports = split(settings["port"]);
  const auto needs_none = [](const std::string& host) {
    return host.empty() || host.front() == '/' || host.front() == '@';
  };
  if (std::ranges::all_of(hosts, needs_none)) return {};
  std::string host_list, address_list, port_list;
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    std::vector<std::string> addresses{""};
    if (!needs_none(hosts[i])) {
      auto found = addresses_of(hosts[i]);
      if (!found) return std::unexpected(found.error());
      addresses = std::move(*found);
    }
    for (const std::string& address : addresses) {
      host_list += "," + hosts[i];
      address_list += "," + address;
      port_list += "," + (i < ports.size() ? ports[i] : ports.back());
    }
  }
  if (host_list.empty()) return fail(ErrorCode::unavailable, "the database's hosts have no address");
  settings["host"] = host_list.substr(1);
  settings["hostaddr"] = address_list.substr(1);
  settings["port"] = port_list.substr(1);
  return {};
}

}  // namespace

std::size_t PgTarget::hosts() const {
  std::size_t most = 1;
  for (std::size_t i = 0; i < keywords.size(); ++i) {
    if (lists_hosts(keywords[i])) most = std::max(most, split(values[i]).size());
  }
  return most;
}

std::vector<std::string> PgTarget::values_from(std::size_t host) const {
  std::vector<std::string> out = values;
  for (std::size_t i = 0; i < keywords.size(); ++i) {
    if (lists_hosts(keywords[i])) out[i] = rotated(values[i], host);
  }
  return out;
}

Result<PgTarget> PgTarget::make(const std::string& conninfo, Duration statement_deadline) {
  char* message = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
      PQconninfoParse(conninfo.c_str(), &message), &PQconninfoFree);
  const std::unique_ptr<char, decltype(&PQfreemem)> message_owner(message, &PQfreemem);
  if (options == nullptr) return fail(ErrorCode::invalid_argument, "the database's conninfo cannot be read");
  // A dead peer is noticed within seconds; what the user says goes first.
  std::map<std::string, std::string> settings{
      {"application_name", "ringmaster"}, {"keepalives_idle", "5"},      {"keepalives_interval", "2"},
      {"keepalives_count", "3"},          {"tcp_user_timeout", "10000"}, {"target_session_attrs", "primary"}};
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr) settings[option->keyword] = option->val;
  }
  if (!settings["host"].empty() && settings["hostaddr"].empty()) {
    if (auto resolved = resolve(settings); !resolved) return std::unexpected(resolved.error());
  }
  const auto deadline = std::chrono::duration_cast<std::chrono::milliseconds>(statement_deadline);
  settings["options"] += kSessionOptions + std::to_string(deadline.count());
  PgTarget target;
  target.statement_deadline = statement_deadline;
  for (auto& [keyword, value] : settings) {
    if (value.empty()) continue;
    target.keywords.push_back(keyword);
    target.values.push_back(std::move(value));
  }
  return target;
}

}  // namespace ringmaster
