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

Result<std::string> address_of(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (error != 0) {
    return fail(ErrorCode::unavailable, "database host " + host + ": " + gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  std::array<char, NI_MAXHOST> text{};
  if (getnameinfo(found->ai_addr, found->ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST) !=
      0) {
    return fail(ErrorCode::unavailable, "database host " + host + " has no address");
  }
  return std::string(text.data());
}

// The addresses of a comma-separated list; empty if a host is a directory of Unix sockets, which needs none.
Result<std::string> addresses_of(const std::string& hosts) {
  std::string addresses;
  for (std::size_t begin = 0; begin <= hosts.size();) {
    const std::size_t end = std::min(hosts.find(',', begin), hosts.size());
    const std::string host = hosts.substr(begin, end - begin);
    if (host.empty() || host.front() == '/' || host.front() == '@') return std::string();
    auto address = address_of(host);
    if (!address) return address;
    addresses += (begin == 0 ? "" : ",") + *address;
    begin = end + 1;
  }
  return addresses;
}

}  // namespace

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
    auto addresses = addresses_of(settings["host"]);
    if (!addresses) return std::unexpected(addresses.error());
    settings["hostaddr"] = *addresses;
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
