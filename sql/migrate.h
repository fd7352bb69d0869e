// Migrations: brings a database to the schema of this binary. Blocking libpq, on the calling thread: for the
// command line and for tests, never on a loop. Safe to repeat and to run from several places at once (an
// advisory lock).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ringmaster {

struct Migration {
  int version = 0;  // 1, 2, … without gaps
  std::string_view name, sql;
};
// Those in this binary, ascending.
std::span<const Migration> migrations();

// What the schema must be for this binary: the number of the last migration.
int schema_version();

struct MigrateReport {
  int version_before = 0;  // 0: there was no schema
  int version_after = 0;
  std::vector<std::string> applied;  // names, in order
};

// Applies what is missing, each migration in a transaction of its own, then makes the history partitions of
// today and the days ahead. Errors: unavailable (no connection), invalid_argument (the schema is newer than
// this binary, or an applied migration has another checksum), internal (a migration failed; the ones before
// it stay).
Result<MigrateReport> migrate(const std::string& conninfo);

}  // namespace ringmaster
