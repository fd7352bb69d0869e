// The failpoints inside a transaction: a statement has been sent without the sync that commits it, so that a
// master that is frozen here holds its locks in PostgreSQL.
#pragma once

#include <string_view>

#include <libpq-fe.h>

#include "base/failpoint.h"

namespace ringmaster {

#if RINGMASTER_FAILPOINTS
// Call it between a statement and its sync; `name` is the statement's.
void stop_in_transaction(PGconn* connection, std::string_view name);
#else
inline void stop_in_transaction(PGconn* /*connection*/, std::string_view /*name*/) {}
#endif

}  // namespace ringmaster
