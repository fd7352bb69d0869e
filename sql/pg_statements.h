// The statements of the PostgreSQL store. Those that change tasks begin with the fence: $1 incarnation, $2
// connection, $3 generation lock the connection's own row, and without it nothing happens. Immutable; any
// thread.
#pragma once

#include <array>
#include <string>
#include <utility>

#include "sql/pg_connection.h"

namespace ringmaster {

struct PgStatements {
  // A connection's life.
  PgStatement durability, schema_version, register_master, make_fence, settle, resign, no_deadline,
      usual_deadline;
  // Shards.
  PgStatement shards, take_shards, release_shards, predecessors, take_over;
  // Writes. The plain forms leave out the columns that hold defaults in every row of the batch.
  PgStatement next_ids, accept, accept_plain, accept_keyed, keyed_fates, complete, complete_plain, retry,
      mark_running, control;
  PgStatement keep_late, prove, fates;
  // Reads.
  PgStatement groups, page, page_due, lookup, get, list, database_time;
  // Audit.
  PgStatement audit_masters, audit_lane, audit_tasks, audit_history;
  // Chores.
  PgStatement maintain, vacuum;
};

const PgStatements& pg_statements();

}  // namespace ringmaster
