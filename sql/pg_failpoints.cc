#include "sql/pg_failpoints.h"

#if RINGMASTER_FAILPOINTS

#include <array>

#include <poll.h>

namespace ringmaster {
namespace {

struct Statement {
  std::string_view name;
  std::size_t site;
};
constexpr auto kStatements = std::to_array<Statement>({
    {"accept", failpoint_site("accept.in_transaction")},
    {"accept_plain", failpoint_site("accept.in_transaction")},
    {"accept_keyed", failpoint_site("accept.in_transaction")},
    {"complete", failpoint_site("record.in_transaction")},
    {"complete_plain", failpoint_site("record.in_transaction")},
    {"retry", failpoint_site("retry.in_transaction")},
    {"mark_running", failpoint_site("mark.in_transaction")},
    {"control", failpoint_site("cancel.in_transaction")},
    {"take_over", failpoint_site("take_over.in_transaction")},
    {"take_shards", failpoint_site("take.in_transaction")},
    {"release_shards", failpoint_site("release.in_transaction")},
});
constexpr int kPollMs = 1'000;

}  // namespace

void stop_in_transaction(PGconn* connection, std::string_view name) {
  for (const Statement& statement : kStatements) {
    if (statement.name != name || !failpoints().is_armed(statement.site)) continue;
    // All of it leaves first; a server that does not take it for so long is not waited for.
    pollfd writable{PQsocket(connection), POLLOUT, 0};
    while (PQflush(connection) == 1 && ::poll(&writable, 1, kPollMs) == 1) {
    }
    failpoints().hit(statement.site);
  }
}

}  // namespace ringmaster

#endif
